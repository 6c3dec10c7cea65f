// SPDX-License-Identifier: MIT
/*
 * coreferry status: whether a crash would be captured now, and what is in the store.
 *
 * Reads only.  What is in force may be anybody's who is root; whatever does not fit is told as a
 * problem (then the exit status is 1) or as a warning, never taken for healthy.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli.h"
#include "counters.h"
#include "fd.h"
#include "log.h"
#include "parse.h"
#include "registration.h"
#include "safe-path.h"
#include "show-counters.h"
#include "show.h"
#include "store-usage.h"
#include "text.h"

#define EXIT_UNHEALTHY 1
#define PIPE_LIMIT_LOW 16 /* as many crashes at once happen when one container goes down */

struct status {
	const struct cli *cli;
	json_t *problems, *warnings; /* arrays of texts */
	bool is_known;		     /* view is filled in */
	struct registration_view view;
	char helper[REGISTRATION_LINE_SIZE];
	bool helper_is_good, agent_is_good, store_is_good;
	struct store_usage usage;
	bool has_counters;
	struct counters_snapshot counters;
};

static const char *const situation_names[] = {
	[REGISTRATION_NONE] = "none",	      [REGISTRATION_FORGOTTEN] = "forgotten",
	[REGISTRATION_IN_FORCE] = "in-force", [REGISTRATION_UNDONE] = "undone",
	[REGISTRATION_CHANGED] = "changed",   [REGISTRATION_LOST] = "lost",
};

static const char *const situation_problems[] = {
	[REGISTRATION_NONE] = "coreferry is not registered: run `coreferry register`",
	[REGISTRATION_FORGOTTEN] = "core_pattern names a coreferry-helper, but this store does not "
				   "remember it: name the store with --store, or run `coreferry "
				   "register --force`",
	[REGISTRATION_UNDONE] = "core_pattern is what it was before coreferry was registered: run "
				"`coreferry register` or `coreferry unregister`",
	[REGISTRATION_CHANGED] = "somebody else has changed core_pattern since coreferry was "
				 "registered: run `coreferry register` to replace it",
	[REGISTRATION_LOST] = "core_pattern is not ours since a reboot: run `coreferry register`",
};

__attribute__((format(printf, 2, 3))) static void note(json_t *notes, const char *format, ...)
{
	cleanup_free char *text = NULL;
	va_list args;

	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		text = NULL;
	cleanup_free char *escaped = text ? text_escape(text, strlen(text)) : NULL;
	/* A problem for which there is no memory is still a problem. */
	json_array_append_new(notes, escaped ? json_string(escaped) : json_string("?"));
}

/* --- looking --- */

static void check_settings(struct status *s)
{
	const struct registration_view *view = &s->view;
	uint64_t limit;

	if (view->damaged)
		note(s->problems,
		     "%s/" REGISTRATION_STATE_NAME " is damaged: `coreferry register "
		     "--force` or `coreferry unregister --force` replaces it",
		     s->cli->store_path);
	if (view->situation != REGISTRATION_IN_FORCE)
		note(s->problems, "%s", situation_problems[view->situation]);
	else if (view->rebooted)
		note(s->warnings, "core_pattern is ours, but was registered before a reboot");

	/* Another handler, or none, has its own reasons for its limit. */
	const char *text = view->now.value[KERNEL_PIPE_LIMIT];
	if (!registration_line_is_coreferry(view->now.value[KERNEL_CORE_PATTERN]) ||
	    parse_u64(text, UINT32_MAX, &limit) < 0)
		return;
	if (limit == 0)
		note(s->problems,
		     "core_pipe_limit is 0: the kernel does not wait for the helper, so "
		     "most of what it records is gone before it can be read");
	else if (limit < PIPE_LIMIT_LOW)
		note(s->warnings, "core_pipe_limit is %s: of more crashes at once the rest is lost",
		     text);
	for (int i = 0; i < KERNEL_SETTING_COUNT; i++) {
		const char *written = view->state.written.value[i];

		if (i != KERNEL_CORE_PATTERN && view->situation == REGISTRATION_IN_FORCE &&
		    *written && strcmp(written, view->now.value[i]) != 0)
			note(s->warnings, "%s is %s, and we wrote %s",
			     kernel_setting_name((enum kernel_setting)i), view->now.value[i],
			     written);
	}
}

static void look_at_registration(struct status *s)
{
	cleanup_fd int fd = open(s->cli->store_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = registration_look(s->cli->access, fd, &s->view);

	if (r < 0) {
		note(s->problems, "whether coreferry is registered cannot be read: %s%s",
		     strerror(-r), r == -EACCES ? "; run this as root" : "");
		return;
	}
	s->is_known = true;
	check_settings(s);
}

static bool check_program(json_t *notes, const char *what, const char *path)
{
	char error[SAFE_PATH_ERROR_SIZE];
	cleanup_free char *real = NULL;
	int r = safe_path_check(path, SAFE_PATH_PROGRAM, &real, error);

	if (r < 0)
		note(notes, "the %s: %s", what, error);
	else if (strcmp(real, path) != 0)
		note(notes, "the %s: %s leads to %s: name that one instead", what, path, real);
	else
		return true;
	return false;
}

static void look_at_programs(struct status *s)
{
	const char *pattern = s->is_known ? s->view.now.value[KERNEL_CORE_PATTERN] : "";

	if (s->view.remembered && !registration_line_is_coreferry(pattern))
		pattern = s->view.state.written.value[KERNEL_CORE_PATTERN];
	if (!registration_line_is_coreferry(pattern) ||
	    !registration_line_helper(pattern, s->helper))
		snprintf(s->helper, sizeof(s->helper), "%s", PATH_HELPER);
	s->helper_is_good = check_program(s->problems, "helper", s->helper);
	if (s->cli->config.push)
		s->agent_is_good = check_program(s->problems, "agent", s->cli->config.agent);
	/* Without it there are cores all the same, and no names. */
	if (s->cli->config.container_lookup_timeout_ms > 0)
		(void)check_program(s->warnings, "reader of names", s->cli->config.names);
	if (!s->cli->config_is_good)
		note(s->problems, "the configuration: %s", s->cli->config_error);
}

/* Before the first crash there are none. */
static void look_at_counters(struct status *s)
{
	cleanup_counters struct counters counters = { 0 };
	cleanup_fd int fd = open(s->cli->store_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : counters_open(fd, 0, false, &counters);

	if (r == 0)
		r = counters_read(&counters, &s->counters);
	s->has_counters = r == 0;
	if (r == -EINVAL || r == -ELOOP)
		note(s->warnings,
		     "%s/" COUNTERS_FILE_NAME " is not ours, or damaged: the next "
		     "crash starts it anew",
		     s->cli->store_path);
	else if (r < 0 && r != -ENOENT)
		note(s->warnings, "%s/" COUNTERS_FILE_NAME ": %s", s->cli->store_path,
		     strerror(-r));
}

static void look_at_store(struct status *s)
{
	cleanup_store struct store store = { .crashes_fd = -1 };
	char error[SAFE_PATH_ERROR_SIZE];
	const char *path = s->cli->store_path;

	if (safe_path_check(path, SAFE_PATH_DIRECTORY, NULL, error) < 0) {
		note(s->problems, "the store: %s", error);
		return;
	}
	int r = store_open(path, false, &store);
	if (r == 0)
		r = store_usage_read(&store, &s->usage);
	if (r < 0) {
		note(s->problems, "the store %s: %s%s", path, strerror(-r),
		     r == -EACCES ? "; run this as root" : "");
		return;
	}
	s->store_is_good = true;
	look_at_counters(s);
	if (s->usage.unreadable > 0)
		note(s->warnings,
		     "%zu crashes are readable for root only, and not counted in bytes",
		     s->usage.unreadable);
	if (strcmp(path, s->cli->config.store) != 0)
		note(s->warnings, "the helper stores in %s, as %s says", s->cli->config.store,
		     s->cli->config_path);
}

/* --- telling --- */

static void print_notes(const char *what, const json_t *notes)
{
	for (size_t i = 0; i < json_array_size(notes); i++)
		printf("%s: %s\n", what, json_string_value(json_array_get(notes, i)));
}

static void print_field(const char *name, const char *value, const char *remark)
{
	cleanup_free char *text = text_escape(value, strlen(value));

	printf("%-17s %s%s\n", name, text ? text : "?", remark);
}

static void print_store(const struct status *s)
{
	char bytes[SHOW_SIZE_SIZE], left[SHOW_SIZE_SIZE];

	print_field("store:", s->cli->store_path, "");
	if (!s->store_is_good)
		return;
	show_size(s->usage.bytes, bytes);
	show_size(s->usage.free_bytes, left);
	printf("%-17s %zu, %s\n", "crashes:", s->usage.crashes, bytes);
	printf("%-17s %zu\n", "being captured:", s->usage.partial);
	printf("%-17s %s\n", "free space:", left);
	if (s->has_counters)
		show_counters_text(&s->counters);
}

static void print_text(const struct status *s)
{
	if (s->is_known) {
		printf("%-17s %s\n",
		       "registered:", s->view.situation == REGISTRATION_IN_FORCE ? "yes" : "no");
		for (int i = KERNEL_SETTING_COUNT - 1; i >= 0; i--) {
			char name[32];

			snprintf(name, sizeof(name),
				 "%s:", kernel_setting_name((enum kernel_setting)i));
			print_field(name, s->view.now.value[i], "");
		}
		if (s->view.remembered)
			print_field("was before:",
				    s->view.state.previous.value[KERNEL_CORE_PATTERN], "");
	} else {
		printf("%-17s not known\n", "registered:");
	}
	print_field("helper:", s->helper, s->helper_is_good ? "" : " (see below)");
	print_field("agent:", s->cli->config.agent,
		    !s->cli->config.push ? " (not used: push = no)"
		    : s->agent_is_good	 ? ""
					 : " (see below)");
	print_field("configuration:", s->cli->config_path,
		    !s->cli->config_is_good		    ? " (see below)"
		    : access(s->cli->config_path, F_OK) < 0 ? " (there is none: defaults)"
							    : "");
	print_store(s);
	print_notes("problem", s->problems);
	print_notes("warning", s->warnings);
}

static json_t *settings_json(const struct status *s)
{
	json_t *object = json_object();

	for (int i = 0; object && s->is_known && i < KERNEL_SETTING_COUNT; i++) {
		const char *value = s->view.now.value[i];
		cleanup_free char *text = text_escape(value, strlen(value));

		json_object_set_new(object, kernel_setting_name((enum kernel_setting)i),
				    i != KERNEL_CORE_PATTERN
					    ? json_integer(strtoll(value, NULL, 10))
				    : text ? json_string(text)
					   : NULL);
	}
	return object;
}

static json_t *store_json(const struct status *s)
{
	cleanup_free char *path = show_text(s->cli->store_path, "");

	if (!s->store_is_good)
		return json_pack("{s:s?, s:b}", "path", path, "ok", 0);
	return json_pack("{s:s?, s:b, s:I, s:I, s:I, s:I}", "path", path, "ok", 1, "crashes",
			 (json_int_t)s->usage.crashes, "partial", (json_int_t)s->usage.partial,
			 "bytes", (json_int_t)s->usage.bytes, "free_bytes",
			 (json_int_t)s->usage.free_bytes);
}

static json_t *counters_json(const struct status *s)
{
	return s->has_counters ? show_counters_json(&s->counters) : json_null();
}

static int print_json(const struct status *s, bool healthy)
{
	cleanup_free char *helper = show_text(s->helper, "");
	cleanup_free char *agent = show_text(s->cli->config.agent, "");
	cleanup_free char *config = show_text(s->cli->config_path, "");
	bool registered = s->is_known && s->view.situation == REGISTRATION_IN_FORCE;

	json_t *object = json_pack(
		"{s:b, s:b, s:s, s:o?, s:{s:s?, s:b}, s:{s:s?, s:b, s:b}, "
		"s:{s:s?, s:b}, s:o?, s:o?, s:O, s:O}",
		"healthy", healthy, "registered", registered, "registration",
		s->is_known ? situation_names[s->view.situation] : "unknown", "settings",
		settings_json(s), "helper", "path", helper, "ok", s->helper_is_good, "agent",
		"path", agent, "used", s->cli->config.push, "ok", s->agent_is_good, "configuration",
		"path", config, "ok", s->cli->config_is_good, "store", store_json(s), "counters",
		counters_json(s), "problems", s->problems, "warnings", s->warnings);
	int r = object ? show_json(object) : -ENOMEM;
	json_decref(object);
	return r;
}

static int show_status(const struct cli *cli, bool json)
{
	struct status s = { .cli = cli, .problems = json_array(), .warnings = json_array() };
	int code = EX_OSERR;

	if (s.problems && s.warnings) {
		look_at_registration(&s);
		look_at_programs(&s);
		look_at_store(&s);
		bool healthy = json_array_size(s.problems) == 0;
		code = healthy ? EX_OK : EXIT_UNHEALTHY;
		if (!json)
			print_text(&s);
		else if (print_json(&s, healthy) < 0)
			code = EX_IOERR;
	}
	json_decref(s.problems);
	json_decref(s.warnings);
	return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		CLI_COMMON_OPTIONS,
	};
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int code = option == 'j' ? CLI_GO_ON : cli_option(cli, option);

		if (code != CLI_GO_ON)
			return code;
		json = json || option == 'j';
	}
	if (optind < argc)
		return cli_usage_error(cli, "takes no arguments");
	int code = cli_load(cli, CLI_LOAD_QUIET);
	return code == EX_OK ? show_status(cli, json) : code;
}

const struct cli_command cli_status = {
	.name = "status",
	.summary = "Tells whether coreferry is registered and healthy, and what is in the store",
	.arguments = "[OPTIONS]",
	.options = "      --json          as a JSON object\n",
	.run = run,
};
