# SPDX-License-Identifier: MIT
"""Programs that do not link what they call: libraries opened with RTLD_DEEPBIND, functions found by dlsym."""

from harness import PATIENT, cases, check_attempts_exhausted, check_gets_through

PHP = """<?php
$body = '';
$c = curl_init($argv[1]);
curl_setopt($c, CURLOPT_WRITEFUNCTION, function ($c, $data) use (&$body) { $body .= $data; return strlen($data); });
$good = curl_exec($c);
echo curl_getinfo($c, CURLINFO_RESPONSE_CODE), " 1\\n", $body;
exit($good ? 0 : curl_errno($c));
"""

# The parts of libcurl that each program needs, with the numbers of curl.h.
CTYPES = """
import ctypes, sys
TAKE = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)
class Curl:
    def __init__(self, name):
        self.library = ctypes.CDLL(name)
        self.library.curl_easy_init.restype = ctypes.c_void_p
        self.easy = ctypes.c_void_p(self.library.curl_easy_init())
        self.body = b""
        self.take = TAKE(self.write)
        self.set(10004, b"")
        self.set(20011, self.take)

    def write(self, data, size, count, context):
        self.body += data[:size * count]
        return size * count

    def set(self, option, value):
        assert self.library.curl_easy_setopt(self.easy, option, value) == 0

    def get(self, url):
        self.body = b""
        self.set(10002, url.encode())
        code = self.library.curl_easy_perform(self.easy)
        status = ctypes.c_long()
        self.library.curl_easy_getinfo(self.easy, 0x200002, ctypes.byref(status))
        print(status.value, 1)
        print(self.body.decode(), end="")
        return code

    def end(self):
        self.library.curl_easy_cleanup(self.easy)
"""
CTYPES_ONE = CTYPES + """
curl = Curl("libcurl.so.4")
code = curl.get(sys.argv[1])
curl.end()
sys.exit(code)
"""
CTYPES_BOTH = CTYPES + """
one, other = Curl("libcurl-gnutls.so.4"), Curl("libcurl.so.4")
codes = [other.get(sys.argv[1]), one.get(sys.argv[2]), other.get(sys.argv[3]), one.get(sys.argv[3])]
one.end()
codes.append(other.get(sys.argv[1]))
other.end()
print(codes)
"""

FIDDLE = """
require 'fiddle'
include Fiddle
CURL = Fiddle.dlopen('libcurl.so.4')
def curl(name, types, result = TYPE_INT)
  Function.new(CURL["curl_easy_#{name}"], types, result)
end
body = +''
take = Class.new(Closure) { define_method(:call) { |data, size, count, _| body << data[0, size * count]; size * count } }
easy = curl('init', [], TYPE_VOIDP).call
set = curl('setopt', [TYPE_VOIDP, TYPE_INT, TYPE_VARIADIC])
set.call(easy, 10002, TYPE_VOIDP, ARGV[0])
closure = take.new(TYPE_SIZE_T, [TYPE_VOIDP, TYPE_SIZE_T, TYPE_SIZE_T, TYPE_VOIDP])
set.call(easy, 20011, TYPE_VOIDP, closure)
code = curl('perform', [TYPE_VOIDP]).call(easy)
status = Pointer.malloc(SIZEOF_LONG, RUBY_FREE)
curl('getinfo', [TYPE_VOIDP, TYPE_INT, TYPE_VARIADIC]).call(easy, 0x200002, TYPE_VOIDP, status)
puts "#{status[0, SIZEOF_LONG].unpack1('l!')} 1", body
curl('cleanup', [TYPE_VOIDP], TYPE_VOID).call(easy)
exit code
"""

JNA = """
import com.sun.jna.*;
import com.sun.jna.ptr.NativeLongByReference;

public class Client {
    public interface Take extends Callback {
        NativeLong invoke(Pointer data, NativeLong size, NativeLong count, Pointer context);
    }

    public static void main(String[] words) {
        NativeLibrary curl = NativeLibrary.getInstance("libcurl.so.4");
        StringBuilder body = new StringBuilder();
        Take take = (data, size, count, context) -> {
            byte[] bytes = data.getByteArray(0, size.intValue() * count.intValue());
            body.append(new String(bytes));
            return new NativeLong(bytes.length);
        };
        Pointer easy = curl.getFunction("curl_easy_init").invokePointer(new Object[] {});
        curl.getFunction("curl_easy_setopt").invokeInt(new Object[] {easy, 10002, words[0]});
        curl.getFunction("curl_easy_setopt").invokeInt(new Object[] {easy, 20011, take});
        int code = curl.getFunction("curl_easy_perform").invokeInt(new Object[] {easy});
        NativeLongByReference status = new NativeLongByReference();
        curl.getFunction("curl_easy_getinfo").invokeInt(new Object[] {easy, 0x200002, status});
        System.out.print(status.getValue() + " 1\\n" + body);
        curl.getFunction("curl_easy_cleanup").invokeVoid(new Object[] {easy});
        System.exit(code);
    }
}
"""


def command(test, language, url):
    if language == "php":
        return ["php", test.file("client.php", PHP), url]
    if language == "fiddle":
        return ["ruby", test.file("client.rb", FIDDLE), url]
    if language == "jna":
        return ["java", "-Xint", "-cp", "/usr/share/java/jna.jar", test.file("Client.java", JNA), url]
    return ["/usr/bin/python3", test.file("client.py", CTYPES_ONE), url]


@cases("php", "ctypes", "fiddle", "jna")
def test_gets_through(test, language):
    check_gets_through(test, lambda url: command(test, language, url))


@cases("php", "ctypes", "fiddle", "jna")
def test_attempts_exhausted(test, language):
    check_attempts_exhausted(test, lambda url: command(test, language, url))


# As older versions of PHP open their extensions.
DEEPBIND = """
import io, os, sys
sys.setdlopenflags(os.RTLD_NOW | os.RTLD_DEEPBIND)
import pycurl
call, body = pycurl.Curl(), io.BytesIO()
call.setopt(pycurl.URL, sys.argv[1])
call.setopt(pycurl.WRITEDATA, body)
call.perform()
print(call.getinfo(pycurl.RESPONSE_CODE), body.getvalue().decode(), end="")
"""


def test_deepbind(test):
    """The flag is removed, so that the calls of an extension come to rebound."""
    server = test.server()
    test.good(test.rebound(["/usr/bin/python3", "-c", DEEPBIND, server.url("k/s503/ok")]), b"200 good k\n")
    test.equal(server.count("k"), 2, "requests")


def test_deepbind_is_kept(test):
    """What `deepbind = keep` promises: an extension opened with the flag goes round, and all else is as alone."""
    server = test.server()
    program = ["/usr/bin/python3", "-c", DEEPBIND, server.url("k/s503/ok")]
    alone = test.alone(program)
    server.reset()
    policy = test.file("policy.ini", f"[rebound]\ndeepbind = keep\nlog = {test.log_path}\n[default]\n")
    test.same(test.rebound(program, policy), alone)
    test.equal((server.count("k"), test.events()), (1, []), "requests and events")


def test_both_libcurls_by_lookup(test):
    """Handles of both flavours side by side: a foreign one would give 3 in place of 7, or crash."""
    server, dead = test.server(), test.server("--listen-after", "never")
    urls = [server.url("a/s503/ok"), server.url("b/s503/ok"), dead.url("c")]
    result = test.rebound(["/usr/bin/python3", test.file("client.py", CTYPES_BOTH), *urls])
    test.good(result, b"200 1\ngood a\n200 1\ngood b\n0 1\n0 1\n200 1\ngood a\n[0, 0, 7, 7, 0]\n")
    test.equal([server.count(k) for k in "ab"], [3, 2], "requests")


CONNECT = """
import ctypes, socket, sys
libc = ctypes.CDLL({library})
s = socket.socket()
address = ctypes.create_string_buffer(
    socket.AF_INET.to_bytes(2, sys.byteorder) + int(sys.argv[1]).to_bytes(2, "big") + socket.inet_aton("127.0.0.1"), 16)
print(libc.connect(s.fileno(), address, 16))
"""


@cases(handle='"libc.so.6"', program="None")
def test_connect_by_lookup(test, library):
    server = test.server("--listen-after", "never")
    client = ["/usr/bin/python3", test.file("client.py", CONNECT.replace("{library}", library)), str(server.port)]
    test.good(test.alone(client), b"-1\n")
    result = test.rebound(client, PATIENT, on_retry=lambda: server.listen(0))
    test.good(result, b"0\n")
    test.equal({e["api"] for e in test.events()}, {"connect"}, "api in the log")
