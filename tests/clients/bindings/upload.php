<?php
// SPDX-License-Identifier: MIT
// Uploads from a read callback, as PHP's HTTP clients make them: upload.php easy|multi KIND SIZE URL...
//   sized      as Guzzle for a body of known size: UPLOAD, INFILESIZE
//   chunked    as Guzzle for a body of unknown size: UPLOAD
//   field      as Symfony: UPLOAD and a Transfer-Encoding field
//   post       as Symfony for a POST: POST and a Transfer-Encoding field, here with an Idempotency-Key
//   auth       UPLOAD with a password, of which libcurl finds the method by a 401
//   pause      UPLOAD; the callback asks for a pause once (multi only)
// All on one kept connection, one after another. Prints result, status, body, and how many bytes the callback supplied.
[, $driver, $kind, $size] = $argv;
$multi = curl_multi_init();

foreach (array_slice($argv, 4) as $url) {
    $body = implode(' ', range(1, $size));
    $body = substr($body, 0, (int) $size);
    $at = 0;
    $paused = $kind !== 'pause';
    $easy = curl_init($url);
    $fields = ['Expect:'];
    if ($kind === 'sized' || $kind === 'auth' || $kind === 'pause') {
        curl_setopt($easy, CURLOPT_INFILESIZE, (int) $size);
    }
    if ($kind === 'field' || $kind === 'post') {
        $fields[] = 'Transfer-Encoding: chunked';
    }
    if ($kind === 'post') {
        curl_setopt($easy, CURLOPT_POST, true);
        $fields[] = 'Idempotency-Key: 7';
    } else {
        curl_setopt($easy, CURLOPT_UPLOAD, true);
        curl_setopt($easy, CURLOPT_CUSTOMREQUEST, 'PUT');
    }
    if ($kind === 'auth') {
        curl_setopt_array($easy, [CURLOPT_HTTPAUTH => CURLAUTH_ANY, CURLOPT_USERPWD => 'user:password']);
    }
    curl_setopt_array($easy, [
        CURLOPT_RETURNTRANSFER => true, CURLOPT_HTTPHEADER => $fields,
        CURLOPT_READFUNCTION => function ($easy, $file, $length) use (&$body, &$at, &$paused) {
            if (!$paused && $at > 0) {
                $paused = true;
                return CURL_READFUNC_PAUSE;
            }
            $part = substr($body, $at, min($length, 5000));
            $at += strlen($part);
            return $part;
        }]);
    if ($driver === 'easy') {
        $got = curl_exec($easy);
        $result = curl_errno($easy);
    } else {
        curl_multi_add_handle($multi, $easy);
        do {
            curl_multi_exec($multi, $running);
            curl_multi_select($multi, 0.1);
            if ($paused) {
                curl_pause($easy, CURLPAUSE_CONT);
            }
        } while ($running);
        $result = curl_multi_info_read($multi)['result'];
        $got = curl_multi_getcontent($easy);
        curl_multi_remove_handle($multi, $easy);
    }
    printf("%d %d %s %d\n", $result, curl_getinfo($easy, CURLINFO_RESPONSE_CODE), trim((string) $got), $at);
}
