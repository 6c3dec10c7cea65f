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
CPPFLAGS += -D_GNU_SOURCE -Icommon -DCOREFERRY_VERSION='"$(VERSION)"' \
	-DCOREFERRY_LIBEXEC_DIR='"$(LIBEXECDIR)"'
ALL_CFLAGS = -std=gnu11 $(WARNINGS) $(if $(WERROR),-Werror) $(HARDENING) $(CFLAGS) \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -U_FORTIFY_SOURCE)
ALL_LDFLAGS = -Wl,-z,relro,-z,now,--as-needed $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)
# The helper is static: a crashed process waits for it, and the dynamic linker alone takes longer
# than the rest of a small crash.  The sanitizers cannot be linked statically.
# (libcap-ng has functions that look up users, which we do not call and ld warns of: hence no warnings.)
HELPER_LDFLAGS = $(if $(SANITIZE),-pie,-static-pie -Wl,--no-warnings)
HELPER_LIBS    = $(if $(SANITIZE),-lzstd -ljansson -lcap-ng -lnettle, \
	$(shell $(PKG_CONFIG) --static --libs libzstd jansson libcap-ng nettle))

Q := $(if $(V),,@)

# --- the programs ------------------------------------------------------------------------------

COMMON_PURE := common/crash.o common/crash-id.o common/digest.o common/parse.o common/text.o
COMMON_BASE := $(COMMON_PURE) common/config.o common/fd.o common/log.o
COMMON_STORE := common/core-reader.o common/seekable-reader.o common/store.o

helper_OBJS := $(COMMON_BASE) $(COMMON_STORE) common/seekable-writer.o common/enter.o \
	common/container.o common/elf-core.o common/proc.o \
	host-helper/helper/main.o host-helper/helper/arguments.o host-helper/helper/victim.o \
	host-helper/helper/record.o host-helper/helper/capture.o host-helper/helper/delegate.o \
	host-helper/helper/delegate-child.o host-helper/helper/delegate-run.o \
	host-helper/helper/fallback-core.o host-helper/helper/handoff.o
agent_OBJS := common/config.o common/core-headers.o common/crash.o common/crash-id.o \
	common/digest.o common/enter.o common/fd.o common/log.o common/parse.o common/text.o \
	container-agent/main.o container-agent/arrive.o container-agent/endpoint.o \
	container-agent/upload.o
server_OBJS := $(COMMON_BASE) $(COMMON_STORE) \
	host-helper/server/main.o
cli_OBJS := $(COMMON_BASE) $(COMMON_STORE) \
	host-helper/cli/main.o

PROGRAMS := $(BUILD)/coreferry-helper $(BUILD)/coreferry-agent $(BUILD)/coreferryd $(BUILD)/coreferry

.PHONY: all
all: $(PROGRAMS)

$(BUILD)/coreferry-helper: $(addprefix $(BUILD)/,$(helper_OBJS))
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(HELPER_LDFLAGS) -o $@ $^ $(HELPER_LIBS)

$(BUILD)/coreferry-agent: $(addprefix $(BUILD)/,$(agent_OBJS))
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ -lcurl -ljansson -lcap-ng -lnettle

$(BUILD)/coreferryd: $(addprefix $(BUILD)/,$(server_OBJS))
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ -lmicrohttpd -lzstd -ljansson -lnettle

$(BUILD)/coreferry: $(addprefix $(BUILD)/,$(cli_OBJS))
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ -lzstd -ljansson -lnettle

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: clean
clean:
	rm -rf $(BUILD)
