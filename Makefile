# SPDX-License-Identifier: MIT
# coreferry: core dumps out of containers.  `make help` lists the targets.
# The objects of each program are named below: that list is the trusted code.

PREFIX      ?= /usr/local
SYSCONFDIR  ?= /etc
LIBEXECDIR  ?= $(PREFIX)/lib/coreferry
BINDIR      ?= $(PREFIX)/bin
SBINDIR     ?= $(PREFIX)/sbin
MANDIR      ?= $(PREFIX)/share/man
UNITDIR     ?= $(PREFIX)/lib/systemd/system
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
DESTDIR     ?=
BUILD       ?= build
ENGINE      ?= lxc
SANITIZE    ?=
VERSION     := 0.1.0

CC          ?= cc
PKG_CONFIG  ?= pkg-config

WARNINGS := -Wall -Wextra -Wformat=2 -Wshadow -Wvla -Wundef -Wstrict-prototypes \
	-Wmissing-prototypes -Wcast-qual -Wnull-dereference -Wconversion -Wno-sign-conversion
HARDENING := -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2
CFLAGS   ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -Icommon -I$(BUILD)/generated
ALL_CFLAGS = -std=gnu11 $(WARNINGS) $(if $(WERROR),-Werror) $(HARDENING) $(CFLAGS) \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -U_FORTIFY_SOURCE)
ALL_LDFLAGS = -Wl,-z,relro,-z,now,--as-needed $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)
# The helper is static: a crashed process waits for it, and the dynamic linker alone takes longer
# than the rest of a small crash.  The sanitizers cannot be linked statically.
# (libcap-ng has functions that look up users, which we do not call and ld warns of: hence no warnings.)
HELPER_LDFLAGS = $(if $(SANITIZE),-pie,-static-pie -Wl,--no-warnings)
HELPER_LIBS    = $(if $(SANITIZE),-lzstd -ljansson -lcap-ng -lnettle -lseccomp, \
	$(shell $(PKG_CONFIG) --static --libs libzstd jansson libcap-ng nettle libseccomp))

Q := $(if $(V),,@)

# --- the programs ------------------------------------------------------------------------------

COMMON_PURE := common/addresses.o common/addresses-json.o common/container-facts.o common/crash.o common/crash-attempts.o common/crash-id.o common/crash-json.o \
	common/digest.o common/json-fields.o common/parse.o common/push-report.o common/text.o
COMMON_BASE := $(COMMON_PURE) common/config.o common/config-rule.o common/config-values.o common/fd.o common/log.o
COMMON_STORE := common/core-reader.o common/crash-files.o common/removal.o common/seekable-reader.o common/store.o

# What unpacks (seekable-reader) is called by capture-jobs and capture-unpack only: in the confined process.
helper_OBJS := $(COMMON_BASE) common/crash-files.o common/removal.o common/seekable-reader.o common/store.o common/counters.o common/seekable-writer.o \
	common/enter.o common/cgroup.o common/container.o common/drop.o common/elf-core.o common/lsm.o common/netlink.o common/proc.o \
	common/restrain.o common/backoff.o common/handoff.o \
	host-helper/helper/main.o host-helper/helper/arguments.o host-helper/helper/victim.o \
	host-helper/helper/victim-cgroup.o host-helper/helper/victim-plan.o \
	host-helper/helper/handle.o host-helper/helper/record.o host-helper/helper/slots.o \
	host-helper/helper/turns.o host-helper/helper/finish.o host-helper/helper/house.o host-helper/helper/reserve.o \
	host-helper/helper/container-links.o host-helper/helper/container-owner.o host-helper/helper/lookup.o host-helper/helper/engine-socket.o \
	host-helper/helper/names-process.o host-helper/helper/pod-files.o host-helper/helper/rules.o \
	host-helper/helper/file-lock.o host-helper/helper/admission.o host-helper/helper/rate.o \
	host-helper/helper/capture.o \
	host-helper/helper/capture-after.o host-helper/helper/capture-jobs.o \
	host-helper/helper/capture-unpack.o \
	host-helper/helper/confined.o host-helper/helper/sandbox.o host-helper/helper/frame-pump.o \
	host-helper/helper/frame-sinks.o host-helper/helper/memory-map.o \
	host-helper/helper/memory-scan.o host-helper/helper/memory-source.o \
	host-helper/helper/pipe-source.o host-helper/helper/spool-source.o \
	host-helper/helper/delegate.o host-helper/helper/delegate-attempt.o \
	host-helper/helper/delivery.o host-helper/helper/delivery-left-over.o \
	host-helper/helper/delivery-state.o host-helper/helper/anchor.o host-helper/helper/container-life.o \
	host-helper/helper/delegate-child.o host-helper/helper/delegate-feed.o \
	host-helper/helper/delegate-filter.o host-helper/helper/delegate-namespace.o \
	host-helper/helper/delegate-run.o \
	host-helper/helper/fallback-core.o \
	host-helper/helper/housekeeping.o host-helper/helper/quota.o \
	host-helper/helper/recover.o
agent_OBJS := common/config.o common/config-rule.o common/config-values.o common/container-facts.o common/core-headers.o \
	common/crash.o common/crash-attempts.o common/crash-id.o common/digest.o common/enter.o common/fd.o \
	common/json-fields.o common/log.o common/lsm.o common/parse.o common/push-report.o common/text.o \
	container-agent/main.o container-agent/arrive.o container-agent/confine.o \
	container-agent/endpoint.o container-agent/http.o container-agent/http-access.o \
	container-agent/http-answer.o container-agent/push.o container-agent/push-http.o \
	container-agent/push-http-resume.o container-agent/put.o container-agent/tus.o container-agent/tus-metadata.o \
	container-agent/settings.o container-agent/source.o container-agent/end-signal.o \
	container-agent/file-name.o container-agent/push-file.o container-agent/push-s3.o container-agent/push-s3-parts.o \
	container-agent/s3-answer.o container-agent/s3-name.o container-agent/s3-request.o container-agent/s3-resume.o \
	container-agent/s3-settings.o container-agent/s3-upload.o
server_OBJS := $(COMMON_BASE) $(COMMON_STORE) common/core-headers.o \
	host-helper/server/main.o host-helper/server/answer.o host-helper/server/connections.o \
	host-helper/server/listen.o host-helper/server/options.o host-helper/server/privileges.o \
	common/crash-filter.o common/netlink.o \
	common/counters.o \
	host-helper/server/api-crash.o host-helper/server/api-list.o host-helper/server/api-path.o \
	host-helper/server/api-query.o host-helper/server/api-route.o host-helper/server/api-summary.o \
	host-helper/server/core-send.o host-helper/server/events.o host-helper/server/http-range.o \
	host-helper/server/metrics.o host-helper/server/status-route.o host-helper/server/pull.o \
	host-helper/server/pull-route.o host-helper/server/reach.o \
	host-helper/server/store-index.o host-helper/server/store-index-entry.o \
	host-helper/server/unpack-turns.o host-helper/server/visibility.o host-helper/server/waiters.o \
	host-helper/server/receive.o host-helper/server/receive-file.o \
	host-helper/server/receive-headers.o host-helper/server/receive-route.o \
	host-helper/server/request.o host-helper/server/routes.o \
	host-helper/server/tokens.o host-helper/server/receive-directory.o \
	host-helper/server/receive-quota.o host-helper/server/tus-create.o host-helper/server/tus-finish.o \
	host-helper/server/tus-headers.o host-helper/server/tus-lock.o host-helper/server/tus-route.o \
	host-helper/server/tus-upload.o host-helper/server/tus-work.o host-helper/server/receive-answer.o host-helper/server/confine-server.o host-helper/server/exec.o \
	host-helper/server/exec-run.o host-helper/server/generation.o host-helper/server/listener.o \
	host-helper/server/run.o host-helper/server/tls.o host-helper/cli/registration-line.o
cli_OBJS := $(COMMON_BASE) $(COMMON_STORE) common/backoff.o common/counters.o common/handoff.o common/proc.o \
	common/crash-filter.o common/crash-glance.o host-helper/cli/cli-filter.o \
	host-helper/cli/cmd-rm.o host-helper/cli/cmd-watch.o host-helper/cli/crash-row.o \
	host-helper/cli/main.o host-helper/cli/cli.o host-helper/cli/cmd-dump.o \
	host-helper/cli/cmd-info.o host-helper/cli/cmd-list.o host-helper/cli/cmd-push.o host-helper/cli/push-attempt.o \
	host-helper/cli/cmd-register.o \
	host-helper/cli/cmd-status.o host-helper/cli/cmd-unregister.o \
	host-helper/cli/core-export.o host-helper/cli/crash-lookup.o \
	host-helper/cli/kernel-settings.o host-helper/cli/registration.o \
	host-helper/cli/registration-line.o host-helper/cli/registration-state.o \
	host-helper/cli/safe-path.o host-helper/cli/show.o host-helper/cli/show-counters.o \
	host-helper/cli/store-directory.o \
	host-helper/cli/store-usage.o

names_OBJS := common/container-facts.o common/fd.o common/parse.o common/drop.o \
	host-helper/names/main.o host-helper/names/confine-names.o host-helper/names/engine-answer.o \
	host-helper/names/fetch.o

PROGRAMS := $(BUILD)/coreferry-helper $(BUILD)/coreferry-names $(BUILD)/coreferry-agent $(BUILD)/coreferryd $(BUILD)/coreferry

.SECONDARY: # objects of tests are kept

.PHONY: all
all: $(PROGRAMS)

$(BUILD)/coreferry-helper: $(addprefix $(BUILD)/,$(helper_OBJS))
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(HELPER_LDFLAGS) -o $@ $^ $(HELPER_LIBS)

$(BUILD)/coreferry-agent: $(addprefix $(BUILD)/,$(agent_OBJS))
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ -lcurl -lexpat -lseccomp -ljansson -lcap-ng -lnettle -lzstd

$(BUILD)/coreferry-names: $(addprefix $(BUILD)/,$(names_OBJS))
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ -lcurl -lseccomp -ljansson -lcap-ng

$(BUILD)/coreferryd: $(addprefix $(BUILD)/,$(server_OBJS))
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ -lmicrohttpd -lseccomp -lzstd -ljansson -lnettle

$(BUILD)/coreferry: $(addprefix $(BUILD)/,$(cli_OBJS))
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ -lzstd -ljansson -lnettle

# What depends on the options of this build; rewritten only when they change.
BUILD_INFO := $(BUILD)/generated/build-info.h
.PHONY: force
$(BUILD_INFO): force
	@mkdir -p $(@D)
	@printf '#pragma once\n#define %s "%s"\n#define %s "%s"\n' COREFERRY_VERSION '$(VERSION)' \
		COREFERRY_LIBEXEC_DIR '$(LIBEXECDIR)' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/%.o: %.c | $(BUILD_INFO)
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# --- man pages ---------------------------------------------------------------------------------

MAN_SOURCES := $(wildcard docs/*.scd)
MAN_PAGES   := $(patsubst docs/%.scd,$(BUILD)/man/%,$(MAN_SOURCES))

.PHONY: man
man: $(MAN_PAGES)
all: man

$(BUILD)/man/%: docs/%.scd
	@mkdir -p $(@D)
	@echo "  MAN     $@"
	$(Q)scdoc < $< > $@.new && mv $@.new $@

include tests/fuzz/fuzz.mk

# --- tests -------------------------------------------------------------------------------------

# A unit test is linked with what it needs of everything but the programs' main().
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test-*.c))
TESTED_OBJS  := $(filter-out %/main.o,$(sort $(helper_OBJS) $(names_OBJS) $(agent_OBJS) $(server_OBJS) $(cli_OBJS)))
TEST_PROGRAMS := $(BUILD)/tests/crasher $(BUILD)/tests/crasher-static $(BUILD)/tests/reaper \
	$(BUILD)/tests/rights-static $(BUILD)/tests/witness-static $(BUILD)/tests/burglar-static \
	$(BUILD)/tests/enter-agent

# The zoo; of 32 bits too, if the compiler has a C library for that.
ZOO_SOURCES := tests/programs/zoo.c tests/programs/zoo-memory.c tests/programs/zoo-special.c \
	tests/programs/zoo-fuse.c
ZOO := $(BUILD)/tests/zoo $(if $(wildcard $(shell $(CC) -m32 -print-file-name=libc.a 2>&1)), \
	$(BUILD)/tests/zoo32 $(BUILD)/tests/zoo32-static)
$(BUILD)/tests/zoo32: ZOO_CFLAGS := -m32
$(BUILD)/tests/zoo32-static: ZOO_CFLAGS := -m32 -static

$(ZOO): $(ZOO_SOURCES) tests/programs/zoo.h
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(WARNINGS) $(if $(WERROR),-Werror) -O1 -g \
		-fno-omit-frame-pointer -pthread $(ZOO_CFLAGS) -o $@ $(ZOO_SOURCES)

$(BUILD)/tests/tested.a: $(addprefix $(BUILD)/,$(TESTED_OBJS))
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/tests/tested.a
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ \
		-lcmocka -lcurl -lexpat -lseccomp -lmicrohttpd -lzstd -ljansson -lcap-ng -lnettle

# How long the agent takes to start; by hand, see its head.
$(BUILD)/tests/bench/agent-start: $(BUILD)/tests/bench/agent-start.o $(BUILD)/tests/tested.a
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ -lseccomp -lzstd -ljansson -lcap-ng -lnettle

# The agent, started as the helper does, without a crash.
$(BUILD)/tests/enter-agent: $(BUILD)/tests/programs/enter-agent.o $(BUILD)/tests/tested.a
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ -lseccomp -lzstd -ljansson -lcap-ng -lnettle

# The crashing programs are victims, not ours to harden: no sanitizer, frames that gdb can follow.
$(BUILD)/tests/%-static: tests/programs/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -O1 -g -static -pthread -o $@ $<

$(BUILD)/tests/%: tests/programs/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -O1 -g -fno-omit-frame-pointer -pthread -o $@ $<

.PHONY: test-programs units check lint format demo
test-programs: $(TEST_PROGRAMS) $(ZOO) $(UNIT_TESTS)
units: $(UNIT_TESTS)
	@scripts/run-units $(UNIT_TESTS)

# The packages are there before make looks for them: the build is a second make.
check:
	@scripts/check $(BUILD)

lint:
	@scripts/lint $(BUILD)

format:
	find common host-helper container-agent tests -name '*.[ch]' -exec clang-format -i {} +

demo:
	@scripts/install-deps build demo-$(ENGINE)
	@$(MAKE) --no-print-directory all test-programs-demo
	@scripts/demo --engine $(ENGINE) --build-dir $(BUILD)

# ROUNDS=7 CASES='tiny 1g' HANDLERS='ours cat': see the head of tests/bench/bench.
BENCH_DIR ?= $(BUILD)/bench

.PHONY: bench
bench:
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory all test-programs-demo
	@ROUNDS='$(ROUNDS)' CASES='$(CASES)' HANDLERS='$(HANDLERS)' tests/bench/bench $(BUILD) $(BENCH_DIR)

.PHONY: test-programs-demo
test-programs-demo: $(TEST_PROGRAMS)

# --- install: files only, no system state ------------------------------------------------------

INSTALL := install

.PHONY: install uninstall
install: all
	$(INSTALL) -D -m 0755 $(BUILD)/coreferry-helper $(DESTDIR)$(LIBEXECDIR)/coreferry-helper
	$(INSTALL) -D -m 0755 $(BUILD)/coreferry-agent $(DESTDIR)$(LIBEXECDIR)/coreferry-agent
	$(INSTALL) -D -m 0755 $(BUILD)/coreferry-names $(DESTDIR)$(LIBEXECDIR)/coreferry-names
	$(INSTALL) -D -m 0755 $(BUILD)/coreferryd $(DESTDIR)$(SBINDIR)/coreferryd
	$(INSTALL) -D -m 0755 $(BUILD)/coreferry $(DESTDIR)$(BINDIR)/coreferry
	$(INSTALL) -D -m 0755 -t $(DESTDIR)$(LIBEXECDIR)/testenv scripts/testenv/receive-cores scripts/testenv/on-core
	$(INSTALL) -d $(DESTDIR)$(SYSCONFDIR)/coreferry
	[ -e $(DESTDIR)$(SYSCONFDIR)/coreferry/coreferry.conf ] || \
		$(INSTALL) -m 0644 scripts/coreferry.conf $(DESTDIR)$(SYSCONFDIR)/coreferry/coreferry.conf
	for page in $(notdir $(MAN_PAGES)); do \
		$(INSTALL) -D -m 0644 $(BUILD)/man/$$page \
			$(DESTDIR)$(MANDIR)/man$${page##*.}/$$page || exit 1; done
	$(INSTALL) -d $(DESTDIR)$(UNITDIR)
	for unit in coreferryd.service coreferry-register.service coreferry-house.service; do \
		sed -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|g' \
			scripts/systemd/$$unit.in > $(DESTDIR)$(UNITDIR)/$$unit && \
		chmod 0644 $(DESTDIR)$(UNITDIR)/$$unit || exit 1; done
	$(INSTALL) -m 0644 -t $(DESTDIR)$(UNITDIR) scripts/systemd/coreferryd.socket scripts/systemd/coreferry-house.timer
	$(INSTALL) -D -m 0644 scripts/systemd/coreferry.tmpfiles $(DESTDIR)$(TMPFILESDIR)/coreferry.conf
	$(INSTALL) -D -m 0644 scripts/systemd/coreferry.sysusers $(DESTDIR)$(SYSUSERSDIR)/coreferry.conf

# The configuration and the store stay: they are the operator's.
uninstall:
	rm -f $(DESTDIR)$(LIBEXECDIR)/coreferry-helper $(DESTDIR)$(LIBEXECDIR)/coreferry-agent \
		$(DESTDIR)$(LIBEXECDIR)/coreferry-names \
		$(DESTDIR)$(SBINDIR)/coreferryd $(DESTDIR)$(BINDIR)/coreferry \
		$(DESTDIR)$(LIBEXECDIR)/testenv/receive-cores $(DESTDIR)$(LIBEXECDIR)/testenv/on-core \
		$(DESTDIR)$(UNITDIR)/coreferryd.service $(DESTDIR)$(UNITDIR)/coreferryd.socket \
		$(DESTDIR)$(UNITDIR)/coreferry-house.service $(DESTDIR)$(UNITDIR)/coreferry-house.timer \
		$(DESTDIR)$(UNITDIR)/coreferry-register.service \
		$(DESTDIR)$(TMPFILESDIR)/coreferry.conf $(DESTDIR)$(SYSUSERSDIR)/coreferry.conf
	for page in $(notdir $(MAN_PAGES)); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; done
	-rmdir $(DESTDIR)$(LIBEXECDIR)/testenv $(DESTDIR)$(LIBEXECDIR) 2>/dev/null

.PHONY: help
help:
	@echo 'make all        the programs and their man pages, in $(BUILD)/'
	@echo 'make demo       (as root) the whole way of a crash, in a real container; ENGINE=docker: in Docker'
	@echo 'make check      all tests; without root the unit tests'
	@echo 'make lint       formatting and static analysis'
	@echo 'make install    DESTDIR= PREFIX=$(PREFIX); uninstall undoes it'
	@echo 'make fuzz       each fuzz target for FUZZ_SECONDS=60 (needs clang and libclang-rt-14-dev)'
	@echo 'make bench      (as root) against cat, zstd, the kernel and systemd-coredump; ROUNDS=7 CASES= HANDLERS='
	@echo 'make format     clang-format over the whole tree'
	@echo 'options         V=1, WERROR=1, SANITIZE=address,undefined'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: objects
objects: $(addprefix $(BUILD)/,$(sort $(helper_OBJS) $(names_OBJS) $(agent_OBJS) $(server_OBJS) $(cli_OBJS)))

.PHONY: clean
clean:
	rm -rf $(BUILD)
