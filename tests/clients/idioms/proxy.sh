#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a proxy in the foreground until a request through its Unix socket was answered: proxy.sh SOCKET COMMAND...
socket=$1
shift
"$@" &
proxy=$!
while kill -0 $proxy 2>/dev/null; do
    curl -s -m 20 --unix-socket "$socket" -w 'status %{http_code}\n' http://proxied/k
    [ $? = 7 ] || break
    sleep 0.02
done >answer
grep -v 'status 000' answer
kill $proxy
wait $proxy 2>/dev/null # the shell tells of the signal, or not
exit 0
