<?php
// SPDX-License-Identifier: MIT
// Speaks HTTP in the way named first and prints each response: client.php WAY METHOD URL
[$script, $way, $method, $url] = $argv;
$http = ['method' => $method, 'ignore_errors' => true, 'protocol_version' => 1.1, 'follow_location' => 0];
if ($method == 'POST') {
    $http += ['content' => 'name=value', 'header' => 'Content-Type: application/x-www-form-urlencoded'];
}
if ($way == 'timeout') {
    $http += ['timeout' => 10];
}
$ssl = ['cafile' => getenv('SSL_CERT_FILE')];
$body = file_get_contents($url, false, stream_context_create(['http' => $http, 'ssl' => $ssl]));
if ($body === false) {
    exit(1);
}
echo $http_response_header[0], "\n", $body;
