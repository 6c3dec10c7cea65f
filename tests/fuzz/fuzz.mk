# SPDX-License-Identifier: MIT
# Fuzzing: to be included by the Makefile behind BUILD_INFO.  fuzz-NAME.c has its corpus in corpus/NAME/.
#   make fuzz-replay  gives every file of the corpora to its target, with the compiler of the build
#   make fuzz         looks for new ones, with clang's libFuzzer (packages clang, libclang-rt-dev);
#                     FUZZ_SECONDS=60 each, FUZZ_ONLY='text crash': only these

FUZZ_CC       ?= clang
FUZZ_SECONDS  ?= 60
FUZZ_ONLY     ?=
FUZZ_CFLAGS   := -std=gnu11 $(WARNINGS) $(if $(WERROR),-Werror) -O1 -g -fno-omit-frame-pointer \
	-U_FORTIFY_SOURCE -fno-sanitize-recover=all
FUZZ_SANITIZE := address,undefined
FUZZ_LIBS     := -Wl,--as-needed -lcurl -lexpat -lmicrohttpd -lzstd -ljansson -lnettle

# What each target links.
fuzz_addresses_SRCS      := common/addresses.c
fuzz_arguments_SRCS      := common/parse.c host-helper/helper/arguments.c
fuzz_cgroup_SRCS         := common/cgroup.c
fuzz_config_SRCS         := common/config.c common/config-rule.c common/config-values.c common/fd.c common/parse.c common/text.c
fuzz_container_SRCS      := common/container.c
fuzz_container-facts_SRCS := common/container-facts.c common/parse.c
fuzz_crash_SRCS          := common/addresses.c common/addresses-json.c common/container-facts.c common/crash.c common/crash-attempts.c common/crash-id.c common/crash-json.c \
	common/digest.c common/json-fields.c common/parse.c common/text.c
fuzz_crash-glance_SRCS   :=  common/crash-glance.c common/addresses.c common/addresses-json.c common/container-facts.c common/crash.c common/crash-attempts.c common/crash-id.c common/crash-json.c \
	common/digest.c common/json-fields.c common/parse.c common/text.c
fuzz_crash-id_SRCS       := common/crash-id.c
fuzz_digest_SRCS         := common/digest.c
fuzz_elf-core_SRCS       := common/elf-core.c
fuzz_endpoint_SRCS       := common/text.c container-agent/endpoint.c
fuzz_engine-answer_SRCS  := common/container-facts.c common/parse.c host-helper/names/engine-answer.c
fuzz_http-answer_SRCS    := common/digest.c common/fd.c common/parse.c container-agent/http-answer.c
fuzz_memory-map_SRCS     := host-helper/helper/memory-map.c
fuzz_parse_SRCS          := common/parse.c
fuzz_proc_SRCS           := common/parse.c common/proc.c
fuzz_push-report_SRCS    := common/push-report.c common/text.c
fuzz_s3-answer_SRCS      := common/digest.c common/fd.c common/parse.c common/text.c container-agent/s3-answer.c container-agent/s3-name.c \
	container-agent/s3-resume.c
fuzz_seekable_SRCS       := common/fd.c common/seekable-reader.c
fuzz_server-headers_SRCS := common/addresses.c common/addresses-json.c common/container-facts.c common/core-headers.c common/crash.c common/crash-attempts.c common/crash-id.c common/crash-json.c common/digest.c \
	common/json-fields.c common/parse.c common/text.c host-helper/server/receive-headers.c
fuzz_server-listen_SRCS  := common/fd.c common/parse.c host-helper/server/listen.c host-helper/server/listener.c
fuzz_server-request_SRCS := common/crash-filter.c common/crash-id.c common/parse.c common/text.c \
	host-helper/server/api-path.c host-helper/server/api-query.c host-helper/server/http-range.c host-helper/server/metrics.c \
	common/counters.c common/fd.c
fuzz_server-tokens_SRCS  := common/fd.c host-helper/server/tokens.c
fuzz_server-tus_SRCS     := common/fd.c host-helper/server/tus-headers.c
fuzz_text_SRCS           := common/text.c

FUZZ_NAMES := addresses arguments cgroup config container container-facts crash crash-glance crash-id digest \
	elf-core endpoint engine-answer http-answer memory-map parse proc push-report s3-answer seekable server-headers \
	server-listen server-request server-tokens server-tus text
FUZZ_RUN   := $(or $(FUZZ_ONLY),$(FUZZ_NAMES))

# The objects of the replay programs stand in $(BUILD)/tests/fuzz/, those of the fuzzers in $(BUILD)/fuzz/.
$(BUILD)/tests/fuzz/%.o: %.c | $(BUILD_INFO)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=$(FUZZ_SANITIZE) -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/%.o: %.c | $(BUILD_INFO)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZE) \
		-MMD -MP -c -o $@ $<

# $(1): the name.  replay.c reads its files with common/fd.c, whatever the target needs.
define fuzz_programs
$(BUILD)/tests/fuzz/fuzz-$(1): $(patsubst %.c,$(BUILD)/tests/fuzz/%.o,\
		$(sort tests/fuzz/fuzz-$(1).c tests/fuzz/replay.c common/fd.c $(fuzz_$(1)_SRCS)))
	@echo "  LD      $$@"
	$$(Q)$$(CC) -fsanitize=$$(FUZZ_SANITIZE) -o $$@ $$^ $$(FUZZ_LIBS)

$(BUILD)/fuzz/fuzz-$(1): $(patsubst %.c,$(BUILD)/fuzz/%.o,tests/fuzz/fuzz-$(1).c $(fuzz_$(1)_SRCS))
	@echo "  LD      $$@"
	$$(Q)$$(FUZZ_CC) -fsanitize=fuzzer,$$(FUZZ_SANITIZE) -o $$@ $$^ $$(FUZZ_LIBS)
endef
$(foreach name,$(FUZZ_NAMES),$(eval $(call fuzz_programs,$(name))))

.PHONY: fuzz-programs fuzz-replay fuzz
fuzz-programs: $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz/fuzz-%)

fuzz-replay: fuzz-programs
	@passed=0 failed=0; \
	for name in $(FUZZ_NAMES); do \
		printf 'fuzz-%-24s ' $$name; \
		if $(BUILD)/tests/fuzz/fuzz-$$name tests/fuzz/corpus/$$name; \
		then passed=$$((passed + 1)); else failed=$$((failed + 1)); fi; \
	done; \
	echo "fuzz: $$passed passed, $$failed failed"; \
	[ $$failed = 0 ]

# Stops at the first finding: its input is kept in $(BUILD)/fuzz/, and goes into the corpus.  Memory: as in replay.c.
fuzz: $(FUZZ_RUN:%=$(BUILD)/fuzz/fuzz-%)
	@for name in $(FUZZ_RUN); do \
		work=$(BUILD)/fuzz/corpus/$$name log=$(BUILD)/fuzz/$$name.log; \
		rm -rf $$work && mkdir -p $$work && cp tests/fuzz/corpus/$$name/* $$work || exit 1; \
		printf 'fuzz-%-24s ' $$name; \
		if ! $(BUILD)/fuzz/fuzz-$$name -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=8192 \
			-malloc_limit_mb=32 -artifact_prefix=$(BUILD)/fuzz/$$name- $$work > $$log 2>&1; then \
			tail -n 60 $$log; \
			echo "fuzz-$$name: a finding: $$(ls -t $(BUILD)/fuzz/$$name-* | head -n 1)"; \
			exit 1; \
		fi; \
		sed -n 's/^Done \(.*\)/\1/p' $$log; \
	done
