// SPDX-License-Identifier: MIT
/*
 * coreferry info: all that is known about one crash, one field per line, or its record as JSON.
 *
 * What stands in the record is the victim's, and what its container's program printed: all of it is
 * escaped before it reaches the terminal.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli.h"
#include "crash-lookup.h"
#include "fd.h"
#include "log.h"
#include "show.h"
#include "text.h"

static void group(const char *name)
{
	printf("\n%s\n", name);
}

/* One field whose value is ours. */
__attribute__((format(printf, 2, 3))) static void field(const char *name, const char *format, ...)
{
	va_list args;

	printf("  %-16s ", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* One field whose value is someone else's bytes; none if there are none. */
static void text_field(const char *name, const char *bytes)
{
	if (!bytes || !*bytes)
		return;
	cleanup_free char *text = show_text(bytes, "");
	field(name, "%s", text ? text : "?");
}

static void size_field(const char *name, uint64_t bytes)
{
	char size[SHOW_SIZE_SIZE];

	show_size(bytes, size);
	if (bytes < 1024)
		field(name, "%" PRIu64, bytes);
	else
		field(name, "%" PRIu64 " (%s)", bytes, size);
}

static void time_field(const char *name, uint64_t time_us)
{
	char utc[32], local[SHOW_TIME_SIZE];

	if (time_us == 0 || crash_time_format(time_us, utc) < 0)
		return;
	show_local_time(time_us, local);
	field(name, "%s (%s)", local, utc);
}

/* Arguments with a space are put between quotes, so that their number can be seen. */
static void print_cmdline(char *const *cmdline)
{
	if (!cmdline || !*cmdline)
		return;
	printf("  %-16s", "command line");
	for (; *cmdline; cmdline++) {
		cleanup_free char *text = show_text(*cmdline, "");
		const char *quote = !text || *text == '\0' || strpbrk(text, " '\"") ? "'" : "";

		printf(" %s%s%s", quote, text ? text : "?", quote);
	}
	putchar('\n');
}

/* What the container's engine told. */
static void print_names(const struct crash *c)
{
	const struct container_labels *labels = &c->container_labels;

	text_field("image", c->container_image);
	text_field("image id", c->container_image_id);
	for (size_t i = 0; i < labels->count; i++) {
		cleanup_free char *key = show_text(labels->items[i].key, "");
		cleanup_free char *value = show_text(labels->items[i].value, "");

		field(i == 0 ? "labels" : "", "%s=%s", key ? key : "?", value ? value : "?");
	}
	if (labels->left_out > 0)
		field("", "and %u more, too many or too long", labels->left_out);
	text_field("pod", c->pod);
	text_field("pod namespace", c->pod_namespace);
	text_field("pod uid", c->pod_uid);
	text_field("names missing", c->container_lookup);
	if (c->container_owner > 0)
		field("made by", "%u (this user of the host could have made up the container)",
		      c->container_owner);
}

static void print_crash(const struct crash *c)
{
	field("id", "%s", c->id);
	field("outcome", "%s", crash_outcome_name(c->outcome));
	text_field("reason", c->reason);
	time_field("time", c->time_us);
	time_field("published", c->published_us);
	text_field("boot", c->boot_id);

	group("Process");
	text_field("executable", c->exe);
	text_field("name", c->comm);
	print_cmdline(c->cmdline);
	text_field("directory", c->cwd);
	field("pid", "%u", c->pid);
	field("thread", "%u", c->tid);
	if (c->container_pid)
		field("pid inside", "%u", c->container_pid);
	field("uid, gid", "%u, %u", c->uid, c->gid);
	field("signal", "%u (%s)", c->signal, crash_signal_name(c->signal));
	field("dump mode", "%u%s", c->dump_mode,
	      c->dump_mode == 1 ? "" : " (not an ordinary process)");
	if (c->has_fault_address)
		field("fault address", "0x%" PRIx64, c->fault_address);
	text_field("signature", c->signature);
	if (c->rlimit_core == UINT64_MAX)
		field("core limit", "unlimited");
	else
		size_field("core limit", c->rlimit_core);
	field("root only", "%s", c->root_only ? "yes" : "no");

	group("Where");
	text_field("hostname", c->hostname);
	field("container", "%s", c->container_runtime || c->container_id ? "yes" : "no");
	text_field("runtime", c->container_runtime);
	text_field("container id", c->container_id);
	text_field("container name", c->container_name);
	print_names(c);
}

static void print_core(const struct crash *c)
{
	group("Core");
	if (c->core_file) {
		field("file", "%s", c->core_file);
		size_field("size", c->core_size);
		size_field("stored", c->stored_size);
		text_field("sha256 (raw)", c->core_sha256);
		text_field("sha256 (stored)", c->stored_sha256);
		text_field("not compressed", c->not_compressed);
	} else {
		field("file", "%s", c->core_removed ? "none any more" : "none");
		text_field("removed", c->core_removed);
		if (c->core_removed)
			size_field("size", c->core_size);
	}
	text_field("capture", c->capture_mode);
	text_field("capture note", c->capture_note);
	field("held", "%" PRIu64 ".%03u ms", c->held_us / 1000, (unsigned)(c->held_us % 1000));
	size_field("captured", c->captured_bytes);
	size_field("holes", c->holes_bytes);
}

/* What the delegate wrote, line by line. */
static void print_output(const char *output)
{
	if (!output || !*output)
		return;
	puts("  output");
	while (*output) {
		size_t len = strcspn(output, "\n");
		cleanup_free char *line = text_escape(output, len);

		printf("    | %s\n", line ? line : "?");
		output += len;
		output += *output == '\n';
	}
}

/* "204 5.0 MiB of 9.1 MiB (digest)", as far as it is known. */
static void print_transfer(const struct crash_attempt *a)
{
	char offset[SHOW_SIZE_SIZE], total[SHOW_SIZE_SIZE], sent[SHOW_SIZE_SIZE];

	show_size(a->offset, offset);
	show_size(a->total, total);
	show_size(a->sent, sent);
	if (a->status > 0)
		printf(", status %u", a->status);
	if (a->sent > 0)
		printf(", %s sent", sent);
	if (a->total > 0)
		printf(", %s of %s there", offset, total);
	if (a->verified) {
		cleanup_free char *verified = show_text(a->verified, "");
		printf(", verified by %s", verified ? verified : "?");
	}
}

static void print_attempt(const struct crash_attempt *a)
{
	char time[SHOW_TIME_SIZE];
	cleanup_free char *protocol = show_text(a->protocol, "");
	cleanup_free char *url = show_text(a->url, "");
	cleanup_free char *reason = show_text(a->reason, "");

	show_local_time(a->time_us, time);
	printf("    %-3u %s", a->number, time);
	if (a->is_under_way)
		printf(" under way");
	else if (a->exit_status >= 0)
		printf(" %s (%d)", a->exit_status == 0 ? "done" : "failed", a->exit_status);
	else
		printf(" failed");
	printf(" after %" PRIu64 ".%03u s", a->duration_ms / 1000,
	       (unsigned)(a->duration_ms % 1000));
	if (url && *url)
		printf(", %s%s%s", protocol ? protocol : "", protocol && *protocol ? " " : "", url);
	print_transfer(a);
	if (reason && *reason)
		printf(": %s", reason);
	putchar('\n');
}

/* The delivery log. */
static void print_attempts(const struct crash *c)
{
	if (c->attempts.count == 0)
		return;
	field("attempts", "%u", c->attempts.count);
	for (uint32_t i = 0; i < c->attempts.kept; i++) {
		const struct crash_attempt *a = &c->attempts.items[i];

		if (i > 0 && a->number > c->attempts.items[i - 1].number + 1)
			puts("    ...");
		print_attempt(a);
	}
	time_field("next attempt", c->next_attempt_us);
}

static void print_delegation(const struct crash *c)
{
	group("Delivery");
	field("status", "%s", crash_delegation_name(c->delegation));
	text_field("delegate", c->delegate);
	text_field("reason", c->delegation_reason);
	if (c->exit_status >= 0)
		field("exit status", "%d", c->exit_status);
	if (c->term_signal > 0)
		field("ended by", "%s", crash_signal_name((uint32_t)c->term_signal));
	text_field("fallback core", c->fallback_core);
	print_attempts(c);
	print_output(c->output);
}

/* As it is in the file; where that is more than ASCII, the same JSON in ASCII. */
static int print_record(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t')
			continue;
		json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
		int r = object ? show_json(object) : -ENOMEM;

		json_decref(object);
		return r == 0 ? EX_OK : EX_IOERR;
	}
	return fwrite(text, 1, len, stdout) == len ? EX_OK : EX_IOERR;
}

static int show_crash(const struct store *store, const char *id, bool json)
{
	cleanup_crash struct crash crash;
	cleanup_free char *text = NULL;
	size_t len = 0;

	crash_init(&crash);
	int r = crash_lookup_record(store, id, NULL, &crash, &text, &len);
	if (r < 0) {
		log_error("%s: %s", id, crash_lookup_strerror(r));
		return r == -EACCES ? EX_NOPERM : r == -EINVAL ? EX_DATAERR : EX_IOERR;
	}
	if (json)
		return print_record(text, len);
	print_crash(&crash);
	print_core(&crash);
	print_delegation(&crash);
	return EX_OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		CLI_COMMON_OPTIONS,
	};
	cleanup_store struct store store = { .crashes_fd = -1 };
	char id[CRASH_ID_SIZE];
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int code = option == 'j' ? CLI_GO_ON : cli_option(cli, option);

		if (code != CLI_GO_ON)
			return code;
		json = json || option == 'j';
	}
	if (argc - optind != 1)
		return cli_usage_error(cli, "wants the id of one crash, or `last`");
	int code = cli_load(cli, CLI_LOAD_WARN);
	if (code == EX_OK)
		code = cli_open_store(cli, &store);
	if (code == EX_OK)
		code = crash_lookup(&store, argv[optind], id);
	return code == EX_OK ? show_crash(&store, id, json) : code;
}

const struct cli_command cli_info = {
	.name = "info",
	.summary = "Shows all that is known about one crash",
	.arguments = "[OPTIONS] ID|last",
	.options = "      --json          the record (crash.json) itself\n",
	.run = run,
};
