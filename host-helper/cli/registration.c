// SPDX-License-Identifier: MIT
/*
 * Registering with the kernel, and putting back exactly what was there.
 *
 * What was there is on the disk before the first setting is changed, so a run that is killed at any
 * point can be undone by the next one.  The settings may have been changed by anyone who is root:
 * what someone else wrote is never overwritten in silence.  The caller holds the lock of the store.
 */
#include "registration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "fd.h"
#include "log.h"
#include "text.h"

#define KERNEL_DEFAULT_PATTERN	  "core"
#define KERNEL_DEFAULT_PIPE_LIMIT "0"

/* What goes first when ours is taken away: no moment with `core` and set-uid dumps. */
static const enum kernel_setting put_back_order[KERNEL_SETTING_COUNT] = {
	KERNEL_SUID_DUMPABLE,
	KERNEL_CORE_PATTERN,
	KERNEL_PIPE_LIMIT,
};

static void set_value(struct kernel_settings *settings, enum kernel_setting setting,
		      const char *value)
{
	snprintf(settings->value[setting], KERNEL_SETTING_SIZE, "%s", value);
}

static enum registration_situation situation_of(const struct registration_view *view)
{
	const char *now = view->now.value[KERNEL_CORE_PATTERN];

	if (!view->remembered)
		return registration_line_is_coreferry(now) ? REGISTRATION_FORGOTTEN
							   : REGISTRATION_NONE;
	if (strcmp(now, view->state.written.value[KERNEL_CORE_PATTERN]) == 0)
		return REGISTRATION_IN_FORCE;
	if (view->rebooted)
		return REGISTRATION_LOST;
	return strcmp(now, view->state.previous.value[KERNEL_CORE_PATTERN]) == 0
		       ? REGISTRATION_UNDONE
		       : REGISTRATION_CHANGED;
}

/*
 * Compares what is in force with what is remembered in the store's dirfd (-1: there is no store).
 * 0, or -errno: the settings or the file cannot be read.
 */
int registration_look(const struct kernel_access *access, int dirfd,
		      struct registration_view *ret_view)
{
	struct registration_view view = { 0 };
	int r = kernel_settings_read(access, &view.now);

	if (r == 0)
		r = kernel_boot_id_read(access, view.boot_id);
	if (r < 0)
		return r;
	r = dirfd < 0 ? -ENOENT : registration_state_load(dirfd, &view.state);
	if (r < 0 && r != -ENOENT && r != -EINVAL)
		return r;
	view.remembered = r == 0;
	view.damaged = r == -EINVAL;
	view.rebooted = view.remembered && strcmp(view.state.boot_id, view.boot_id) != 0;
	view.situation = situation_of(&view);
	*ret_view = view;
	return 0;
}

static int look_or_tell(const struct kernel_access *access, int dirfd,
			struct registration_view *view)
{
	int r = registration_look(access, dirfd, view);

	if (r == 0)
		return EX_OK;
	log_error("the kernel's core settings below %s/sys, or the store's " REGISTRATION_STATE_NAME
		  ", cannot be read: %s%s",
		  access->procfs_root, strerror(-r),
		  r == -EACCES || r == -EPERM ? "; run this as root" : "");
	return r == -EACCES || r == -EPERM ? EX_NOPERM : EX_OSERR;
}

/* Writes one setting and says what went wrong. True: it is in force. */
static bool write_or_tell(const struct kernel_access *access, enum kernel_setting setting,
			  const char *value)
{
	char now[KERNEL_SETTING_SIZE] = "?";
	int r = kernel_setting_write(access, setting, value);

	if (r == 0)
		return true;
	if (r == KERNEL_SETTING_NOT_TAKEN) {
		kernel_setting_read(access, setting, now);
		log_error("%s: wrote '%s', but the kernel has '%s' now",
			  kernel_setting_name(setting), value, now);
	} else {
		log_error("%s: '%s' cannot be written: %s%s", kernel_setting_name(setting), value,
			  strerror(-r),
			  r == -EACCES || r == -EPERM || r == -EROFS
				  ? "; run this as root on the host itself, not in a container"
				  : "");
	}
	return false;
}

static void tell_change(enum kernel_setting setting, const char *from, const char *to)
{
	cleanup_free char *from_text = text_escape(from, strlen(from));
	cleanup_free char *to_text = text_escape(to, strlen(to));

	printf("%s: '%s', was '%s'\n", kernel_setting_name(setting), to_text ? to_text : "?",
	       from_text ? from_text : "?");
}

/*
 * Puts values ("": leave it) in the place of `now` (NULL: not known, so all are written, in
 * silence); goes on after a failure.  True: all are in force.
 */
static bool put_back(const struct kernel_access *access, const struct kernel_settings *values,
		     const struct kernel_settings *now)
{
	bool good = true;

	for (size_t i = 0; i < KERNEL_SETTING_COUNT; i++) {
		enum kernel_setting setting = put_back_order[i];
		const char *value = values->value[setting];
		char text[KERNEL_SETTING_SIZE] = "";
		const char *before = now ? now->value[setting] : text;
		bool known = now || kernel_setting_read(access, setting, text) == 0;

		if ((setting != KERNEL_CORE_PATTERN && *value == '\0') ||
		    (known && strcmp(value, before) == 0))
			continue;
		if (!write_or_tell(access, setting, value))
			good = false;
		else if (now)
			tell_change(setting, now->value[setting], value);
	}
	return good;
}

/* --- register --- */

/* True: what is in force in this setting is what we wrote, so what was before us is remembered. */
static bool setting_is_ours(const struct registration_view *view, enum kernel_setting setting)
{
	const char *now = view->now.value[setting];
	const char *written = view->state.written.value[setting];

	if (!view->remembered)
		return false;
	/* A line of ours that somebody edited is never what is to be put back. */
	if (setting == KERNEL_CORE_PATTERN && registration_line_is_coreferry(now))
		return true;
	if (view->rebooted && view->situation != REGISTRATION_IN_FORCE)
		return false;
	return *written && strcmp(now, written) == 0;
}

static void make_state(const struct registration_view *view,
		       const struct registration_request *request, struct registration_state *state)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*state = (struct registration_state){
		.time_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000,
	};
	memcpy(state->boot_id, view->boot_id, KERNEL_BOOT_ID_SIZE);
	for (int i = 0; i < KERNEL_SETTING_COUNT; i++) {
		enum kernel_setting setting = (enum kernel_setting)i;

		set_value(&state->previous, setting,
			  setting_is_ours(view, setting) ? view->state.previous.value[setting]
							 : view->now.value[setting]);
	}
	if (registration_line_is_coreferry(state->previous.value[KERNEL_CORE_PATTERN])) {
		/* Nobody knows what was before it, and it is not to be put back. */
		set_value(&state->previous, KERNEL_CORE_PATTERN, KERNEL_DEFAULT_PATTERN);
		set_value(&state->previous, KERNEL_PIPE_LIMIT, KERNEL_DEFAULT_PIPE_LIMIT);
	}
	set_value(&state->written, KERNEL_CORE_PATTERN, request->line);
	set_value(&state->written, KERNEL_PIPE_LIMIT, request->pipe_limit);
	if (request->suid_dumpable)
		set_value(&state->written, KERNEL_SUID_DUMPABLE, request->suid_dumpable);
	else if (setting_is_ours(view, KERNEL_SUID_DUMPABLE))
		set_value(&state->written, KERNEL_SUID_DUMPABLE,
			  view->state.written.value[KERNEL_SUID_DUMPABLE]);
}

/* Undoes a failed registration: the settings, then what was remembered. */
static void roll_back(const struct kernel_access *access, int dirfd,
		      const struct registration_view *view, const struct registration_state *state)
{
	struct kernel_settings values = view->now;

	if (state->written.value[KERNEL_SUID_DUMPABLE][0] == '\0')
		values.value[KERNEL_SUID_DUMPABLE][0] = '\0';
	if (!put_back(access, &values, NULL)) {
		log_error("what was there could NOT be put back whole; it stays remembered: run "
			  "`coreferry unregister --force`");
		return;
	}
	int r = view->remembered ? registration_state_save(dirfd, &view->state)
				 : registration_state_remove(dirfd);
	if (r < 0)
		log_error("the store's " REGISTRATION_STATE_NAME " cannot be put back: %s",
			  strerror(-r));
	log_error("the registration failed; what was there before is in force again");
}

static int refuse_to_register(const struct registration_view *view)
{
	if (view->damaged)
		log_error("the store's " REGISTRATION_STATE_NAME " is damaged: what was in force "
			  "before coreferry is not known; with --force it is forgotten");
	else
		log_error("core_pattern is '%s', a coreferry-helper that was not registered with "
			  "this store: unregister it with the store (--store) it was registered "
			  "with, or take it over with --force (unregister then writes '%s')",
			  view->now.value[KERNEL_CORE_PATTERN], KERNEL_DEFAULT_PATTERN);
	return EX_UNAVAILABLE;
}

static void tell_registered(const struct registration_view *view,
			    const struct registration_state *state)
{
	const char *before = view->now.value[KERNEL_CORE_PATTERN];

	for (int i = 0; i < KERNEL_SETTING_COUNT; i++) {
		const char *value = state->written.value[i];

		if (*value && strcmp(value, view->now.value[i]) != 0)
			tell_change((enum kernel_setting)i, view->now.value[i], value);
	}
	if (registration_line_is_handler(before) && !registration_line_is_coreferry(before)) {
		cleanup_free char *text = text_escape(before, strlen(before));

		printf("replaced another handler of cores: '%s'; `coreferry unregister` puts it "
		       "back\n",
		       text ? text : "?");
	}
	puts(view->situation == REGISTRATION_IN_FORCE ? "registered again" : "registered");
}

/*
 * Remembers what is in force in the store's dirfd, then writes the pipe limit, suid_dumpable and
 * the line, and reads each back; after a failure what was there is put back.  Registering again
 * keeps what was remembered first, as far as ours is still in force.  Tells the operator; returns a
 * sysexits(3) code: EX_UNAVAILABLE: refused without `force`; EX_OSERR, EX_NOPERM, EX_IOERR.
 */
int registration_register(const struct kernel_access *access, int dirfd,
			  const struct registration_request *request)
{
	struct registration_view view;
	struct registration_state state;
	int code = look_or_tell(access, dirfd, &view);

	if (code != EX_OK)
		return code;
	if ((view.damaged || view.situation == REGISTRATION_FORGOTTEN) && !request->force)
		return refuse_to_register(&view);

	make_state(&view, request, &state);
	int r = registration_state_save(dirfd, &state);
	if (r < 0) {
		log_error("the store's " REGISTRATION_STATE_NAME
			  " cannot be written, so nothing was changed: %s",
			  strerror(-r));
		return EX_IOERR;
	}
	for (int i = 0; i < KERNEL_SETTING_COUNT; i++) {
		const char *value = state.written.value[i];

		if (*value && !write_or_tell(access, (enum kernel_setting)i, value)) {
			roll_back(access, dirfd, &view, &state);
			return EX_OSERR;
		}
	}
	tell_registered(&view, &state);
	return EX_OK;
}

/* --- unregister --- */

static int nothing_to_undo(const struct registration_view *view, int dirfd, bool force)
{
	const char *pattern = view->now.value[KERNEL_CORE_PATTERN];
	cleanup_free char *text = text_escape(pattern, strlen(pattern));

	if (view->damaged && !force) {
		log_error("the store's " REGISTRATION_STATE_NAME " is damaged; core_pattern is not "
			  "coreferry's, so nothing needs to be put back: --force removes the file");
		return EX_DATAERR;
	}
	int r = view->damaged ? registration_state_remove(dirfd) : 0;
	if (r < 0) {
		log_error("the store's " REGISTRATION_STATE_NAME " cannot be removed: %s",
			  strerror(-r));
		return EX_IOERR;
	}
	printf("not registered: core_pattern is '%s', nothing to put back\n", text ? text : "?");
	return EX_OK;
}

/* True: these values may be written; else the reason was told. */
static bool may_put_back(const struct registration_view *view, bool force)
{
	const char *now = view->now.value[KERNEL_CORE_PATTERN];

	if (force)
		return true;
	if (view->situation == REGISTRATION_FORGOTTEN)
		log_error(
			"core_pattern is '%s', but what was there before it is not remembered in "
			"this store%s: name the store with --store, or write the kernel's default "
			"('%s', core_pipe_limit %s) with --force",
			now, view->damaged ? " (" REGISTRATION_STATE_NAME " is damaged)" : "",
			KERNEL_DEFAULT_PATTERN, KERNEL_DEFAULT_PIPE_LIMIT);
	else if (view->situation == REGISTRATION_CHANGED)
		log_error("core_pattern is '%s' and not '%s', which we wrote: somebody else has "
			  "changed it, so it is left alone; --force puts back '%s'",
			  now, view->state.written.value[KERNEL_CORE_PATTERN],
			  view->state.previous.value[KERNEL_CORE_PATTERN]);
	else
		return true;
	return false;
}

static void tell_situation(const struct registration_view *view)
{
	if (view->rebooted)
		printf("there was a reboot since coreferry was registered; core_pattern %s\n",
		       view->situation == REGISTRATION_IN_FORCE ? "is ours again"
								: "is not ours any more");
	else if (view->situation == REGISTRATION_UNDONE)
		printf("core_pattern is what it was before coreferry already\n");
}

/*
 * Puts back exactly what was there, and forgets it.  dirfd: the store's, or -1: there is none.
 * What somebody else has written in this boot is left alone without `force`.  Tells the operator;
 * returns a sysexits(3) code: EX_UNAVAILABLE: left alone; EX_DATAERR: registration.json is damaged;
 * EX_OSERR: not all could be put back, and it stays remembered; EX_NOPERM, EX_IOERR.
 */
int registration_unregister(const struct kernel_access *access, int dirfd, bool force)
{
	struct registration_view view;
	struct kernel_settings values = { 0 };
	int code = look_or_tell(access, dirfd, &view);

	if (code != EX_OK)
		return code;
	if (view.situation == REGISTRATION_NONE)
		return nothing_to_undo(&view, dirfd, force);
	if (!may_put_back(&view, force))
		return EX_UNAVAILABLE;
	tell_situation(&view);

	if (view.remembered) {
		values = view.state.previous;
		if (view.state.written.value[KERNEL_SUID_DUMPABLE][0] == '\0')
			values.value[KERNEL_SUID_DUMPABLE][0] = '\0';
	} else {
		set_value(&values, KERNEL_CORE_PATTERN, KERNEL_DEFAULT_PATTERN);
		set_value(&values, KERNEL_PIPE_LIMIT, KERNEL_DEFAULT_PIPE_LIMIT);
	}
	if (!put_back(access, &values, &view.now)) {
		log_error("not all could be put back; it stays remembered");
		return EX_OSERR;
	}
	int r = dirfd < 0 ? 0 : registration_state_remove(dirfd);
	if (r < 0) {
		log_error(
			"what was there is in force again, but the store's " REGISTRATION_STATE_NAME
			" cannot be removed: %s",
			strerror(-r));
		return EX_IOERR;
	}
	printf("unregistered\n");
	return EX_OK;
}
