# SPDX-License-Identifier: MIT
# Transfers by TclCurl: client.tcl easy get|post|put FILE URL... (its multi interface crashes on 64-bit machines)
package require TclCurl
lassign $argv driver mode file
fconfigure stdout -translation binary

foreach url [lrange $argv 3 end] {
    set easy [curl::init]
    array unset headers
    set body ""
    $easy configure -url $url -bodyvar body -headervar headers
    if {$mode eq "post"} {
        set in [open $file rb]
        $easy configure -post 1 -postfields [read $in]
        close $in
    } elseif {$mode eq "put"} {
        $easy configure -upload 1 -infile $file -infilesize [file size $file]
    }
    if {[catch {$easy perform} result] == 0} {set result 0}
    puts "$result [$easy getinfo responsecode] [info exists headers(http)] [expr {int([$easy getinfo sizedownload])}]"
    puts $body
    $easy cleanup
}
