# SPDX-License-Identifier: MIT
"""Programs that use OpenSSL without libcurl: under a policy for every host they end as alone."""

from harness import cases

# Each program prints the statuses and bodies of two responses. Python opens libssl for itself alone (RTLD_LOCAL) and calls
# SSL_read_ex; Perl, PHP and Ruby call SSL_read. ruby, perl and python_client use one connection for both requests.
PROGRAMS = {
    "python_urllib": ["/usr/bin/python3", "-c", """
import ssl, sys, urllib.error, urllib.request
for url in sys.argv[1:]:
    try:
        answer = urllib.request.urlopen(url, timeout=20, context=ssl._create_unverified_context())
    except urllib.error.HTTPError as error:
        answer = error
    print(answer.status, answer.read())
"""],
    "python_client": ["/usr/bin/python3", "-c", """
import http.client, ssl, sys, urllib.parse
connection = None
for url in map(urllib.parse.urlsplit, sys.argv[1:]):
    connection = connection or http.client.HTTPSConnection(url.netloc, context=ssl._create_unverified_context())
    connection.request("GET", url.path + "?" + url.query)
    answer = connection.getresponse()
    print(answer.status, answer.read())
"""],
    "perl": ["perl", "-MHTTP::Tiny", "-e", """
my $client = HTTP::Tiny->new(verify_SSL => 0);
for (@ARGV) { my $answer = $client->get($_); print "$answer->{status} $answer->{content}\n" }
"""],
    "ruby": ["ruby", "-rnet/http", "-ropenssl", "-e", """
uri = URI(ARGV[0])
Net::HTTP.start(uri.host, uri.port, use_ssl: true, verify_mode: OpenSSL::SSL::VERIFY_NONE) do |http|
  ARGV.each { |url| answer = http.get(URI(url).request_uri); puts answer.code, answer.body }
end
"""],
    "php": ["php", "-r", """
$options = ["ssl" => ["verify_peer" => false, "verify_peer_name" => false], "http" => ["ignore_errors" => true]];
foreach (array_slice($argv, 1) as $url) {
    echo file_get_contents($url, false, stream_context_create($options)), $http_response_header[0], "\n";
}
"""],
}


@cases(*PROGRAMS)
def test_openssl(test, name):
    server = test.server()
    front = test.tls_front(server)
    command = PROGRAMS[name] + [front.url("a/ok;size=100000"), front.url("b/ok;chunked;size=3000")]
    alone = test.alone(command)
    test.check(alone.code == 0 and len(alone.out) > 100000, f"alone: {alone}")
    test.same(test.rebound(command), alone)
    test.equal((server.count("a"), server.count("b")), (2, 2), "requests")
