<?php
// SPDX-License-Identifier: MIT
// Posts JSON to each URL by PHP's extension: post.php JSON URL... Prints a line for each: the status, the body.
foreach (array_slice($argv, 2) as $url) {
    $easy = curl_init($url);
    curl_setopt($easy, CURLOPT_RETURNTRANSFER, true);
    curl_setopt($easy, CURLOPT_HTTPHEADER, ['Content-Type: application/json', 'Authorization: Bearer secret']);
    curl_setopt($easy, CURLOPT_POSTFIELDS, $argv[1]);
    $body = curl_exec($easy);
    echo curl_getinfo($easy, CURLINFO_RESPONSE_CODE), ' ', rtrim($body, "\n"), "\n";
}
