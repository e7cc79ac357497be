// SPDX-License-Identifier: MIT
// Java NIO: a channel in a selector. Prints the line that the server sends.
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;

public class Client {
    public static void main(String[] arguments) throws IOException {
        InetSocketAddress address = new InetSocketAddress(arguments[1], Integer.parseInt(arguments[2]));
        ByteBuffer buffer = ByteBuffer.allocate(99);
        if (arguments[0].equals("timeout")) {
            Socket socket = new Socket();
            socket.connect(address, 10000);
            buffer.position(socket.getInputStream().read(buffer.array()));
        } else {
            Selector selector = Selector.open();
            SocketChannel channel = SocketChannel.open();
            channel.configureBlocking(false);
            channel.register(selector, SelectionKey.OP_CONNECT);
            channel.connect(address);
            selector.select(10000);
            channel.finishConnect();
            channel.keyFor(selector).interestOps(SelectionKey.OP_READ);
            selector.select(10000);
            channel.read(buffer);
        }
        System.out.print(new String(buffer.array(), 0, buffer.position()));
    }
}
