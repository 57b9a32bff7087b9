# SPDX-License-Identifier: GPL-2.0-or-later
#
# make                          the program, at ./schedrec
# make SAN=address,undefined    the same beside it, under build/san/
# make unit                     the unit tests' programs
# make fuzz                     the fuzz targets, with clang's libFuzzer; tests/fuzz/run.sh runs them
# sudo make check               all tests (SAN= works here too); installs what is missing
# sudo make demo                records a real build and replays it under three policies
# sudo make bench               schedrec beside perf sched and trace-cmd
# sudo make study               replays beside further runs of the applications (sudo tests/deps study installs them)
# sudo make predict             what changes when programs run otherwise, beside what replays say
# sudo make truth               replays under several policies beside simulations of them
# sudo make aa                  identical and really different arms, live: false alarms, and what is found
# sudo make sample              a corpus in whole beside samples of it, in nightly simulations
# make determinism              the simulator's events from three builds (clang, gcc, sanitizers), beside each other
# make install, uninstall       PREFIX (/usr/local), DESTDIR
# make format, lint, clean      V=1 shows the commands

CC      ?= cc
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
DESTDIR ?=
SAN     ?=
V       ?= 0
PKG_CONFIG ?= pkg-config

# Everything that is built lies in $(B), but for ./schedrec. Another B (make B=build/arm64 CC=...) is a build of its own.
comma   := ,
B       := $(if $(SAN),build/san,build)
PROGRAM := $(if $(filter build,$(B)),schedrec,$(B)/schedrec)
FOLDERS := formats record replay analyze corpus

PKGS       := libtracefs libtraceevent zlib sqlite3 hwloc nettle libmicrohttpd libcurl
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
LIBS       := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lRmath -lm -lpthread

# No fused multiply-add: the same numbers on every architecture.
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wno-unused-parameter
ALL_CFLAGS := -std=gnu11 -ffp-contract=off -D_GNU_SOURCE $(WARN) $(CFLAGS) $(PKG_CFLAGS) -I. -pthread \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)

CMD_SRC  := schedrec.c $(wildcard $(FOLDERS:%=%/cmd_*.c))
LIB_SRC  := $(filter-out $(CMD_SRC),$(wildcard $(FOLDERS:%=%/*.c)))
UNIT_SRC := $(wildcard tests/unit/test_*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o)
CMD_OBJ  := $(CMD_SRC:%.c=$(B)/%.o)
UNIT     := $(UNIT_SRC:%.c=$(B)/%) $(FUZZ_SRC:%.c=$(B)/%) \
	$(patsubst %,$(B)/tests/real/%,round_trip thin from_text traces)
BENCH    := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*_bench.c))
C_FILES   = $(wildcard *.[ch] $(FOLDERS:%=%/*.[ch]) replay/examples/*.c tests/*/*.[ch] tests/bench/programs/*.c)
SCRIPTS   = $(wildcard .ci/run analyze/*.slurm analyze/web/*.sh tests/deps tests/demo tests/*.sh tests/*/*.sh \
	tests/bench/programs/*.sh)

Q   := $(if $(filter 1,$(V)),,@)
say  = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' $(1) $(2);)

all: $(PROGRAM)

# Of these two corpus/cmd_libraries.c has the functions, and loads the libraries when they are needed.
$(PROGRAM): $(CMD_OBJ) $(B)/libschedrec.a
	$(call say,LINK,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(filter-out -lcurl -lmicrohttpd,$(LIBS))

$(B)/libschedrec.a: $(LIB_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(B)/%.o: %.c $(B)/flags | toolchain
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/tests/%: tests/%.c $(B)/libschedrec.a $(B)/flags
	@mkdir -p $(@D)
	$(call say,TEST,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -o $@ $< $(B)/libschedrec.a -lcmocka $(LIBS)

unit: $(UNIT)

# tests/fuzz/run.sh runs them.
FUZZ_CC  := clang $(ALL_CFLAGS) -O1 -DLIBFUZZER -fno-sanitize-recover=undefined
FUZZ     := $(FUZZ_SRC:tests/%.c=build/%)
FUZZ_LIB := $(LIB_SRC:%.c=build/fuzz/lib/%.o)

fuzz: $(FUZZ)

build/fuzz/lib/%.o: %.c
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)$(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

$(FUZZ): build/fuzz/%: tests/fuzz/%.c $(FUZZ_LIB)
	$(call say,FUZZ,$<)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -MMD -MP -o $@ $< $(FUZZ_LIB) $(LIBS)

# A report's charts: npm brings what the lock file names into build/web, for every build. Where it cannot, the program is
# built all the same, `schedrec report` says what is missing, and the next make tries again.
WEB := build/web/charts.js build/web/charts.css

build/web/charts.js: analyze/web/fetch.sh analyze/web/package-lock.json $(if $(wildcard build/web/charts.js),\
		$(if $(shell test -s build/web/charts.js || echo empty),FORCE))
	$(call say,NPM,analyze/web/package-lock.json)analyze/web/fetch.sh build/web
	@test -s $@ && touch $@ || true

build/web/charts.css: build/web/charts.js ;

$(B)/analyze/report_assets.o build/fuzz/lib/analyze/report_assets.o: $(WEB) $(wildcard analyze/web/report.*)

# Other flags or another compiler make everything anew.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' >$@

toolchain:
	@$(PKG_CONFIG) --exists $(PKGS) || { echo 'schedrec: libraries are missing: run "sudo tests/deps build"' >&2; exit 1; }

# The man pages and the completion come from the program's own tables.
$(B)/share/schedrec.1: $(PROGRAM)
	@mkdir -p $(@D) && rm -f $(@D)/*
	$(call say,DOCS,$(@D))./$(PROGRAM) generate --dir $(@D)

docs: $(B)/share/schedrec.1

BIN  = $(DESTDIR)$(PREFIX)/bin
MAN  = $(DESTDIR)$(PREFIX)/share/man/man1
BASH_COMPLETION = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
INCLUDE = $(DESTDIR)$(PREFIX)/include
DOC = $(DESTDIR)$(PREFIX)/share/doc/schedrec
UNITS = $(DESTDIR)$(PREFIX)/lib/systemd/system
SHARE = $(DESTDIR)$(PREFIX)/share/schedrec
EXAMPLES = replay/examples/policy-leastloaded.c replay/examples/Makefile
TEXTS = $(wildcard replay/*.md analyze/*.md) formats/FORMAT.md corpus/PROTOCOL.md
NIGHTLY_UNITS = nightly.service nightly-resume.service nightly.timer

install: all docs
	install -d $(BIN) $(MAN) $(BASH_COMPLETION) $(INCLUDE) $(DOC)/examples $(UNITS) $(SHARE)
	install -m 755 $(PROGRAM) $(BIN)/schedrec
	install -m 644 $(B)/share/*.1 $(MAN)
	install -m 644 $(B)/share/schedrec.bash $(BASH_COMPLETION)/schedrec
	install -m 644 replay/schedrec-policy.h $(INCLUDE)
	install -m 644 $(TEXTS) $(DOC)
	install -m 755 analyze/nightly.slurm $(SHARE)
	$(foreach u,$(NIGHTLY_UNITS),sed 's|/usr/local/bin/|$(PREFIX)/bin/|' analyze/$u >$(UNITS)/schedrec-$u && \
		chmod 644 $(UNITS)/schedrec-$u &&) true
	install -m 644 $(EXAMPLES) $(DOC)/examples
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' corpus/schedrec-corpus.service >$(UNITS)/schedrec-corpus.service
	chmod 644 $(UNITS)/schedrec-corpus.service

uninstall:
	rm -f $(BIN)/schedrec $(MAN)/schedrec.1 $(MAN)/schedrec-*.1 $(BASH_COMPLETION)/schedrec
	rm -f $(INCLUDE)/schedrec-policy.h $(addprefix $(DOC)/,$(notdir $(TEXTS))) $(EXAMPLES:replay/%=$(DOC)/%)
	rm -f $(NIGHTLY_UNITS:%=$(UNITS)/schedrec-%) $(SHARE)/nightly.slurm
	rm -f $(UNITS)/schedrec-corpus.service
	rmdir $(DOC)/examples $(DOC) $(SHARE) 2>/dev/null || true

# Under sudo everything is built as the invoking user, so that nothing in the tree belongs to root. The packages are
# installed first: only the make that is called then sees them.
AS_USER  = $(if $(SUDO_USER),runuser -u $(SUDO_USER) --)
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

check:
	$(Q)tests/deps build test
	$(Q)tests/deps web || echo 'without npm and Chromium: the tests of reports are skipped'
	$(Q)tests/deps qemu || echo 'without QEMU: the tests that boot other machines are skipped'
	$(Q)tests/deps s3 || echo 'without Ceph: the tests with an S3 server are skipped'
	$(Q)tests/deps slurm || echo 'without Slurm: the test of its array job is skipped'
	$(Q)$(AS_USER) $(MAKE) --no-print-directory $(PARALLEL) SAN=$(SAN) all unit docs
	$(Q)tests/run.sh $(B) $(PROGRAM)

demo:
	$(Q)tests/deps build
	$(Q)$(AS_USER) $(MAKE) --no-print-directory $(PARALLEL) all
	$(Q)tests/demo

bench:
	$(Q)$(AS_USER) $(MAKE) --no-print-directory $(PARALLEL) all $(BENCH)
	$(Q)tests/bench/run.sh

study predict aa truth sample:
	$(Q)$(AS_USER) $(MAKE) --no-print-directory $(PARALLEL) all $(if $(filter sample,$@),$(B)/tests/bench/sample_bench)
	$(Q)tests/bench/$@.sh

determinism:
	$(Q)$(AS_USER) tests/determinism.sh

format:
	clang-format -i $(C_FILES)

lint: lint-format lint-cppcheck lint-tidy lint-scripts lint-man

lint-format:
	clang-format --dry-run -Werror $(C_FILES)

lint-cppcheck:
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppressions-list=tests/cppcheck.txt -D__x86_64__ -I. $(filter %.c,$(C_FILES))

# The tests are left out: to the analyzer cmocka's assertions return.
lint-tidy:
	@printf '%s\n' $(LIB_SRC) $(CMD_SRC) | xargs -P $$(nproc) -n 4 sh -c \
		'clang-tidy --quiet "$$@" -- $(ALL_CFLAGS) 2>/dev/null' clang-tidy

lint-scripts: docs
	shellcheck $(SCRIPTS) $(B)/share/schedrec.bash

lint-man: docs
	mandoc -T lint -W warning $(B)/share/*.1

clean:
	rm -rf build schedrec

FORCE:
-include $(LIB_OBJ:.o=.d) $(CMD_OBJ:.o=.d) $(UNIT:%=%.d) $(BENCH:%=%.d) $(FUZZ:%=%.d) $(FUZZ_LIB:.o=.d)
.PHONY: all unit fuzz docs install uninstall check demo bench study predict aa truth sample determinism format clean toolchain \
	FORCE lint lint-format lint-cppcheck lint-tidy lint-scripts lint-man
.DELETE_ON_ERROR:
