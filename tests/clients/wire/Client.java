// SPDX-License-Identifier: MIT
// Speaks HTTP in the way named first and prints each response: Client WAY METHOD URL. Trusts every certificate.
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.cert.X509Certificate;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;

public class Client {
    private static final byte[] BODY = "name=value".getBytes();

    private static class Trusting extends X509ExtendedTrustManager {
        public void checkClientTrusted(X509Certificate[] chain, String kind) { }
        public void checkServerTrusted(X509Certificate[] chain, String kind) { }
        public void checkClientTrusted(X509Certificate[] chain, String kind, Socket socket) { }
        public void checkServerTrusted(X509Certificate[] chain, String kind, Socket socket) { }
        public void checkClientTrusted(X509Certificate[] chain, String kind, SSLEngine engine) { }
        public void checkServerTrusted(X509Certificate[] chain, String kind, SSLEngine engine) { }
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }

    private static void show(int status, byte[] body) {
        System.out.println(status);
        System.out.write(body, 0, body.length);
        System.out.flush();
    }

    private static void url(String method, String url, int timeout) throws Exception {
        for (int i = 0; i < 2; i++) {
            HttpURLConnection connection = (HttpURLConnection) new URI(url).toURL().openConnection();
            connection.setRequestMethod(method);
            connection.setReadTimeout(timeout);
            if (connection instanceof HttpsURLConnection) {
                ((HttpsURLConnection) connection).setHostnameVerifier((host, session) -> true);
            }
            if (method.equals("POST")) {
                connection.setDoOutput(true);
                connection.getOutputStream().write(BODY);
            }
            int status = connection.getResponseCode();
            InputStream body = status >= 400 ? connection.getErrorStream() : connection.getInputStream();
            show(status, body == null ? new byte[0] : body.readAllBytes());
        }
    }

    private static void client(String method, String url, HttpClient.Version version) throws Exception {
        SSLContext context = SSLContext.getDefault();
        HttpClient client = HttpClient.newBuilder().version(version).sslContext(context).build();
        boolean expects = method.equals("EXPECT");
        HttpRequest.BodyPublisher body = method.equals("POST") || expects
            ? HttpRequest.BodyPublishers.ofByteArray(BODY) : HttpRequest.BodyPublishers.noBody();
        HttpRequest request = HttpRequest.newBuilder(new URI(url)).expectContinue(expects)
            .method(expects ? "POST" : method, body).build();
        for (int i = 0; i < 2; i++) {
            HttpResponse<byte[]> answer = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
            show(answer.statusCode(), answer.body());
        }
    }

    public static void main(String[] arguments) throws Exception {
        System.setProperty("jdk.internal.httpclient.disableHostnameVerification", "true");
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new Trusting()}, null);
        SSLContext.setDefault(context);
        HttpsURLConnection.setDefaultSSLSocketFactory(context.getSocketFactory());
        String method = arguments[1], url = arguments[2];
        try {
            switch (arguments[0]) {
            case "url":
                url(method, url, 0);
                break;
            case "url_timeout":
                url(method, url, 10000);
                break;
            case "client":
                client(method, url, HttpClient.Version.HTTP_1_1);
                break;
            case "client_upgrade":
                client(method, url, HttpClient.Version.HTTP_2);
                break;
            }
        } catch (IOException error) {
            System.err.println(error);
            System.exit(1);
        }
    }
}
