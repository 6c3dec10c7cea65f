#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Who crashed: a pid that is another process's by now, programs that have more rights than their user, handlers that crash
# themselves. What is in doubt is root's alone; and next to each refusal the case that is granted.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	load push
	cf_up
	install -m 0755 "$BUILD/tests/witness-static" "$T/tests/witness"
	receiver_up 127.0.0.1
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	load push
	cf_config
	cf_default_pattern
	forget_crashes
	rm -rf "$T"/received/2*
}
teardown() { [[ -z ${SERVER:-} ]] || kill "$SERVER" 2>/dev/null || true; }

received() { find "$T/received" -mindepth 1 -maxdepth 1 -name '2*' | wc -l; }

# In a pid namespace of its own, where nobody else takes pids: a process ends, and a newcomer of uid 1000 gets its pid. The
# newcomer says where its core is to go. "dumping": it crashes as well, and is held. Then the helper is started, as for the
# process that has gone, with these arguments; PID stands for the pid, OLD and NEW for a descriptor of the one or the other.
replaced() {
	cat >"$T/replaced.py" <<-'END'
		import os, subprocess, sys, time
		helper, witness, core, mode, *arguments = sys.argv[1:]
		old = subprocess.Popen(["sleep", "60"])
		pid, old_fd = old.pid, os.pidfd_open(old.pid)
		old.kill(); old.wait()
		open("/proc/sys/kernel/ns_last_pid", "w").write(str(pid - 1))
		new = subprocess.Popen([witness, "crash"] if mode == "dumping" else ["sleep", "60"], user=1000, group=1000,
		    extra_groups=[], stdout=subprocess.DEVNULL, env={"COREFERRY_URL": "http://127.0.0.1:28043/stolen"})
		assert new.pid == pid, f"{new.pid} is not {pid}"
		new_fd = os.pidfd_open(pid)
		end = time.time() + 5
		want = "CoreDumping:\t%d" % (mode == "dumping")
		while want not in open(f"/proc/{pid}/status").read() and time.time() < end: time.sleep(0.01)
		assert want in open(f"/proc/{pid}/status").read(), "not as it should be"
		words = [a.replace("PID", str(pid)).replace("OLD", str(old_fd)).replace("NEW", str(new_fd)) for a in arguments]
		status = subprocess.run([helper, *words], stdin=open(core), pass_fds=[old_fd, new_fd]).returncode
		print("helper:", status)
		new.kill()
	END
	# Whoever crashes in there is held, and not taken.
	kernel_settings_set core_pattern '|/bin/sleep 2'
	unshare -pf --mount-proc --kill-child python3 "$T/replaced.py" "$T/bin/coreferry-helper" "$T/tests/witness" "$T/someone" "$@" 3>&- 2>&1
	wait_quiet
}

# a_core: of a process that nobody in here should get.
a_core() {
	COREFERRY_URL='' crash "$T/tests/crasher-static" --heap 1
	wait_quiet
	cf dump last --force -o "$T/someone"
	forget_crashes
}

@test "identity: the pid is another process's by now: nothing is delivered to the newcomer" {
	a_core
	# What is granted: the very process that the kernel means.
	replaced dumping -C "$T/conf" -d1 -FNEW PID 1000 1000
	is "delivered: its own" "$(field .delegation.status) $(received)" "done 1"
	rm -rf "$T"/received/2*
	for arguments in '-d1 -FOLD PID 1000 1000' '-d1 -FOLD PID 0 0' '-d1 PID 0 0' '-d2 -FNEW PID 1000 1000' '-d1 PID 1000 0'; do
		forget_crashes
		# shellcheck disable=SC2086
		replaced dumping -C "$T/conf" $arguments
		is "delivered ($arguments)" "$(received)" 0
		[[ $arguments == *OLD* ]] || is "root_only ($arguments)" "$(field .root_only)" true
	done
	for arguments in '-d1 -FOLD PID 1000 1000' '-d1 -FNEW PID 1000 1000' 'PID 1000 1000'; do
		forget_crashes
		# shellcheck disable=SC2086
		replaced sleeping -C "$T/conf" $arguments
		is "delivered ($arguments)" "$(received)" 0
		[[ $arguments == *OLD* ]] || is "root_only ($arguments)" "$(field .root_only)" true
	done
}

# replaced_midway UID ARGS...: at each step of the helper up to the release, and some after it; sixteen at a time
# (replaced-midway.py).
replaced_midway() {
	local user=$1 first started=()
	shift
	kernel_settings_set core_pattern '|/bin/sleep 5'
	for first in {1..16}; do
		unshare -pf --mount-proc --kill-child python3 "$BATS_TEST_DIRNAME/replaced-midway.py" "$first" 16 64 "$T/bin/coreferry-helper" \
			"$T/tests/witness" "$T/tests/newcomer" "$T/someone" "$user" -C "$T/conf" "$@" >"$T/midway.$first" 2>&1 3>&- &
		started+=("$!")
	done
	for first in "${started[@]}"; do
		wait "$first" || { cat "$T"/midway.* && return 1; }
	done
	wait_quiet
	sort -n "$T"/midway.* >"$T/midway"
}

@test "identity: the victim is replaced between two steps of the helper, at each of them: the newcomer gets nothing" {
	a_core
	install -m 0755 "$BUILD/tests/witness-static" "$T/tests/newcomer"
	# With the kernel's pidfd the newcomer may have the same user; where the kernel has none, that one is not told apart.
	for arguments in '1000 -d1 -FFD PID 1000 1000' '2000 -d1 PID 1000 1000'; do
		forget_crashes
		: >"$T/receiver.log"
		# shellcheck disable=SC2086
		replaced_midway $arguments
		steps=$(grep -c 'replaced.*DELAYED' "$T/midway")
		echo "# $arguments: replaced at $steps steps; crashes: $(crash_count), delivered: $(received)"
		((steps > 50))
		grep -q 'replaced openat([0-9]*, "status"' "$T/midway"
		is "requests of the newcomer" "$(grep -c /stolen/ "$T/receiver.log")" 0
		# What the record says is the victim's, or nothing.
		for id in $(crash_ids); do
			exe=$(field '.exe // ""' "$T/store/crashes/$id")
			[[ $exe == "" || $exe == "$T/tests/witness" || $(field .root_only "$T/store/crashes/$id") == true ]]
		done
	done
}

# server_up: answers a pull from anybody on 127.0.0.1:28042.
server_up() {
	cf_config 'pull_match = osmo-*' 'pull_window = 60s' 'listen = 127.0.0.1:28042' 'scope = any' "$@"
	mkdir -p "$T/store/crashes"
	chgrp 61190 "$T/store/crashes"
	spawn "$T/server.log" "$T/bin/coreferryd" --store "$T/store" --config "$T/conf" --user 61190:61190
	SERVER=$SPAWNED_PID
	wait_port 127.0.0.1 28042
}

pulled() { curl -s -m 10 -o "$T/pulled" -D "$T/headers" -w '%{http_code}' http://127.0.0.1:28042/core; }

missing() { if [[ -e $1 ]]; then echo false; else echo true; fi; }

user_runs() { COREFERRY_URL=http://127.0.0.1:28043/x setpriv --reuid 1000 --regid 1000 --clear-groups "$@" 3>&- || true; }

@test "identity: set-uid and file-capability programs: not pulled, not taken by a delegate, no file in /tmp; ordinary ones are" {
	rm -rf "$T/store"
	server_up 'fallback_core = yes' 'push = no'
	for program in plain suid filecap; do
		install -m 0755 "$T/tests/crasher-static" "$T/tests/osmo-$program"
	done
	chmod u+s "$T/tests/osmo-suid"
	setcap cap_net_raw+ep "$T/tests/osmo-filecap"
	mkdir -m 1777 "$T/out"
	printf '#!/bin/sh\ncat >%s/out/taken\n' "$T" >"$T/tests/take"
	chmod 0755 "$T/tests/take"
	for dumpable in 1 2; do
		kernel_settings_set suid_dumpable "$dumpable"
		for program in plain suid filecap; do
			refused=true answer=404
			[[ $program != plain ]] || refused=false answer=200
			forget_crashes
			cf_default_pattern
			user_runs "$T/tests/osmo-$program"
			wait_quiet
			file=/tmp/core.$(field .pid).1000.1000
			is "root_only ($dumpable, $program)" "$(field .root_only)" "$refused"
			is "pulled ($dumpable, $program)" "$(pulled)" "$answer"
			is "kept out of /tmp ($dumpable, $program)" "$(missing "$file")" "$refused"
			rm -f "$file" "$T/out/taken"
			forget_crashes
			cf_pattern "%P %u %g $T/tests/take"
			user_runs "$T/tests/osmo-$program"
			wait_quiet
			is "kept from the delegate ($dumpable, $program)" "$(missing "$T/out/taken")" "$refused"
		done
	done
	kernel_settings_set suid_dumpable 0
}

@test "identity: a program whose name has a line's end and a header in it: one header, pulled and pushed" {
	rm -rf "$T/store"
	server_up
	name=$'osmo-x\r\nX-Evil: 1'
	install -m 0755 "$T/tests/crasher-static" "$T/tests/$name"
	user_runs "$T/tests/$name"
	wait_quiet
	is delegation "$(field .delegation.status)" "done"
	is pulled "$(pulled)" 200
	is "digest" "$(sha "$T/pulled")" "$(field .core.raw_sha256)"
	grep -qx "X-Executable-Path: $T/tests/osmo-x%0d%0aX-Evil:%201"$'\r' "$T/headers"
	run ! grep -ai '^X-Evil' "$T/headers"
	is "exe at the receiver" "$(jq -r .exe "$T/received/$(basename "$(newest)")/crash.json")" "$(field .exe)"
}

@test "identity: readers while 100 crashes are captured: what is shown is whole" {
	cf_config 'push = no'
	cat >"$T/reader.py" <<-'END'
		# Until it is told to stop: each crash that is shown has a record, and the core that the record names.
		import json, os, sys
		crashes, stop = sys.argv[1:]
		rounds, counts = 0, set()
		last = False
		while not last:
		    last = os.path.exists(stop)
		    rounds += 1
		    names = [name for name in os.listdir(crashes) if not name.startswith(".")]
		    counts.add(len(names))
		    open(stop + ".ready", "w").close()
		    for name in names:
		        for attempt in range(3):  # core makes way for core.zst, and the record for a newer one
		            record = json.load(open(f"{crashes}/{name}/crash.json"))
		            assert record["id"] == name and record["outcome"] == "stored", record
		            try:
		                size = os.stat(f"{crashes}/{name}/{record['core']['file']}").st_size
		                break
		            except FileNotFoundError:
		                assert attempt < 2, record
		        assert size > 1000, (name, size)
		print(len(counts), "numbers of crashes in", rounds, "rounds")
	END
	mkdir -p "$T/store/crashes"
	rm -f "$T/stop"
	python3 "$T/reader.py" "$T/store/crashes" "$T/stop" >"$T/reader.log" 2>&1 3>&- &
	reader=$!
	wait_until 10 test -e "$T/stop.ready"
	for ((i = 0; i < 100; i++)); do
		"$T/tests/crasher-static" --heap 1 2>/dev/null 3>&- || true
	done
	wait_quiet
	touch "$T/stop"
	wait "$reader" || { cat "$T/reader.log" && return 1; }
	echo "# $(<"$T/reader.log")"
	is count "$(crash_count)" 100
	(($(cut -d' ' -f1 "$T/reader.log") > 20)) # it has looked meanwhile
}

# The processes that a helper of ours has started, by their parent.
agents() { pgrep -f "^$T/bin/coreferry-helper" | xargs -r -I{} pgrep -P {} || true; }
agent_waits() { [[ $(agents | xargs -r -I{} cat /proc/{}/cmdline | tr '\0' ' ') == *--enter* ]]; }

@test "identity: the agent, the helper and the server crash: no handler is started for a handler" {
	rm -rf "$T/store"
	server_up
	spawn "$T/hang.log" python3 -c "
import socket
s = socket.create_server(('127.0.0.1', 28047)); c = []
while True: c.append(s.accept())"
	wait_port 127.0.0.1 28047
	for who in agent helper; do
		forget_crashes
		COREFERRY_URL=http://127.0.0.1:28047/x "$T/tests/crasher-static" 2>/dev/null 3>&- || true
		wait_until 10 agent_waits
		helper=$(pgrep -f "^$T/bin/coreferry-helper" | head -n 1)
		mine=$(agents)
		if [[ $who == agent ]]; then
			kill -SEGV "$mine"
			wait_quiet
			is signal "$(field .delegation.term_signal)" 11
		else
			kill -SEGV "$helper"
			wait_quiet
			kill -KILL "$mine" # it would wait for its endpoint
		fi
		is "crashes ($who)" "$(crash_count)" 1
	done
	forget_crashes
	kill -SEGV "$SERVER"
	wait_until 10 process_ended "$SERVER"
	wait_quiet
	crash "$T/tests/crasher-static"
	wait_quiet
	# The server is not dumpable: of it there is none.
	is "crashes (server)" "$(crash_count)" 1
	is "the crash after it" "$(field .comm)" crasher-static
}
