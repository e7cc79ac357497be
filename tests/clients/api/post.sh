#!/bin/sh
# SPDX-License-Identifier: MIT
# Posts JSON to each URL by the command curl: post.sh JSON URL... Prints a line for each: the status, the body.
json=$1
shift
for url; do
    body=$(curl -s -w '\n%{http_code}' -H 'Content-Type: application/json' -H 'Authorization: Bearer secret' -d "$json" "$url")
    printf '%s %s\n' "${body##*
}" "${body%%
*}"
done
