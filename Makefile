# SPDX-License-Identifier: MIT
# Builds librebound.so and the command rebound, tests, measures and installs them. Sources are found, not listed.
#
#   make            the library and the command          make test     everything that proves them, within minutes
#   make demo       programs against a sick server       make soak     the client tests again and again
#   make demo-api   Python programs against an overloaded model server
#   make bench      what it costs, beside its peers      make fuzz     what reads foreign bytes, FUZZ_TIME s each;
#                                                                     each system call of ours fails in turn
#   make suites     other people's tests under it        make builds   builds with the flags of distributions and in odd places
#   make matrix     all cases of the client tests of which make test runs a sample
#   make mutate     removes one guard after the other, and expects that a test fails
#   make install    DESTDIR PREFIX LIBDIR LIB32          make format, lint, check-abi, clean; V=1 shows the commands
#
# Several people or variants in one tree: give each a BUILD of its own. CC, CPPFLAGS, CFLAGS, LDFLAGS and the libraries INIH
# and CLI_LIBS come from the environment or the command line. WERROR=-Werror makes warnings errors.

VERSION := 0.1.0
BUILD ?= build
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
LIB32 ?=

CFLAGS ?= -O2 -g
WERROR ?=
CLANG ?= clang
ARM64_CC ?= $(filter ccache,$(CC)) aarch64-linux-gnu-gcc
FUZZ_TIME ?= 600
SOAK_ROUNDS ?= 20

comma := ,
# $(1) as one word of the shell, and as a string of C.
quote = '$(subst ','\'',$(1))'
c_string = "$(subst ",\",$(subst \,\\,$(1)))"

# The path of the source may have any characters, because all commands run in it. The path of BUILD is in names of targets.
ifneq ($(words $(BUILD)),1)
override BUILD := $(subst $(CURDIR)/,,$(BUILD))
endif
ifneq ($(words $(BUILD)) $(shell printf %s $(call quote,$(BUILD)) | LC_ALL=C tr -d 'A-Za-z0-9_./+@-\200-\377' | wc -c),1 0)
$(error BUILD must be a directory whose path has no blank or special character, because make cannot handle them: '$(BUILD)')
endif
export REBOUND_BUILD := $(abspath $(BUILD))

# $(1), if the compiler takes it without a warning.
if_supported = $(shell $(CC) -Werror $(1) -S -o /dev/null -x c /dev/null >/dev/null 2>&1 && echo $(1))

# Flags. Those of the environment or of the command line come first, ours last.
#
# The objects of the library need IN_LIBRARY. PLAIN: see the header. Initial-exec TLS: the default model allocates. The stack
# protector and outline atomics need functions or variables of glibc on some architectures. Link-time optimisation would
# compile all objects with one set of flags, and changes how much stack a hook needs. Unwind tables: a thread may be
# cancelled, and an exception thrown by a callback of the program, in a function called by ours.
# -Wno-psabi: notes about 32-bit machines.
WARN := -Wall -Wextra -Wno-psabi -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(WERROR)
DEFINES := -D_GNU_SOURCE -DRB_VERSION='"$(VERSION)"'
RB_CPPFLAGS = $(CPPFLAGS) -Isrc -I$(BUILD) $(DEFINES) -MMD -MP
# The same files come out wherever the source lies. rpm moves the paths in debug information itself.
PREFIX_MAP := $(if $(RPM_BUILD_DIR),,-ffile-prefix-map=$(call quote,$(CURDIR))=. -ffile-prefix-map=$(BUILD)/=build/)
RB_CFLAGS = $(PREFIX_MAP) $(CFLAGS) -std=gnu11 -pthread -fno-lto $(WARN)
PLAIN := -include src/real/plain.h
IN_LIBRARY := $(PLAIN) -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-stack-protector -fno-fast-math \
	-fasynchronous-unwind-tables $(call if_supported,-mno-outline-atomics)
IN_COMMAND = -D_FILE_OFFSET_BITS=64 -DRB_LIBDIR=$(call quote,$(call c_string,$(LIBDIR)))
# At -O0, gcc compiles the tests in less than half of the time. Flags from outside may need optimisation (_FORTIFY_SOURCE).
# test_stack is optimised, because its own stack frames count.
IN_CHECKS = $(IN_TESTS) $(if $(filter file,$(origin CFLAGS)),-O0)
IN_TESTS := $(PLAIN) -DRB_SOURCE_DIR=$(call quote,$(call c_string,$(CURDIR))) \
	-DRB_BUILD_DIR=$(call quote,$(call c_string,$(REBOUND_BUILD)))
# -O1 takes a third less time to build, and takes less of what is wrong away before the sanitizer sees it. The widths that it
# guesses for snprintf are wrong. -g1 keeps the line numbers that reports print.
ASAN := -O1 -g1 $(call if_supported,-Wno-format-truncation) -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TSAN := -O1 -g1 -fsanitize=thread

# -z now: the loader binds our functions of libc at the program's start. Lazy binding would run the loader's resolver, which
# needs 3 KiB of stack, below our own frames (check-abi checks that every libc has the functions). -static-libgcc and
# --exclude-libs: nothing of the compiler's or of inih's is needed at run time or seen by the program. -Bsymbolic-functions:
# where we hand out a function of ours it is ours, not that of a library preloaded before us. Code and constants share a
# segment: each segment is a mapping that every program start pays for. Packed relocations: older libcs do not know them.
# gold does not separate code, and refuses the option.
# gcc 12 links start-up code into a library for -Ofast and its kind, which changes the arithmetic of the program.
SO_CFLAGS = $(filter-out -Ofast -ffast-math -funsafe-math-optimizations,$(CFLAGS))
SO_LDFLAGS = -shared -static-libgcc -Wl,-soname,librebound.so -Wl,--version-script=$(BUILD)/gen/librebound.map \
	-Wl,--exclude-libs,ALL -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,text -Wl,--as-needed \
	-Wl,-Bsymbolic-functions $(if $(findstring -fuse-ld=gold,$(CFLAGS) $(LDFLAGS)),,-Wl$(comma)-z$(comma)noseparate-code) \
	$(if $(findstring pack-relative-relocs,$(LDFLAGS)),-Wl$(comma)-z$(comma)nopack-relative-relocs)
INIH ?= -l:libinih.a
CLI_LIBS ?= -lcjson -lncursesw

# What stands where.
LIB_SRC := $(sort $(filter-out src/cli/%,$(wildcard src/*/*.c src/*/*/*.c)))
CLI_SRC := $(sort $(wildcard src/cli/*.c src/cli/*/*.c))
CORE_SRC := $(filter-out src/hook/% src/cli/main.c,$(LIB_SRC) $(CLI_SRC))
UNIT := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
THREADED := $(foreach test,$(UNIT),$(if $(or $(findstring _threads,$(test)),$(findstring breaker,$(test)),$(findstring \
	budget,$(test))),$(test)))
export UNIT THREADED
PRELOAD := $(patsubst tests/preload/%.c,$(BUILD)/preload/%,$(wildcard tests/preload/test_*.c))
PLUGINS := $(if $(wildcard tests/preload/plugin.c),$(patsubst %,$(BUILD)/preload/plugin_%.so,openssl gnutls)) \
	$(patsubst tests/preload/%.c,$(BUILD)/preload/%.so,$(wildcard tests/preload/object_*.c))
TRANSFER_SRC := $(wildcard tests/clients/transfer/*.c) tests/server/crc.c tests/server/pattern.c
BENCH := $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/bench/bench_*.c)) $(BUILD)/bench/nothing.so $(BUILD)/bench/empty.so
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SRC := $(filter-out src/hook/% src/cli/%,$(LIB_SRC)) $(patsubst %,src/cli/doctor/%.c,elf_file ld_cache mapping)
# The library for arm64, if this machine is another one and the cross compiler is installed.
ARM64 := $(if $(filter-out aarch64,$(shell uname -m)),$(if $(shell $(ARM64_CC) -dumpversion 2>/dev/null),$(BUILD)/arm64/librebound.so))
export ABI_LIBRARIES := $(BUILD)/librebound.so $(ARM64)
INJECT := $(BUILD)/inject/inject $(BUILD)/inject/client
MAN := $(patsubst config/man/%.scd,$(BUILD)/man/%,$(wildcard config/man/*.scd))

TEST_PROGRAMS = $(ARM64) $(BUILD)/faultd $(BUILD)/clients/transfer $(BUILD)/clients/transfer_gnutls $(BUILD)/clients/loop $(INJECT) $(BUILD)/frame/frames \
	$(PRELOAD) $(PLUGINS) $(BUILD)/asan/librebound.so $(BUILD)/tsan/librebound.so \
	$(UNIT:%=$(BUILD)/unit/%) $(UNIT:%=$(BUILD)/asan/unit/%) $(THREADED:%=$(BUILD)/tsan/unit/%)

ifeq ($(V),1)
say =
else
say = @printf '  %-7s %s\n' $(1) $(@:$(CURDIR)/%=%);
endif

all: $(BUILD)/librebound.so $(BUILD)/rebound $(BUILD)/gen/classes

# The rooms built once: $(1) where, $(2) flags added, $(3) the sources of what unit tests link.
define variant
$(1)/obj/src/%: room := $$(IN_LIBRARY)
$(1)/obj/src/cli/%: room := $$(IN_COMMAND)
$(1)/obj/tests/%: room := $$(IN_TESTS)
$(1)/obj/tests/unit/%: room := $$(IN_CHECKS)
$(1)/obj/tests/preload/%: room := $$(IN_CHECKS)
$(1)/obj/tests/preload/test_stack.o: room := $$(IN_TESTS)

$(1)/obj/%.o: %.c $$(BUILD)/flags
	$$(call say,CC)mkdir -p $$(@D) && $$(CC) $$(RB_CPPFLAGS) $$(RB_CFLAGS) $(2) $$(room) -c -o $$@ $$<

$$(CLI_SRC:%.c=$(1)/obj/%.o): $$(BUILD)/libdir
$$(patsubst %.c,$(1)/obj/%.o,$$(filter src/policy/%,$$(LIB_SRC))): | $$(BUILD)/gen/builtin_ini.h

$(1)/librebound.so: $$(LIB_SRC:%.c=$(1)/obj/%.o) $$(BUILD)/gen/librebound.map
	$$(call say,LD)$$(CC) $$(SO_CFLAGS) $(2) $$(LDFLAGS) $$(SO_LDFLAGS) $$(runtime) -o $$@ $$(filter %.o,$$^) $$(INIH)

$(1)/libcore.a: $$(patsubst %.c,$(1)/obj/%.o,$(3))
	$$(call say,AR)rm -f $$@ && $$(AR) rcs $$@ $$^

$(1)/unit/%: $(1)/obj/tests/unit/%.o $(1)/libcore.a
	$$(call say,LD)mkdir -p $$(@D) && $$(CC) $$(CFLAGS) $(2) -pthread $$(LDFLAGS) -o $$@ $$^ -lcmocka -Wl,--as-needed $$(CLI_LIBS) $$(INIH)
endef
# clang links its sanitizers into programs only, unless told otherwise.
$(BUILD)/asan/librebound.so: runtime = $(if $(findstring clang,$(shell $(CC) --version)),-shared-libsan)
$(eval $(call variant,$(BUILD),,$(CORE_SRC)))
$(eval $(call variant,$(BUILD)/asan,$(ASAN),$(CORE_SRC)))
$(eval $(call variant,$(BUILD)/tsan,$(TSAN),$(filter-out src/cli/%,$(CORE_SRC))))

$(BUILD)/rebound: $(BUILD)/obj/src/cli/main.o $(BUILD)/libcore.a
	$(call say,LD)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CLI_LIBS) $(INIH)

$(BUILD)/faultd: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/server/*.c))
	$(call say,LD)$(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^

$(BUILD)/clients/transfer: curl := -lcurl
$(BUILD)/clients/transfer_gnutls: curl := -l:libcurl-gnutls.so.4
$(BUILD)/clients/transfer $(BUILD)/clients/transfer_gnutls: $(TRANSFER_SRC:%.c=$(BUILD)/obj/%.o)
	$(call say,LD)mkdir -p $(@D) && $(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^ $(curl)

$(BUILD)/clients/loop: $(BUILD)/obj/tests/clients/idioms/loop.o
	$(call say,LD)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/inject/inject: $(patsubst %,$(BUILD)/obj/tests/inject/%.o,inject answer calls origin)
	$(call say,LD)mkdir -p $(@D) && $(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^

$(BUILD)/inject/client: $(BUILD)/obj/tests/inject/client.o
	$(call say,LD)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/frame/frames: $(BUILD)/obj/tests/frame/frames.o $(BUILD)/libcore.a
	$(call say,LD)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/preload/%: $(BUILD)/obj/tests/preload/%.o
	$(call say,LD)mkdir -p $(@D) && $(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^ -Wl,--as-needed -lcmocka -lcurl

$(BUILD)/preload/plugin_openssl.so: curl := -lcurl
$(BUILD)/preload/plugin_gnutls.so: curl := -l:libcurl-gnutls.so.4
$(BUILD)/preload/plugin_%.so: tests/preload/plugin.c $(BUILD)/flags
	$(call say,LD)mkdir -p $(@D) && $(CC) $(RB_CPPFLAGS) $(RB_CFLAGS) $(IN_TESTS) -shared -fPIC -o $@ $< $(curl)

$(BUILD)/preload/object_ssl_user.so: needed := -L$(BUILD)/preload -l:object_libssl.so
$(BUILD)/preload/object_ssl_user.so: $(BUILD)/preload/object_libssl.so
$(BUILD)/preload/object_%.so: tests/preload/object_%.c $(BUILD)/flags
	$(call say,LD)mkdir -p $(@D) && $(CC) $(RB_CPPFLAGS) $(RB_CFLAGS) $(IN_TESTS) -shared -fPIC -Wl,-rpath,'$$ORIGIN' -o $@ $< $(needed)

$(BUILD)/bench/%.so: tests/bench/%.c $(BUILD)/flags
	$(call say,LD)mkdir -p $(@D) && $(CC) $(RB_CPPFLAGS) $(RB_CFLAGS) $(IN_TESTS) -shared -fPIC -o $@ $<

$(BUILD)/bench/bench_exchange: tls := -lssl -lcrypto
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/libcore.a
	$(call say,LD)mkdir -p $(@D) && $(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^ -Wl,--as-needed $(INIH) -lcurl $(tls)

# The library for arm64 is built with such flags as distributions use, so that check-abi also sees what comes of them.
# The headers of libcurl are those of this machine. libinih.a is the one for arm64, if that is installed.
DISTRIBUTION_CFLAGS := -O2 -fexceptions -fstack-protector-strong -fstack-clash-protection -fno-omit-frame-pointer \
	-flto=auto -Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=3 -D_FILE_OFFSET_BITS=64 -Werror=format-security
DISTRIBUTION_LDFLAGS := -Wl,-O1,--as-needed,-z,relro,-z,lazy,-z,separate-code
$(BUILD)/arm64/librebound.so: $(BUILD)/arm64/inih.o FORCE
	@inih=$$($(ARM64_CC) -print-file-name=libinih.a) && case $$inih in /*) ;; *) inih=$< ;; esac && \
		$(MAKE) --no-print-directory BUILD=$(BUILD)/arm64 CC='$(ARM64_CC)' \
		CFLAGS='$(DISTRIBUTION_CFLAGS)' LDFLAGS='$(DISTRIBUTION_LDFLAGS)' \
		CPPFLAGS='-isystem $(BUILD)/arm64/include' INIH="$$inih" $@

$(BUILD)/arm64/inih.o: tests/abi/inih.c
	$(call say,CC)mkdir -p $(@D)/include && $(ARM64_CC) -O2 -fPIC -fstack-protector-all -c -o $@ $< && \
		headers=$$(echo '#include <curl/curl.h>' | $(CC) $(CPPFLAGS) -M -x c - | grep -o '[^ ]*/curl/curl\.h' | head -n 1) && \
		ln -sfn "$$(dirname "$$headers")" $(@D)/include/curl

# Archived, so that each fuzzer takes the objects that it needs.
FUZZ_FLAGS := $(PLAIN) -std=gnu11 -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all

$(BUILD)/fuzz/obj/%.o: %.c $(BUILD)/flags | $(BUILD)/gen/builtin_ini.h
	$(call say,CC)mkdir -p $(@D) && $(CLANG) $(RB_CPPFLAGS) $(FUZZ_FLAGS) -c -o $@ $<

$(BUILD)/fuzz/libcore.a: $(FUZZ_SRC:%.c=$(BUILD)/fuzz/obj/%.o)
	$(call say,AR)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/fuzz/%: $(BUILD)/fuzz/obj/tests/fuzz/%.o $(BUILD)/fuzz/libcore.a
	$(call say,FUZZ)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $(filter %.o %.a,$^) $(INIH)

$(BUILD)/gen/builtin_ini.h: scripts/embed config/default.ini config/examples/api.ini config/examples/patient.ini
	$(call say,GEN)mkdir -p $(@D) && $^ >$@.new && mv $@.new $@

$(BUILD)/gen/librebound.map: src/hook/hooks.def scripts/hooks $(BUILD)/flags
	$(call say,GEN)mkdir -p $(@D) && scripts/hooks map $(CC) $(CPPFLAGS) $(CFLAGS) >$@.new && mv $@.new $@

$(BUILD)/gen/hooks.scd: src/hook/hooks.def scripts/hooks $(BUILD)/flags
	$(call say,GEN)mkdir -p $(@D) && scripts/hooks manual $(CC) $(CPPFLAGS) $(CFLAGS) >$@.new && mv $@.new $@

# LIB32: a librebound.so for 32-bit programs; by default they get an empty library.
$(BUILD)/gen/classes: scripts/classes $(LIB32)
	$(call say,GEN)mkdir -p $(@D) && CC='$(CC)' scripts/classes $(BUILD)/classes $(LIB32) && touch $@

# A line "; include FILE" in a manual stands for the text of $(BUILD)/gen/FILE.
$(BUILD)/man/%: config/man/%.scd $(BUILD)/gen/hooks.scd
	$(call say,MAN)mkdir -p $(@D) && awk '/^; include / { while ((getline line <("$(BUILD)/gen/" $$3)) > 0) print line; next } { print }' \
		$< | scdoc >$@.new && mv $@.new $@

# Change when the flags do, so that what they touch is built again.
$(BUILD)/flags: FORCE
	$(call stamp,$(CC) $(RB_CPPFLAGS) $(RB_CFLAGS) $(IN_LIBRARY) $(IN_CHECKS) $(ASAN) $(TSAN) $(SO_CFLAGS) $(LDFLAGS) $(SO_LDFLAGS))
$(BUILD)/libdir: FORCE
	$(call stamp,$(LIBDIR))
stamp = @mkdir -p $(@D); printf '%s\n' $(call quote,$(1)) | cmp -s - $@ || printf '%s\n' $(call quote,$(1)) >$@

# Without -j, as many compilers as there are processors.
test:
	@$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc)) test-programs
	@scripts/without-blanks scripts/run-tests

test-programs: all man $(TEST_PROGRAMS)

demo: all $(BUILD)/faultd
	@scripts/without-blanks tests/clients/demo

demo-api: all
	@scripts/without-blanks tests/clients/demo_api

bench: all $(BENCH)
	@scripts/without-blanks scripts/bench $(BENCH_FLAGS)

suites: all
	@scripts/without-blanks scripts/suites $(SUITES)

builds:
	@scripts/builds $(BUILDS)

matrix: all $(BUILD)/faultd $(BUILD)/clients/transfer $(BUILD)/clients/transfer_gnutls $(BUILD)/clients/loop
	@scripts/without-blanks tests/clients/run $(if $(MATRIX),'$(MATRIX)',--sampled-in-full)

mutate:
	@tests/mutate/run '$(MUTATE)'

check-abi: $(ABI_LIBRARIES)
	@scripts/check-abi $^

lint: $(BUILD)/gen/builtin_ini.h
	@scripts/lint

format:
	@scripts/lint --fix

soak: test-programs
	@scripts/without-blanks scripts/run-tests --rounds $(SOAK_ROUNDS) clients preload unit

fuzz: all $(INJECT) $(BUILD)/frame/frames $(FUZZ:%=$(BUILD)/fuzz/%) $(BUILD)/preload/test_park_stress \
	$(BUILD)/preload/test_wire_play $(BUILD)/preload/test_ssl_play $(BUILD)/asan/librebound.so \
	$(BUILD)/asan/unit/test_state_random
	scripts/without-blanks tests/inject/run --all
	scripts/without-blanks tests/frame/run --seconds $(FUZZ_TIME)
	RB_REFUSED_CONNECTS=100000 scripts/without-blanks tests/preload/run --test refused_by_port park_stress
	for test in random_play random_play_in_loops; do \
		RB_PLAY_S=$(FUZZ_TIME) scripts/without-blanks tests/preload/run --test $$test wire_play ssl_play || exit 1; done
	RB_STATE_TURNS=600000 $$(setarch -R true 2>/dev/null && echo setarch -R) $(BUILD)/asan/unit/test_state_random
	for program in $(FUZZ); do mkdir -p $(BUILD)/fuzz/corpus/$$program && \
		$(BUILD)/fuzz/$$program -max_total_time=$(FUZZ_TIME) -artifact_prefix=$(BUILD)/fuzz/ \
		$(BUILD)/fuzz/corpus/$$program tests/fuzz/corpus/$${program#fuzz_} || exit 1; done

man: $(MAN)

# The directories of the installation, as words of the shell.
bin = $(call quote,$(DESTDIR)$(PREFIX)/bin)
lib = $(call quote,$(DESTDIR)$(LIBDIR)/rebound)
share = $(call quote,$(DESTDIR)$(PREFIX)/share)
install: all man
	install -d $(lib) $(bin) $(share)/doc/rebound/examples $(share)/doc/rebound/prometheus
	install -m 644 $(BUILD)/librebound.so $(lib)/librebound.so
	rm -rf $(lib)/classes
	[ ! -d $(BUILD)/classes ] || cp -R -P $(BUILD)/classes $(lib)/classes
	install -m 755 $(BUILD)/rebound $(bin)/rebound
	install -m 644 CHANGELOG.md LICENSE config/default.ini $(share)/doc/rebound/
	install -m 644 config/inih-LICENSE $(share)/doc/rebound/copyright-inih
	install -m 644 config/examples/*.ini $(share)/doc/rebound/examples/
	install -m 644 config/prometheus/* $(share)/doc/rebound/prometheus/
	install -D -m 644 config/completion/rebound.bash $(share)/bash-completion/completions/rebound
	for page in $(MAN); do \
		install -D -m 644 $$page $(share)/man/man$${page##*.}/$${page##*/} || exit 1; done

clean:
	rm -rf $(BUILD)

FORCE:
.PHONY: all test test-programs demo demo-api bench suites builds matrix mutate check-abi lint format soak fuzz man install clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:

-include $(shell [ ! -d $(BUILD) ] || find $(BUILD) -name '*.d')
