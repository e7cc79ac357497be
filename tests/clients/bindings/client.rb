# SPDX-License-Identifier: MIT
# Transfers by Ruby's libraries, two of which go through FFI:
# client.rb ethon|typhoeus|curb|curb-multi get|post|put FILE URL...
driver, mode, file, *urls = ARGV
data = mode == 'get' ? nil : File.binread(file)

# Its table of types now and then takes two of them for the same, by hashes that differ from run to run, and warns.
def silence_types
  require 'mime/types/logger'
  MIME::Types.logger = Logger.new(nil)
end

def show(result, status, headers, size, body)
  $stdout.binmode
  print result, ' ', status, ' ', headers.scan(%r{^HTTP/}).size, ' ', size.to_i, "\n", body, "\n"
end

def ethon(mode, data, urls)
  silence_types
  require 'ethon'
  urls.each do |url|
    easy = Ethon::Easy.new
    easy.http_request(url, mode.to_sym, mode == 'get' ? {} : { body: data })
    code = easy.perform
    number = Ethon::Curl.easy_codes.index(code)
    show(number, easy.response_code, easy.response_headers, easy.size_download, easy.response_body)
  end
end

def typhoeus(mode, data, urls)
  silence_types
  require 'typhoeus'
  Typhoeus::Config.memoize = false
  hydra = Typhoeus::Hydra.new(max_concurrency: urls.size)
  requests = urls.map { |url| Typhoeus::Request.new(url, method: mode.to_sym, body: data) }
  requests.each { |request| hydra.queue(request) }
  hydra.run
  requests.each do |request|
    answer = request.response
    show(Ethon::Curl.easy_codes.index(answer.return_code), answer.response_code, answer.response_headers.to_s,
         answer.options[:size_download] || 0, answer.response_body)
  end
end

def prepare(easy, mode, data)
  case mode
  when 'post' then easy.post_body = data
  when 'put' then easy.put_data = data
  end
  easy
end

def show_curb(easy, failure)
  show(failure || 0, easy.response_code, easy.header_str.to_s, easy.downloaded_bytes, easy.body_str)
end

def curb(mode, data, urls)
  require 'curb'
  urls.each do |url|
    easy = prepare(Curl::Easy.new(url), mode, data)
    begin
      easy.perform
      show_curb(easy, nil)
    rescue Curl::Err::CurlError => e
      show_curb(easy, e.class)
    end
  end
end

def curb_multi(mode, data, urls)
  require 'curb'
  failures = {}
  multi = Curl::Multi.new
  handles = urls.map do |url|
    easy = prepare(Curl::Easy.new(url), mode, data)
    easy.on_failure { |handle, error| failures[handle] = error[0] }
    multi.add(easy)
    easy
  end
  multi.perform
  handles.each { |easy| show_curb(easy, failures[easy]) }
end

send(driver.tr('-', '_'), mode, data, urls)
