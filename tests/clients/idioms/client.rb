# SPDX-License-Identifier: MIT
# Connects without blocking, in the way named first, and prints the line that the server sends: client.rb WAY HOST PORT
require "socket"

way, host, port = ARGV

case way
when "tcp"
  print Socket.tcp(host, port).gets
when "socket"
  print TCPSocket.new(host, port).gets
when "timeout"
  print Socket.tcp(host, port, connect_timeout: 10).gets
when "http"
  require "net/http"
  print Net::HTTP.get(URI("http://#{host}:#{port}/k"))
when "async"
  require "async"
  begin
    Sync { print TCPSocket.new(host, port).gets }
  rescue SystemCallError => error
    abort error.message
  end
end
