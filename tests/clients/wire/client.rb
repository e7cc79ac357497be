# SPDX-License-Identifier: MIT
# Speaks HTTP in the way named first and prints each response: client.rb WAY METHOD URL
require "net/http"

way, method, url = ARGV
uri = URI(url)
kinds = { "GET" => Net::HTTP::Get, "HEAD" => Net::HTTP::Head, "POST" => Net::HTTP::Post, "EXPECT" => Net::HTTP::Post }
make = lambda do
  request = kinds[method].new(uri)
  request.body = "name=value" if request.request_body_permitted?
  request["Expect"] = "100-continue" if method == "EXPECT"
  request
end
options = { use_ssl: uri.scheme == "https", max_retries: 0 }
options[:read_timeout] = nil if way == "blocking"
options[:continue_timeout] = 5 if method == "EXPECT"
show = ->(answer) { print answer.code, "\n", answer.body }

begin
  case way
  when "once"
    Net::HTTP.start(uri.host, uri.port, **options) do |http|
      request = make.call
      request["Connection"] = "close"
      show.call(http.request(request))
    end
  when "session", "blocking"
    Net::HTTP.start(uri.host, uri.port, **options) { |http| 2.times { show.call(http.request(make.call)) } }
  end
rescue SystemCallError, IOError, OpenSSL::SSL::SSLError => error
  $stdout.flush
  abort "#{error.class}: #{error.message}"
end
