#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Osmocom testenv's way: daemons in an LXC, whose cores are pushed to a receiver in there, or pulled from the host.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up
	for name in cfa cfb; do
		lxc_create "$name" "lxc.mount.entry = $T/tests opt/t none bind,ro,create=dir 0 0" \
			"lxc.mount.entry = $T/bin opt/coreferry none bind,ro,create=dir 0 0"
		lxc_start "$name"
	done
	install -m 0755 "$BUILD/tests/crasher" "$T/tests/osmo-bsc"
	install -m 0755 "$BUILD/tests/crasher" "$T/tests/open5gs-mmed"
	lxc_exec cfa mkdir -p /var/tmp/cores
	lxc_exec cfa chown 1000:1000 /var/tmp/cores
	lxc_spawn cfa "$T/receiver.log" /opt/coreferry/coreferryd --receive /var/tmp/cores --listen 127.0.0.1:8043 --user 1000:1000
	BRIDGE=$(lxc_bridge_address)
	export BRIDGE
	mkdir -p "$T/store/crashes"
	chgrp 61190 "$T/store/crashes"
	# Where testenv looks for it: port 8042 of lxcbr0, without being told.
	spawn "$T/pull.log" "$T/bin/coreferryd" --store "$T/store" --config "$T/conf" --user 61190:61190
	wait_port "$BRIDGE" 8042
	wait_until 10 lxc_exec cfa bash -c ': </dev/tcp/127.0.0.1/8043' 2>/dev/null
	# The client, as testenv has it: urllib, no timeout, the header looked up by exactly this name.
	cat >"$T/tests/pull.py" <<-'END'
		import sys, urllib.request, urllib.error
		try:
		    with urllib.request.urlopen(f"http://{sys.argv[1]}:8042/core") as r:
		        print(r.status, dict(r.headers.items())["X-Executable-Path"])
		        open(sys.argv[2], "wb").write(r.read())
		except urllib.error.HTTPError as e:
		    print(e.code, "none" if e.code == 404 else "error")
	END
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config
	cf_default_pattern
	forget_crashes
}

pull() { lxc_exec cfa --uid 1000 python3 /opt/t/pull.py "$BRIDGE" "$1"; }

@test "lxc: uid 0 and 1000, static and dynamic, threads, 0 and 200 MiB: pushed to the receiver inside" {
	for arguments in 'crasher' 'crasher-static --heap 3' 'crasher --threads 4 --crash thread' \
		'crasher --threads 3 --crash leader-exited' 'crasher --heap 200'; do
		for uid in 0 1000; do
			[[ $uid$arguments != '0crasher --heap 200' ]] || continue
			forget_crashes
			# shellcheck disable=SC2086
			lxc_exec cfa --uid "$uid" --env COREFERRY_URL=http://127.0.0.1:8043/ /opt/t/$arguments || true
			wait_quiet
			check_core
			is uid "$(field .uid)" "$uid"
			is runtime "$(field .container.runtime)" lxc
			is name "$(field .container.name)" cfa
			is hostname "$(field .hostname)" cfa
			is delegation "$(field .delegation.status)" "done"
			id=$(basename "$(newest)")
			is digest "$(lxc_exec cfa sha256sum "/var/tmp/cores/$id/core" | cut -d' ' -f1)" "$(field .core.raw_sha256)"
			is exe "$(lxc_exec cfa cat "/var/tmp/cores/$id/crash.json" | jq -r .exe)" "$(field .exe)"
			is container "$(lxc_exec cfa cat "/var/tmp/cores/$id/crash.json" | jq -r .container.name)" cfa
		done
	done
}

@test "lxc: pull as testenv does: osmo-* and open5gs-*, the newest, within the window" {
	for program in osmo-bsc open5gs-mmed; do
		forget_crashes
		is "nothing yet" "$(pull /var/tmp/none)" "404 none"
		lxc_exec cfa --uid 1000 "/opt/t/$program" --threads 3 --heap 30 || true
		is answer "$(pull /var/tmp/pulled)" "200 /opt/t/$program"
		wait_quiet
		is digest "$(lxc_exec cfa sha256sum /var/tmp/pulled | cut -d' ' -f1)" "$(field .core.raw_sha256)"
	done
	# Another program's crash does not hide it.
	lxc_exec cfa --uid 1000 /opt/t/crasher-static || true
	is answer "$(pull /var/tmp/pulled)" "200 /opt/t/open5gs-mmed"
	# When the window is over there is none.
	sleep 3.2
	is answer "$(pull /var/tmp/pulled)" "404 none"
}

@test "lxc: gdb inside the container, on the pulled core: all threads, the right signal" {
	lxc_exec cfa --uid 1000 /opt/t/osmo-bsc --threads 5 --crash thread --signal fpe || true
	is answer "$(pull /var/tmp/pulled)" "200 /opt/t/osmo-bsc"
	run lxc_exec cfa gdb -nx -batch -iex 'set debuginfod enabled off' -ex 'info threads' -ex 'thread apply all bt' /opt/t/osmo-bsc /var/tmp/pulled
	[[ $output == *"terminated with signal SIGFPE"* ]]
	wait_quiet
	is threads "$(grep -cE '^[* ] +[0-9]+ +(Thread|LWP)' <<<"$output")" "$(awk '/^Threads:/ { print $2 }' "$(newest)/status")"
	[[ $output == *worker_waits* ]]
}

@test "lxc: pull: ranges of paths, methods, a core that is root's alone, one that is captured just now" {
	is 404 "$(curl -s -o /dev/null -w '%{http_code}' "http://$BRIDGE:8042/")" 404
	is 404 "$(curl -s -o /dev/null -w '%{http_code}' "http://$BRIDGE:8042/core/../../etc/passwd" --path-as-is)" 404
	is 405 "$(curl -s -o /dev/null -w '%{http_code}' -X DELETE "http://$BRIDGE:8042/core")" 405

	kernel_settings_set suid_dumpable 2
	install -m 4755 "$BUILD/tests/crasher" "$T/tests/osmo-suid"
	lxc_exec cfa --uid 1000 /opt/t/osmo-suid || true
	wait_quiet
	kernel_settings_set suid_dumpable 0
	is root_only "$(field .root_only)" true
	is 404 "$(curl -s -o /dev/null -w '%{http_code}' "http://$BRIDGE:8042/core")" 404
	rm "$T/tests/osmo-suid"

	# Asked for while the dump goes on: waited for.
	forget_crashes
	lxc_spawn cfa "$T/spawned.log" --uid 1000 /opt/t/osmo-bsc --heap 300 --random
	wait_until 10 compgen -G "$T/store/crashes/.*.partial/crash.json" >/dev/null
	is answer "$(pull /var/tmp/pulled)" "200 /opt/t/osmo-bsc"
	wait_quiet
	is digest "$(lxc_exec cfa sha256sum /var/tmp/pulled | cut -d' ' -f1)" "$(field .core.raw_sha256)"
}

@test "lxc: a container in a user namespace (idmap): its own ids, and the core arrives" {
	lxc_create cfm --idmap "lxc.mount.entry = $T/tests opt/t none bind,ro,create=dir 0 0" \
		"lxc.mount.entry = $T/bin opt/coreferry none bind,ro,create=dir 0 0"
	lxc_start cfm
	lxc_exec cfm mkdir -p /var/tmp/cores
	lxc_exec cfm chown 1000:1000 /var/tmp/cores
	lxc_spawn cfm "$T/receiver-m.log" /opt/coreferry/coreferryd --receive /var/tmp/cores --listen 127.0.0.1:8043 --user 1000:1000
	wait_until 10 lxc_exec cfm bash -c ': </dev/tcp/127.0.0.1/8043' 2>/dev/null
	for uid in 0 1000; do
		forget_crashes
		lxc_exec cfm --uid "$uid" --env COREFERRY_URL=http://127.0.0.1:8043/ /opt/t/crasher --heap 2 || true
		wait_quiet
		check_core
		(($(field .uid) >= 100000))
		is delegation "$(field .delegation.status)" "done"
		is digest "$(lxc_exec cfm sha256sum "/var/tmp/cores/$(basename "$(newest)")/core" | cut -d' ' -f1)" "$(field .core.raw_sha256)"
	done
	# A delegate sees itself with the container's ids.
	kernel_settings_set core_pattern "|$T/bin/coreferry-helper -C $T/conf %P %u %g /bin/sh -c id"
	lxc_exec cfm --uid 1000 /opt/t/crasher || true
	wait_quiet
	[[ $(field .delegation.output) == "uid=1000"*"gid=1000"* ]]
	lxc_destroy cfm
}
