# SPDX-License-Identifier: MIT
# Transfers by R's curl package: client.R easy|multi get|post|put FILE URL...
library(curl)
arguments <- commandArgs(trailingOnly = TRUE)
driver <- arguments[1]
mode <- arguments[2]
file <- arguments[3]
urls <- arguments[-(1:3)]
out <- pipe("cat", "wb")

make <- function() {
    handle <- new_handle()
    if (mode == "post")
        handle_setopt(handle, post = TRUE, postfieldsize = file.size(file),
                      copypostfields = readBin(file, "raw", file.size(file)))
    if (mode == "put")
        handle_setopt(handle, customrequest = "PUT", postfieldsize = file.size(file),
                      copypostfields = readBin(file, "raw", file.size(file)))
    handle
}
show <- function(answer) {
    if (is.character(answer)) {
        writeBin(charToRaw(paste0(answer, "\n")), out)
    } else {
        blocks <- length(grep("^HTTP/", parse_headers(answer$headers)))
        writeBin(charToRaw(sprintf("0 %d %d %d\n", answer$status_code, blocks, length(answer$content))), out)
        writeBin(c(answer$content, as.raw(10)), out)
    }
}

answers <- vector("list", length(urls))
if (driver == "easy") {
    for (i in seq_along(urls))
        answers[[i]] <- tryCatch(curl_fetch_memory(urls[i], make()), error = function(e) conditionMessage(e))
} else {
    pool <- new_pool()
    for (i in seq_along(urls)) local({
        index <- i
        curl_fetch_multi(urls[index], handle = make(), pool = pool,
                         done = function(answer) answers[[index]] <<- answer,
                         fail = function(message) answers[[index]] <<- message)
    })
    invisible(multi_run(pool = pool))
}
for (answer in answers) show(answer)
invisible(close(out))
