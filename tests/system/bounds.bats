#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a delegate may not do, whatever it tries: outlive its time, hold up the helper, fill the record, or reach anybody
# but its own. Afterwards nothing is left of it, the record tells what happened, and the next crash is delivered.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up
	docker_up
	DEMO=$(docker_image_demo demo)
	export DEMO
	mkdir -m 0755 "$T/opt"
	install -m 0755 "$BATS_TEST_DIRNAME/evil-delegate.py" "$T/opt/evil"
	printf '#!/bin/sh\nsha256sum\n' >"$T/opt/good"
	chmod 0755 "$T/opt/good"
	lxc_create cfbounds --idmap "lxc.mount.entry = $T/tests opt/t none bind,ro,create=dir 0 0" \
		"lxc.mount.entry = $T/opt opt/cf none bind,ro,create=dir 0 0"
	lxc_start cfbounds
	docker_start box -v "$T/tests:/t:ro" -v "$T/opt:/opt/cf:ro" "$DEMO" sleep 1000
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config 'push_timeout = 2s' 'slots = 1'
	forget_crashes
}

# delegated WAY [CRASHER OPTION]...: a crash in the container, with the evil delegate; $SECONDS counts from there.
delegated() {
	MARK=cf$RANDOM$RANDOM
	cf_pattern "%P %u %g /opt/cf/evil $MARK $1"
	SECONDS=0
	docker_exec box --uid "${VICTIM_UID:-0}" /t/crasher-static "${@:2}" || true
	wait_quiet
	echo "$1: $SECONDS s: $(field .delegation.status) $(field .delegation.reason)"
}

left_behind() { pgrep -af -- "$MARK" || true; }

# nothing_left: of the delegate; no slot and no lock is taken; and the next crash of the container is delivered.
nothing_left() {
	local file
	is "left behind" "$(left_behind)" ""
	for file in "$T/store/slots/"* "$(newest)"; do
		flock -n "$file" true || {
			echo "locked: $file"
			return 1
		}
	done
	check_core || return 1
	forget_crashes
	cf_pattern '%P %u %g /opt/cf/good'
	docker_exec box --uid 1000 /t/crasher-static --heap 3 || true
	wait_quiet
	is "next one" "$(field .delegation.output)" "$(field .core.raw_sha256)  -"
}

timed_out() {
	is status "$(field .delegation.status)" failed &&
		is reason "$(field .delegation.reason)" "ended by coreferry: push_timeout is over"
}

@test "bounds: a daemon (fork, setsid, fork, everything closed): gone with the program that started it" {
	for VICTIM_UID in 0 1000; do
		delegated daemon
		is status "$(field .delegation.status)" "done"
		((SECONDS < 5))
		nothing_left
	done
}

@test "bounds: 500 children that refuse every signal, each with a session of its own" {
	delegated children
	timed_out
	is output "$(field .delegation.output)" "500 children"
	((SECONDS < 12))
	nothing_left
}

@test "bounds: children that are never there when they are looked for" {
	delegated daemons
	timed_out
	nothing_left
}

@test "bounds: SIGTERM refused; stopped; traced; another process group" {
	for way in term stop trace group; do
		delegated "$way"
		timed_out
		# 2 s, and 2 s to end by itself.
		((SECONDS >= 4 && SECONDS < 10))
		[[ $way != trace ]] || is output "$(field .delegation.output)" 'tracing\x0ainit: -1'
		nothing_left
	done
}

@test "bounds: 1 GiB of output: 64 KiB of it in the record, escaped" {
	cf_config 'push_timeout = 60s' 'slots = 1'
	delegated flood
	is status "$(field .delegation.status)" "done"
	[[ $(field .delegation.output) == '\x1b[2Jflood'* ]]
	# 65,536 bytes, of which two are escaped: the first one, and the newline.
	(($(field .delegation.output | wc -c) <= 65536 + 1 + 2 * 3))
	(($(field .delegation.output | wc -c) >= 65536))
	run ! grep -q $'\x1b' "$(newest)/crash.json"
	nothing_left
}

@test "bounds: stdin never read, closed at once, read in part" {
	delegated noread --heap 50
	timed_out
	nothing_left
	delegated close --heap 50
	is status "$(field .delegation.status)" "done"
	is output "$(field .delegation.output)" "closed and lived on"
	nothing_left
	delegated half --heap 50
	is status "$(field .delegation.status)" "done"
	is output "$(field .delegation.output)" 4096
	nothing_left
}

@test "bounds: the core is unpacked by a process with a user of its own; if that is ended, a part of a core is not called done" {
	delegated slow --heap 50
	is status "$(field .delegation.status)" "done"
	is output "$(field .delegation.output)" 'begun\x0aTrue'
	nothing_left

	MARK=cf$RANDOM$RANDOM
	cf_pattern "%P %u %g /opt/cf/evil $MARK slow"
	(docker_exec box /t/crasher-static --heap 50 || true) &
	wait_until 10 unpacker
	kill -KILL "$(unpacker)"
	wait_quiet
	is status "$(field .delegation.status)" failed
	is reason "$(field .delegation.reason)" "the core could not be unpacked: the process that did it was ended"
	is output "$(field .delegation.output)" 'begun\x0aFalse'
	nothing_left
}
# While the delegate runs, the only process of the helper's that has a user of its own.
unpacker() {
	local pid
	left_behind | grep -q python3 || return 1
	for pid in $(pgrep -f "^$T/bin/coreferry-helper"); do
		if [[ $(awk '/^Uid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null) == $((0x7fb00000 + pid)) ]]; then
			echo "$pid"
			return 0
		fi
	done
	return 1
}

@test "bounds: of the helper, what unpacks is called by the confined process's code alone" {
	local file calls=()
	for file in "$BUILD"/host-helper/helper/*.o "$BUILD"/common/*.o; do
		! nm -u "$file" | grep -qE ' (seekable_reader_|ZSTD_(d|DCtx|createD|freeD|initD))' || calls+=("$(basename "$file")")
	done
	is "who calls it" "$(printf '%s\n' "${calls[@]}" | sort | xargs)" "capture-jobs.o capture-unpack.o core-reader.o seekable-reader.o"
	# core-reader is the other programs': the helper is linked without it. And these two call nothing but jobs.
	run ! grep -q core-reader <(make -s --no-print-directory -C "$TOP" -pn BUILD="$BUILD" all 2>/dev/null | grep '^helper_OBJS')
	is "who calls capture-jobs" "$(cd "$TOP/host-helper/helper" && grep -lE 'capture_(job_run|unpack|measure)\(' ./*.c | xargs)" \
		"./capture-jobs.c ./capture-unpack.c ./confined.c"
}

@test "bounds: the pipe to the record stays open in a child: nobody waits for that" {
	delegated pipe
	is status "$(field .delegation.status)" "done"
	is output "$(field .delegation.output)" "left behind"
	((SECONDS < 5))
	nothing_left
}

@test "bounds: kills its init, its parent, all: only itself" {
	for VICTIM_UID in 0 1000; do
		delegated parent
		is status "$(field .delegation.status)" failed
		is signal "$(field .delegation.term_signal)" 9
		[[ $(field .delegation.output) == 'parent: 0 self: True'*'still there' ]]
		((SECONDS < 5))
		nothing_left
	done
}

@test "bounds: the helper is killed: the delegate and what it started end with it" {
	cf_config 'push_timeout = 60s'
	MARK=cf$RANDOM$RANDOM
	cf_pattern "%P %u %g /opt/cf/evil $MARK children"
	docker_exec box --uid 1000 /t/crasher-static || true
	wait_until 20 enough_children
	pkill -KILL -f "^$T/bin/coreferry-helper"
	wait_until 5 no_one_left
	wait_until 5 nobody_in_box
	nothing_left
}
enough_children() { (($(left_behind | wc -l) > 400)); }
nobody_in_box() { ! docker_exec box pgrep -a coreferry; }
no_one_left() { [[ -z $(left_behind) ]]; }

@test "bounds: in a user namespace; a process of the host; a container with the host's pids" {
	HOST=$(session_temp_dir /tmp/cf.XXXXXX 0755) # the line has 127 characters
	install -m 0755 "$T/opt/evil" "$HOST/e"
	docker_start hostpids --pid host -v "$T/tests:/t:ro" -v "$T/opt:/opt/cf:ro" "$DEMO" sleep 1000
	for where in lxc host hostpids; do
		for way in daemon group parent; do
			MARK=cf$RANDOM$RANDOM
			forget_crashes
			case $where in
			lxc)
				cf_pattern "%P %u %g /opt/cf/evil $MARK $way"
				lxc_exec cfbounds --uid 1000 /opt/t/crasher-static || true
				;;
			host)
				cf_pattern "%P %u %g $HOST/e $MARK $way"
				crash "$T/tests/crasher-static" --setuid 1000 --setgid 1000
				;;
			hostpids)
				cf_pattern "%P %u %g /opt/cf/evil $MARK $way"
				docker_exec hostpids --uid 1000 /t/crasher-static || true
				;;
			esac
			wait_quiet
			echo "$where, $way: $(field .delegation)"
			is "left behind" "$(left_behind)" ""
			case $way in
			daemon) is status "$(field .delegation.status)" "done" ;;
			group) timed_out ;;
			parent)
				is signal "$(field .delegation.term_signal)" 9
				[[ $(field .delegation.output) == 'parent: 0 self: True'*'still there' ]]
				;;
			esac
		done
	done
	docker_destroy hostpids
}

@test "bounds: what the container sees of the helper is locked, or has the victim's rights" {
	cat >"$T/opt/watch" <<-'END'
		#!/usr/bin/env python3
		# Every process of the helper's that shows up here: its capabilities, and whether there is a filter.
		import os
		print("ready", flush=True)
		while True:
		    for p in os.listdir("/proc"):
		        if not p.isdigit():
		            continue
		        try:
		            if "coreferry" not in os.readlink(f"/proc/{p}/exe"):
		                continue
		            lines = open(f"/proc/{p}/status").read().splitlines()
		            status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
		            fds = len(os.listdir(f"/proc/{p}/fd"))
		            print(status["CapPrm"], status["CapBnd"], status["Seccomp"], fds, flush=True)
		        except OSError:
		            pass
	END
	chmod 0755 "$T/opt/watch"
	docker_start watcher --cap-add SYS_PTRACE --security-opt seccomp=unconfined -v "$T/tests:/t:ro" -v "$T/opt:/opt/cf:ro" "$DEMO" sleep 1000
	docker_spawn watcher "$T/watch.log" /opt/cf/watch
	wait_until 10 grep -q ready "$T/watch.log"
	cf_pattern '%P %u %g /opt/cf/good'
	for ((i = 0; i < 30; i++)); do
		docker_exec watcher --uid 1000 /t/crasher-static || true
	done
	wait_quiet
	docker_destroy watcher
	sort "$T/watch.log" | uniq -c
	# Nothing, under a filter: the init. CAP_SYS_ADMIN, under a filter: the one that makes the namespace, for a moment.
	# Without a filter: what becomes the program, which has uid 1000, and so no capability.
	(($(grep -c '^0000000000000000 0000000000000000 2 [01]$' "$T/watch.log") > 0))
	run ! grep -vE '^(ready|0000000000(00|20)0000 0000000000000000 2 [01]|0000000000000000 [0-9a-f]{16} 0 .*)$' "$T/watch.log"
}
