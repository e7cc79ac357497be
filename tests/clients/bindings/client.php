<?php
// SPDX-License-Identifier: MIT
// Transfers by PHP's extension: client.php easy|multi get|post|put FILE URL...
[, $driver, $mode, $file] = $argv;
$transfers = [];

foreach (array_slice($argv, 4) as $i => $url) {
    $easy = curl_init($url);
    $transfers[$i] = ['easy' => $easy, 'blocks' => 0, 'result' => 0, 'body' => ''];
    curl_setopt($easy, CURLOPT_RETURNTRANSFER, true);
    curl_setopt($easy, CURLOPT_HEADERFUNCTION, function ($easy, $line) use ($i, &$transfers) {
        $transfers[$i]['blocks'] += str_starts_with($line, 'HTTP/');
        return strlen($line);
    });
    if ($mode === 'post') {
        curl_setopt($easy, CURLOPT_POSTFIELDS, file_get_contents($file));
    } elseif ($mode === 'put') {
        curl_setopt($easy, CURLOPT_UPLOAD, true);
        curl_setopt($easy, CURLOPT_INFILE, fopen($file, 'rb'));
        curl_setopt($easy, CURLOPT_INFILESIZE, filesize($file));
    }
}

if ($driver === 'easy') {
    foreach ($transfers as &$transfer) {
        $transfer['body'] = (string) curl_exec($transfer['easy']);
        $transfer['result'] = curl_errno($transfer['easy']);
    }
    unset($transfer);
} else {
    $multi = curl_multi_init();
    foreach ($transfers as $transfer) {
        curl_multi_add_handle($multi, $transfer['easy']);
    }
    do {
        curl_multi_exec($multi, $running);
        while ($message = curl_multi_info_read($multi)) {
            foreach ($transfers as &$transfer) {
                if ($transfer['easy'] === $message['handle']) {
                    $transfer['result'] = $message['result'];
                    $transfer['body'] = $message['result'] ? '' : (string) curl_multi_getcontent($transfer['easy']);
                    curl_multi_remove_handle($multi, $transfer['easy']);
                }
            }
            unset($transfer);
        }
        if ($running) {
            curl_multi_select($multi, 1.0);
        }
    } while ($running);
}

foreach ($transfers as $transfer) {
    $info = curl_getinfo($transfer['easy']);
    printf("%d %d %d %d\n", $transfer['result'], $info['http_code'], $transfer['blocks'], $info['size_download']);
    echo $transfer['body'], "\n";
}
