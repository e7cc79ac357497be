# SPDX-License-Identifier: MIT
# An asynchronous connect; prints the line that the server sends: client.tcl HOST PORT
lassign $argv host port
set peer [socket -async $host $port]
fileevent $peer writable {set ready 1}
vwait ready
set error [fconfigure $peer -error]
if {$error ne ""} {
    puts stderr $error
    exit 1
}
puts [gets $peer]
