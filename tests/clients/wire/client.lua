-- SPDX-License-Identifier: MIT
-- Speaks HTTP with lua-socket and lua-sec, and prints the response: client.lua METHOD URL
local ltn12 = require("ltn12")
local method, url = arg[1], arg[2]
local ask = url:match("^https") and require("ssl.https") or require("socket.http")
local parts, body = {}, "name=value"
local request = {url = url, method = method, sink = ltn12.sink.table(parts)}
if method == "POST" then
    request.source = ltn12.source.string(body)
    request.headers = {["content-length"] = #body}
end
if url:match("^https") then
    request.protocol, request.verify = "any", "none"
    request.options = {"all"}
end
local done, status = ask.request(request)
if not done then
    io.stderr:write(status, "\n")
    os.exit(1)
end
io.write(status, "\n", table.concat(parts))
