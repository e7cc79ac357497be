<?php
// SPDX-License-Identifier: MIT
// Connects without blocking, in the way named first; prints the line that the server sends: client.php WAY HOST PORT
[, $way, $host, $port] = $argv;

switch ($way) {
    case 'fsockopen':
        $peer = fsockopen($host, (int) $port, $code, $message, 10) or exit(1);
        break;
    case 'async':
        $flags = STREAM_CLIENT_CONNECT | STREAM_CLIENT_ASYNC_CONNECT;
        $peer = stream_socket_client("tcp://$host:$port", $code, $message, 10, $flags) or exit(1);
        stream_set_blocking($peer, false);
        $read = $except = null;
        $write = [$peer];
        stream_select($read, $write, $except, 10);
        if (stream_socket_get_name($peer, true) === false) {
            fwrite(STDERR, "no peer\n");
            exit(1);
        }
        stream_set_blocking($peer, true);
        break;
    case 'http':
        $text = file_get_contents("http://$host:$port/k");
        echo $text;
        exit($text === false ? 1 : 0);
}
echo fgets($peer);
