-- SPDX-License-Identifier: MIT
-- Connects with lua-socket; prints the line that the server sends: client.lua WAY HOST PORT
local socket = require("socket")
local way, host, port = arg[1], arg[2], arg[3]
local peer = socket.tcp()

if way == "timeout" then
    peer:settimeout(10)
    assert(peer:connect(host, port))
else
    peer:settimeout(0)
    peer:connect(host, port)
    socket.select({}, {peer}, 10)
    assert(peer:getpeername())
    peer:settimeout(10)
end
print(assert(peer:receive("*l")))
