# SPDX-License-Identifier: MIT
"""What `rebound doctor` reports about programs."""

import json
import os
import re
import shutil
import struct
import subprocess

from harness import (
    ANOTHER_USER, build_static, expect, holds, in_front, LIBRARY, on_terminal, REBOUND, same, test
)


# --- doctor


def doctor(place, *words, **options):
    """Exit status and what --json says."""
    status, out, err = place.text("doctor", "--json", *words, **options)
    expect(status in (0, 1), status, out, err)
    return status, json.loads(out)


def verdicts(found):
    return {call["call"]: call["verdict"] for call in found["calls"]}


def call_of(found, name):
    return next(call for call in found["calls"] if call["call"] == name)


def object_of(found, name):
    return next(item for item in found["objects"] if item["name"] == name)


def compile_c(place, name, code, *flags, compiler="gcc"):
    source = place.file(name + ".c", code)
    program = os.path.join(place.path, name)
    os.makedirs(os.path.dirname(program), exist_ok=True)
    subprocess.run([compiler, "-w", "-o", program, source, *flags], check=True, cwd=place.path)
    return program


# Imports the functions that are named, and calls none.
def importer(*names):
    return "".join(f"int {name}();\n" for name in names) + \
        "int main(int argc, char **argv) {\n" + "".join(f"    if (argc > 99) {name}();\n" for name in names) + \
        "    return 0;\n}\n"


@test
def doctor_of_a_program_with_libcurl(place):
    """What libcurl and the libraries beneath it call is libcurl's; the program itself connects nowhere."""
    status, found = doctor(place, "curl", "-s", "http://127.0.0.1/")
    same((status, found["verdict"], found["program"]), (0, "intercepted", shutil.which("curl")))
    same(verdicts(found), {"curl": "intercepted", "http": "unused", "connect": "unused", "connect.nonblocking": "unused",
                           "dns": "unused"})
    expect("curl_easy_perform" in call_of(found, "curl")["functions"])
    same(object_of(found, "libcurl.so.4")["role"], "libcurl")
    same(object_of(found, "libc.so.6")["role"], "libc")
    ldap = next(item for item in found["objects"] if item["name"].startswith("libldap"))
    same(ldap["role"], "beneath libcurl")
    expect("connect" in ldap["functions"])
    same(found["elf"]["libc"], "glibc")
    same(found["elf"]["libc_version"], os.confstr("CS_GNU_LIBC_VERSION").split()[1])


@test
def doctor_of_connects(place):
    """The library at hand decides whether a wait is intercepted, not a fixed list."""
    program = compile_c(place, "dials", importer("connect", "poll", "getaddrinfo"))
    status, found = doctor(place, program)
    waits = "intercepted" if "poll" in in_front() else "not"
    same(verdicts(found), {"curl": "unused", "http": "intercepted", "connect": "intercepted", "connect.nonblocking": waits,
                           "dns": "intercepted"})
    same((status, found["verdict"]), (0, "intercepted") if waits == "intercepted" else (1, "partly"))
    same(call_of(found, "dns")["functions"], ["getaddrinfo"])
    if waits == "not":
        holds(call_of(found, "connect.nonblocking")["reason"], "does not intercept poll")
    status, found = doctor(place, compile_c(place, "blocks", importer("connect")))
    same((status, found["verdict"], verdicts(found)["connect.nonblocking"]), (0, "intercepted", "unused"))


@test
def doctor_of_a_program_without_calls(place):
    status, found = doctor(place, "true")
    same((status, found["verdict"], set(verdicts(found).values())), (0, "unused", {"unused"}))


@test
def doctor_goes_by_the_library_at_hand(place):
    """A library without connect: the verdict changes with it. Without any, and where LD_PRELOAD cannot name it."""
    program = compile_c(place, "dials", importer("connect", "gethostbyname"))
    for directory, piece in (("with space", "cannot contain a path"), ("other", None), ("empty", "is not installed"),
                             ("broken", "is not an ELF file")):
        home = os.path.join(place.path, directory)
        os.mkdir(home)
        command = shutil.copy(REBOUND, home)
        library = os.path.join(home, "librebound.so")
        if directory == "with space":
            shutil.copy(LIBRARY, library)
        elif directory == "other":
            compile_c(place, "other/librebound.so", "int gethostbyname() { return 0; }\n", "-shared", "-fPIC")
        elif directory == "broken":
            place.file("broken/librebound.so", "nothing\n")
        done = subprocess.run([command, "doctor", "--json", program], env=place.env, capture_output=True, check=False)
        found = json.loads(done.stdout)
        same(done.returncode, 1)
        if piece:
            holds(found["reason"], piece)
            same((found["verdict"], verdicts(found)["connect"]), ("not", "not"))
        else:
            same((found["verdict"], verdicts(found)["connect"], verdicts(found)["dns"]), ("partly", "not", "intercepted"))


@test
def doctor_of_static_programs(place):
    tiny = "void _start(void) { __builtin_trap(); }\n"
    pie = "int main(void) { return 0; }\n"
    for program in (build_static(place), compile_c(place, "tiny", tiny, "-static", "-nostdlib"),
                    compile_c(place, "pie", pie, "-static-pie")):
        status, found = doctor(place, program)
        same((status, found["verdict"], found["obstacle"]), (1, "not", "static"))
        same(set(verdicts(found).values()), {"not"})
        holds(found["reason"], "is statically linked")
        holds(found["advice"], "dynamically linked")
    script = place.file("script", f"#!{place.path}/static\n", 0o755)
    holds(doctor(place, script)[1]["reason"], f"{place.path}/static is statically linked")


@test
def doctor_of_go(place):
    """Go's mark is a section; dynamically linked, its lookups may go through libc, its connects do not."""
    mark = '__attribute__((section(".go.buildinfo"), used)) static const char mark[] = "go";\n'
    status, found = doctor(place, compile_c(place, "go", mark + importer("getaddrinfo")))
    same((status, found["verdict"]), (1, "partly"))
    same(verdicts(found), {"curl": "unused", "http": "not", "connect": "not", "connect.nonblocking": "not", "dns": "partly"})
    holds(call_of(found, "connect")["reason"], "go was compiled by Go, which makes system calls without libc")
    same(found["elf"]["go"], True)
    same(doctor(place, compile_c(place, "static-go", mark + importer(), "-static"))[1]["elf"]["go"], True)


@test
def doctor_of_alien_programs(place):
    with open("/bin/true", "rb") as true:
        image = true.read()
    machine = image[:18] + struct.pack("<H", 183) + image[20:]
    header = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0, 52, 0, 0, 52, 32, 1, 40, 0, 0)
    narrow = header + struct.pack("<8I", 3, 84, 0, 0, 19, 19, 4, 1) + b"/lib/ld-linux.so.2\0"
    big = b"\x7fELF\x02\x02\x01" + bytes(9) + struct.pack(">HHIQQQIHHHHHH", 2, 22, 1, 0, 64, 0, 0, 64, 56, 0, 64, 0, 0)
    rows = [("machine", machine, 64, "little", "aarch64"), ("narrow", narrow, 32, "little", "i386"),
            ("big", big, 64, "big", "s390")]
    for name, data, bits, order, known_as in rows:
        status, found = doctor(place, place.file(name, data, 0o755))
        same((name, status, found["obstacle"]), (name, 1, "alien"))
        same([found["elf"][key] for key in ("class", "byte_order", "machine")], [bits, order, known_as])
        holds(found["reason"], "another type of machine")


@test
def doctor_of_privileged_programs(place):
    if os.getuid() != 0:
        return  # only root can make such files; `make test` runs as root in a container
    os.chmod(place.path, 0o755)
    for name, mode, obstacle in (("suid", 0o4755, "set-uid"), ("sgid", 0o2755, "set-gid")):
        program = shutil.copy("/bin/true", os.path.join(place.path, name))
        os.chown(program, ANOTHER_USER, ANOTHER_USER)
        os.chmod(program, mode)
        status, found = doctor(place, program)
        same((status, found["verdict"], found["obstacle"]), (1, "not", obstacle))
        expect(obstacle in found["reason"] and found["advice"], found["reason"])
        os.chown(program, 0, 0)
        os.chmod(program, mode)
        same(doctor(place, program)[1]["obstacle"], None)
    capable = shutil.copy("/bin/true", os.path.join(place.path, "capable"))
    os.setxattr(capable, "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
    same(doctor(place, capable)[1]["obstacle"], None)  # root has them anyway
    status, found = doctor_as_another(place, capable)
    same((status, found["obstacle"]), (1, "capabilities"))


def doctor_as_another(place, program):
    """What a user gets who does not own the files."""
    os.chmod(place.path, 0o755)
    for file in (REBOUND, LIBRARY):
        shutil.copy(file, place.path)
    done = subprocess.run([os.path.join(place.path, "rebound"), "doctor", "--json", program], user=ANOTHER_USER,
                          group=ANOTHER_USER, extra_groups=[], env=place.env, capture_output=True, check=False)
    return done.returncode, json.loads(done.stdout)


@test
def doctor_of_unreadable_programs(place):
    """The file can be executed but not read, so the verdict is unknown."""
    if os.getuid() != 0:
        return  # needs two users
    program = shutil.copy("/bin/true", os.path.join(place.path, "secret"))
    os.chmod(program, 0o711)
    status, found = doctor_as_another(place, program)
    same((status, found["verdict"], found["elf"]), (1, "unknown", None))
    same(set(verdicts(found).values()), {"unknown"})
    holds(call_of(found, "connect")["reason"], "cannot be read")


@test
def doctor_follows_scripts(place):
    python = shutil.which("python3", path="/usr/bin:/bin")
    env = {"PATH": f"{place.path}:/usr/bin:/bin"}
    place.file("env", "#!/usr/bin/env python3\nprint()\n", 0o755)
    place.file("env-s", "#!/usr/bin/env -S A=b python3 -u\n", 0o755)
    place.file("direct", "#!/usr/bin/python3 -u\n", 0o755)
    place.file("plain", "echo hello\n", 0o755)
    indirect = place.file("indirect", f"#!{place.path}/direct\n", 0o755)
    rows = [("./env", [python]), ("env-s", [python]), ("direct", ["/usr/bin/python3"]), ("plain", ["/bin/sh"]),
            (indirect, [f"{place.path}/direct", "/usr/bin/python3"])]
    for name, chain in rows:
        _, found = doctor(place, name, env=env)
        same((name, [item["file"] for item in found["interpreters"]]), (name, chain))
        same((found["executable"], found["obstacle"]), (chain[-1], None))
    found = doctor(place, "direct", env=env)[1]
    expect("connect" in call_of(found, "connect")["functions"])


@test
def doctor_of_scripts_without_environment(place):
    for number, line in enumerate(("#!/usr/bin/env -S -i python3", "#!/usr/bin/env -S - python3",
                                   "#!/usr/bin/env -S --ignore-environment A=b python3")):
        script = place.file(f"clear{number}", line + "\n", 0o755)
        status, found = doctor(place, script)
        same((status, found["verdict"], found["obstacle"]), (1, "not", "cleared environment"))
        holds(found["reason"], f"{script} starts its interpreter without the environment")
    holds(place.text("run", "--", script)[2], "starts its interpreter without the environment")


@test
def doctor_of_what_cannot_be_run(place):
    with open("/bin/true", "rb") as true:
        image = true.read()
    place.file("readonly", "echo\n")
    place.file("lost", "#!/nowhere/interpreter\n", 0o755)
    place.file("lost-env", "#!/usr/bin/env nowhere-to-be-found\n", 0o755)
    place.file("cut", image[:100], 0o755)
    place.file("head", image[:40], 0o755)
    place.file("random", bytes(range(256)) * 8, 0o755)
    place.file("cut-script", "#!./cut\n", 0o755)
    os.mkfifo(os.path.join(place.path, "fifo"), 0o777)
    os.symlink("loop", os.path.join(place.path, "loop"))
    none = "no executable file of this name"
    rows = [("nowhere-to-be-found", none), ("./nowhere", none), ("", none), (place.path, none), ("./readonly", none),
            ("./fifo", none), ("./loop", none),
            ("./lost", "its interpreter /nowhere/interpreter is missing or not executable"),
            ("./lost-env", "its interpreter nowhere-to-be-found is missing or not executable"),
            ("./cut", "neither a complete ELF file nor a script"), ("./head", "neither a complete ELF file nor a script"),
            ("./random", "neither a complete ELF file nor a script"),
            ("./cut-script", "cannot run ./cut-script: ./cut is neither a complete ELF file nor a script")]
    for name, piece in rows:
        for words in ([], ["--json"]):
            status, out, err = place.text("doctor", *words, "--", name)
            same((name, status, out), (name, 2, ""))
            holds(err, piece)


@test
def doctor_survives_damaged_programs(place):
    """Every header byte of a real program turned over, and every length: an answer or a refusal, never a crash."""
    with open("/bin/true", "rb") as true:
        image = true.read()
    lengths = [image[:length] for length in (64, 65, 512, 1000, 4096, len(image) // 2, len(image) - 1)]
    turned = [image[:at] + bytes([image[at] ^ 0xff]) + image[at + 1:] for at in range(4, 64)]
    for data in lengths + turned:
        status, _, err = place.text("doctor", place.file("damaged", data, 0o755))
        expect(status in (0, 1, 2), status, err)


# --- doctor: the libraries


def libraries_by_ld_so(path):
    """What the dynamic linker itself says: the path for each name."""
    done = subprocess.run([path], env={"LD_TRACE_LOADED_OBJECTS": "1"}, capture_output=True, check=True)
    return {name: file for name, file in re.findall(r"^\s(\S+) => (/\S+) ", done.stdout.decode(), re.MULTILINE)}


@test
def doctor_finds_the_libraries_that_are_loaded(place):
    for name in ("curl", "wget", "php", "bash", "perl", "java", "openssl", "ssh"):
        path = shutil.which(name)
        found = doctor(place, path)[1]
        ours = {item["name"]: item["file"] for item in found["objects"][1:]
                if item["needed"] and not item["name"].startswith("ld-")}
        same((name, ours), (name, libraries_by_ld_so(path)))


@test
def doctor_searches_as_the_linker_does(place):
    """RUNPATH is the object's own, RPATH is handed down, LD_LIBRARY_PATH stands between them; aliens are passed over."""
    for directory in ("a", "b", "alien"):
        compile_c(place, f"{directory}/libdeep.so", "int connect(); int deep() { return connect(); }\n", "-shared", "-fPIC",
                  "-Wl,-soname,libdeep.so")
    with open(os.path.join(place.path, "a", "libdeep.so"), "rb") as deep:
        image = deep.read()
    place.file("alien/libdeep.so", image[:18] + struct.pack("<H", 183) + image[20:])
    compile_c(place, "a/libnear.so", "int deep(); int near() { return deep(); }\n", "-shared", "-fPIC", "a/libdeep.so")
    code = "int near(); int main() { return near(); }\n"
    unresolved = "-Wl,--unresolved-symbols=ignore-in-shared-libs"
    compile_c(place, "mid/libmid.so", "int near(); int mid() { return near(); }\n", "-shared", "-fPIC", "a/libnear.so",
              "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../a")
    compile_c(place, "through", "int mid(); int main() { return mid(); }\n", "mid/libmid.so", unresolved)
    rows = [("rpath", ["-Wl,--disable-new-dtags,-rpath,$ORIGIN/a"], {}, "a"),
            ("runpath", ["-Wl,--enable-new-dtags,-rpath,$ORIGIN/a"], {}, None),
            ("runpath", None, {"LD_LIBRARY_PATH": "b"}, "b"),
            ("runpath", None, {"LD_LIBRARY_PATH": f"/nowhere;{place.path}/alien:{place.path}/b"}, "b"),
            ("rpath", None, {"LD_LIBRARY_PATH": f"{place.path}/b"}, "a"),
            ("through", None, {}, "a"), ("through", None, {"LD_LIBRARY_PATH": "b"}, "a"),
            ("braces", ["-Wl,--disable-new-dtags,-rpath,/nowhere:${ORIGIN}/alien:${ORIGIN}/a"], {}, "a")]
    for name, flags, env, where in rows:
        if flags:
            compile_c(place, name, code, "a/libnear.so", unresolved, *flags)
        # The file may be asked for by another directory's name: its own name is what $ORIGIN goes by.
        os.makedirs(os.path.join(place.path, "links"), exist_ok=True)
        link = os.path.join(place.path, "links", name)
        if not os.path.islink(link):
            os.symlink(f"../{name}", link)
        status, found = doctor(place, link, env=env)
        deep = object_of(found, "libdeep.so")
        wanted = where and os.path.join(place.path, where, "libdeep.so")
        same((name, env, deep["file"] and os.path.normpath(os.path.join(place.path, deep["file"]))), (name, env, wanted))
        ran = subprocess.run([link], env={**place.env, **env}, capture_output=True, cwd=place.path, check=False)
        same((name, env, ran.returncode == 127), (name, env, where is None))  # the linker is of the same mind
        if where:
            same((deep["role"], deep["needed_by"], deep["functions"]),
                 ("program", object_of(found, deep["needed_by"])["name"], ["connect"]))
            same(verdicts(found)["connect"], "intercepted")
        else:
            same((deep["role"], verdicts(found)["connect"], status), ("missing", "unused", 0))
            holds(" ".join(found["notes"]), "libdeep.so was not found")


@test
def doctor_of_musl_programs(place):
    program = compile_c(place, "musl", importer("connect", "getaddrinfo"), compiler="musl-gcc")
    status, found = doctor(place, program)
    same((status, found["verdict"]), (0, "intercepted"))
    same((found["elf"]["libc"], found["elf"]["libc_version"], found["obstacle"]), ("musl", None, None))
    libc = object_of(found, "libc.so")
    same((libc["role"], libc["file"]), ("libc", found["elf"]["linker"]))
    compile_c(place, "lib/libone.so", "int connect(); int one() { return connect(); }\n", "-shared", "-fPIC",
              compiler="musl-gcc")
    other = compile_c(place, "other", "int one(); int main() { return 0 * one(); }\n", "lib/libone.so",
                      "-Wl,--disable-new-dtags,-rpath,$ORIGIN", compiler="musl-gcc")
    same(object_of(doctor(place, other)[1], "lib/libone.so")["file"], "lib/libone.so")


# --- doctor: ways past the library


@test
def doctor_of_an_own_libcurl(place):
    """Found by its symbols, exported or not, and in a stripped program by its version."""
    own = 'const char *curl_version() { return "libcurl/8.9.1 OpenSSL/3.0"; }\nint curl_easy_perform() { return 0; }\n'
    code = own + "int main(void) { return curl_easy_perform() + !curl_version(); }\n"
    for name, flags in (("symbols", []), ("exported", ["-rdynamic"]), ("stripped", ["-s"])):
        status, found = doctor(place, compile_c(place, name, code, *flags))
        same((name, status, found["verdict"], verdicts(found)["curl"]), (name, 1, "not", "not"))
        holds(call_of(found, "curl")["reason"], f"{name} contains its own libcurl")
    library = compile_c(place, "libplug.so", own.replace("int curl", "static int curl") + "int plug() "
                        "{ return curl_easy_perform(); }\n", "-shared", "-fPIC")
    both = compile_c(place, "both", importer("plug", "curl_easy_setopt"), library, "-lcurl", "-Wl,-rpath,$ORIGIN")
    status, found = doctor(place, both)
    same((status, verdicts(found)["curl"]), (1, "partly"))
    holds(call_of(found, "curl")["reason"], "libplug.so contains its own libcurl")
    mention = 'const char *text = "needs libcurl/7.10 or newer";\n' + importer("curl_easy_perform")
    same(verdicts(doctor(place, compile_c(place, "mentions", mention, "-lcurl"))[1])["curl"], "intercepted")


@test
def doctor_of_io_uring(place):
    compile_c(place, "liburing.so.2", "int io_uring_queue_init() { return 0; }\n", "-shared", "-fPIC",
              "-Wl,-soname,liburing.so.2")
    code = importer("io_uring_queue_init", "connect")
    built_in = "int io_uring_queue_init() { return 0; }\n" + importer("connect")
    for program in (compile_c(place, "ring", code, "./liburing.so.2", "-Wl,-rpath,$ORIGIN"),
                    compile_c(place, "ring-inside", built_in)):
        status, found = doctor(place, program)
        same((status, verdicts(found)["connect"]), (1, "partly"))
        holds(call_of(found, "connect")["reason"], "can use io_uring")
        holds(" ".join(found["notes"]), "sets up an io_uring repeats no non-blocking connects")
    uv = compile_c(place, "uv", "int uv_loop_init() { return 0; }\n" + importer("connect"))
    for value, verdict in (("1", "partly"), ("0", "intercepted")):
        same(verdicts(doctor(place, uv, env={"UV_USE_IO_URING": value})[1])["connect"], verdict)
    newer = compile_c(place, "uv150", "int uv_loop_init() { return 0; }\nint uv_thread_setname() { return 0; }\n" +
                      importer("connect", "poll"))
    found = doctor(place, newer)[1]
    same((verdicts(found)["connect"], verdicts(found)["connect.nonblocking"]), ("intercepted", "partly"))
    holds(call_of(found, "connect.nonblocking")["reason"], "contains libuv 1.50 or later")


@test
def doctor_of_other_resolvers(place):
    status, found = doctor(place, compile_c(place, "asks", importer("getaddrinfo", "getaddrinfo_a")))
    same((status, verdicts(found)["dns"]), (1, "partly"))
    holds(call_of(found, "dns")["reason"], "some names are looked up without getaddrinfo: getaddrinfo_a")
    same(verdicts(doctor(place, compile_c(place, "async", importer("getaddrinfo_a")))[1])["dns"], "not")


@test
def doctor_notes(place):
    rows = [("dlopen", "also with RTLD_DEEPBIND"), ("dlsym", "it gets the functions of rebound"), ("dlvsym", "not intercepted"),
            ("dlmopen", "not intercepted"), ("syscall", "system calls without libc"), ("syscall", "`bypassed` in the log"), ("execve", "start other programs")]
    for name, piece in rows:
        holds(" ".join(doctor(place, compile_c(place, name, importer(name)))[1]["notes"]), piece)
    same(doctor(place, compile_c(place, "nothing", importer()))[1]["notes"], [])
    compile_c(place, "libseccomp.so.2", "int seccomp_load() { return 0; }\n", "-shared", "-fPIC")
    filters = compile_c(place, "filters", importer("seccomp_load"), "./libseccomp.so.2", "-Wl,-rpath,$ORIGIN")
    holds(" ".join(doctor(place, filters)[1]["notes"]), "can install a seccomp filter")
    keep = place.file("keep.ini", "[rebound]\ndeepbind = keep\n[default]\n")
    notes = " ".join(doctor(place, "--policy", keep, os.path.join(place.path, "dlopen"))[1]["notes"])
    holds(notes, "except with RTLD_DEEPBIND")
    holds(notes, "`deepbind = keep`")


# --- doctor: the policy and the environment


@test
def doctor_minds_the_policy(place):
    program = compile_c(place, "dials", importer("connect", "curl_easy_perform"), "-lcurl")
    os.symlink("dials", os.path.join(place.path, "alias"))
    rows = [("[rebound]\nskip = dials\n[default]\n", "not", "the policy excludes programs named dials"),
            ("[rebound]\nskip = alias\n[default]\n", "not", "the policy excludes programs named alias"),
            ("[rebound]\nprograms = other\n[default]\n", "not", "the policy excludes programs named dials"),
            ("[rebound]\nprograms = alias\n[default]\n", "intercepted", None),
            ("[rebound]\nprograms = d*\n[default]\n", "intercepted", None),
            ("[rebound]\nnonsense = d*\n[default]\n", "not", "the policy cannot be used"),
            ("[default]\nintercept = curl\n", "partly", None), ("[default]\nintercept = off\n", "not", None),
            ("[default]\nintercept = off\n[a]\nhosts = a.example\nintercept = curl, connect\n", "intercepted", None)]
    for text, verdict, piece in rows:
        path = place.file("p.ini", text)
        status, found = doctor(place, "--policy", path, "./alias")
        same((text, found["verdict"], status), (text, verdict, 0 if verdict == "intercepted" else 1))
        same((found["policy"]["file"], found["policy"]["source"]), (path, "--policy"))
        same(bool(found["reason"]), piece is not None)
        holds(found["reason"] or "", piece or "")
    found = doctor(place, "--policy", place.file("p.ini", "[default]\nintercept = curl\n"), program)[1]
    same(verdicts(found)["curl"], "intercepted")
    holds(call_of(found, "connect")["reason"], "no section of the policy intercepts connect")
    same(doctor(place, program)[1]["policy"], {"file": "builtin:default", "source": "builtin", "set": None, "usable": True, "covers": True})


@test
def doctor_names_a_wrong_set(place):
    """An error in REBOUND_SET is not one of the policy."""
    env = dict(place.env, REBOUND_SET="retry.atempts=5")
    status, out, err = place.text("doctor", "cat", env=env)
    same(status, 1)
    holds(err, "REBOUND_SET: error: unknown key retry.atempts")
    holds(out, "why  REBOUND_SET has an error\n")
    holds(out, "do   correct REBOUND_SET\n")
    holds(out, "policy      builtin:default (built in, ")
    holds(out, "set         retry.atempts=5 (REBOUND_SET; has an error)\n")
    out = place.text("doctor", "--policy", "builtin:none", "cat", env=env)[1]
    holds(out, "the policy cannot be used: builtin:none")


@test
def doctor_minds_the_environment(place):
    program = compile_c(place, "dials", importer("connect"))
    status, found = doctor(place, program, env={"REBOUND_DISABLE": "1"})
    same((status, found["verdict"], found["reason"], found["advice"]), (1, "not", "REBOUND_DISABLE is set", "unset REBOUND_DISABLE"))
    same(found["library"]["disabled"], True)
    same(doctor(place, program, env={"REBOUND_DISABLE": "0"})[0], 0)
    found = doctor(place, program, env={"LD_PRELOAD": LIBRARY, "REBOUND_POLICY": "builtin:default"})[1]
    same((found["verdict"], found["library"]["preloaded"]), ("intercepted", "LD_PRELOAD"))
    expect(not any("other libraries" in note for note in found["notes"]), found["notes"])
    holds(" ".join(doctor(place, program, env={"LD_PRELOAD": "libc.so.6"})[1]["notes"]), "lists other libraries")


@test
def doctor_of_files_that_programs_load(place):
    """git starts the program that has libcurl; php, ruby and java load the libraries that connect."""
    rows = [("git", "curl", "git-remote-http"), ("php", "curl", "curl.so"), ("java", "connect", "libnet.so"),
            ("ruby", "connect", "socket.so"), ("/usr/bin/python3", "http", "_ssl.")]
    for name, call, file in rows:
        found = doctor(place, name)[1]
        expect(verdicts(found)[call] in ("intercepted", "partly"), name, verdicts(found))
        expect(any(file in item["name"] and not item["needed"] for item in found["objects"]), name)
        expect(any(file in note and "loads or starts" in note for note in found["notes"]), name, found["notes"])
    expect("SSL_read_ex" in call_of(doctor(place, "/usr/bin/python3")[1], "http")["functions"])


@test
def doctor_of_http(place):
    """How responses are repeated, or why not."""
    for name, verdict, piece in (("wget", "partly", "HTTPS by GnuTLS is counted, not repeated"),
                                 ("node", "partly", "counted, not repeated: the event loop of "),
                                 ("java", "partly", "Java has its own TLS")):
        call = call_of(doctor(place, name)[1], "http")
        same((name, call["verdict"]), (name, verdict))
        holds(call["reason"], piece)
        expect(call["advice"], name)
    call = call_of(doctor(place, "/usr/bin/python3")[1], "http")
    same((call["verdict"], call["plain"]), ("partly", {"wait": "repeated", "loop": "counted"}))
    policy = place.file("most.ini", "[default]\nhttp.hold = 2s\nhttp.async = on\n")
    same(call_of(doctor(place, "--policy", policy, "/usr/bin/python3")[1], "http")["tls"]["loop"], "repeated-if-kept")
    holds(call["reason"], "over OpenSSL on a socket")
    holds(call["advice"], "http.tls_reconnect = on")
    holds(call["advice"], "http.hold")
    policy = place.file("more.ini", "[default]\nhttp.tls_reconnect = on\nhttp.hold = 2s\n")
    call = call_of(doctor(place, "--policy", policy, "/usr/bin/python3")[1], "http")
    same((call["verdict"], call["advice"]), ("intercepted", None))
    same((call["plain"], call["tls"]), ({"wait": "repeated", "loop": "repeated"}, {"wait": "repeated", "loop": "counted"}))
    policy = place.file("old.ini", "[default]\nintercept = curl, connect, dns\n")
    call = call_of(doctor(place, "--policy", policy, "wget")[1], "http")
    same((call["verdict"], call["advice"]), ("not", "add it to `intercept` in the policy"))
    same((call["plain"], call["tls"]), ({"wait": "not-examined", "loop": "not-examined"},) * 2)


@test
def doctor_sees_through_commands_that_start_another(place):
    curl, static = shutil.which("curl"), build_static(place)
    rows = [(["env", "A=1", "curl"], curl), (["timeout", "5", "curl"], curl), (["timeout", "-k", "3", "-s", "INT", "5", "curl"], curl),
            (["nice", "-n", "5", "nohup", "curl"], curl), (["sh", "-c", "A=1 exec curl -s x | cat"], curl),
            (["env", "A=1", "timeout", "5", "sh", "-c", "curl"], curl), (["env", "-i", "curl"], shutil.which("env")),
            (["env", "PATH=/nowhere", "curl"], shutil.which("env")), (["sh", "-c", "\"$X\" curl"], shutil.which("sh")),
            (["sh", "-c", ""], shutil.which("sh")), (["timeout"], shutil.which("timeout"))]
    for words, program in rows:
        found = doctor(place, "--", *words)[1]
        same((words, found["program"]), (words, program))
        same(any(f"the command {words[0]} starts" in note for note in found["notes"]), program == curl)
    holds(place.text("run", "--", "timeout", "5", static)[2], f"{static} is statically linked")
    same(place.text("run", "--", "sh", "-c", f"exec {static}")[2], "")  # the text may start others, too


@test
def doctor_text(place):
    program = compile_c(place, "dials", importer("connect"))
    status, out, err = place.text("doctor", program)
    same((status, err), (0, ""))
    lines = out.splitlines()
    same(lines[:8], [f"{program}: will be intercepted", "", "HTTP by libcurl        not used",
                     "HTTP without libcurl   intercepted      a response such as 503 or 429 is repeated on a plain socket, if the",
                     " " * 40 + "program waits for it by a blocking read, by poll or by select",
                     "blocking connects      intercepted", "non-blocking connects  not used",
                     "name lookups           not used"])
    holds(out, "\nexecutable  64-bit little-endian ")
    holds(out, "\npolicy      builtin:default (built in, because no file was found)\n")
    expect(re.search(rf"\ncallers +{re.escape(program)}\n +connect\n", out), out)
    status, out, _ = place.text("doctor", build_static(place))
    same(status, 1)
    expect(re.match(r".*/static: will not be intercepted\n  why  .*/static is statically linked: .*\n  do   use a build",
                    out, re.DOTALL), out)
    for line in place.text("doctor", "wget")[1].splitlines():
        expect(len(line) <= 120 and line == line.rstrip(), line)
    expect("\x1b[" in on_terminal(place, {"TERM": "xterm"}, "doctor", program))
    expect("\x1b" not in on_terminal(place, {"TERM": "xterm", "NO_COLOR": "1"}, "doctor", program))


@test
def doctor_output_is_clean(place):
    """Names from outside: no control characters on a terminal, nothing but UTF-8 in JSON."""
    name = os.path.join(place.path.encode(), b"caf\xe9\x1b[2J")
    shutil.copy("/bin/true", name)
    expect(b"\x1b" not in place.rebound("doctor", name).stdout)
    holds(json.loads(place.rebound("doctor", "--json", name).stdout.decode("utf-8"))["program"], "caf\ufffd")


@test
def doctor_of_a_program_with_asan(place):
    """The sanitizer's runtime must be first in the list of libraries, unless it is told not to check."""
    program = compile_c(place, "checked", importer("connect"), "-fsanitize=address")
    _, found = doctor(place, program)
    same(found["verdict"], "intercepted")
    notes = " ".join(found["notes"])
    expect("AddressSanitizer (libasan.so" in notes and "does not start:" not in notes, notes)
    _, found = doctor(place, program, env={"LD_PRELOAD": LIBRARY})
    expect("does not start: librebound.so is listed in LD_PRELOAD" in " ".join(found["notes"]), found["notes"])
    _, found = doctor(place, program, env={"LD_PRELOAD": LIBRARY, "ASAN_OPTIONS": "verify_asan_link_order=0"})
    expect("does not start:" not in " ".join(found["notes"]), found["notes"])
