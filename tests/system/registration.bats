#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# register and unregister with the real kernel; and the settings that come back whatever happens to a test.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	session_start --no-traps --owner "$$"
	T=$(session_temp_dir /var/lib/cf.XXXXXX 0711)
	export T
	mkdir -m 0755 "$T/bin" "$T/tests"
	install -m 0755 "$BUILD"/coreferry{-helper,-agent,-names,d,} "$T/bin"
	install -m 0755 "$BUILD"/tests/{crasher,crasher-static,reaper} "$T/tests"
	kernel_settings_save
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config 'push = no'
	kernel_settings_set core_pattern core
	kernel_settings_set core_pipe_limit 0
	kernel_settings_set suid_dumpable 0
	rm -rf "$T/store"
}

settings() { cat /proc/sys/kernel/core_pattern /proc/sys/kernel/core_pipe_limit /proc/sys/fs/suid_dumpable; }
register() { cf register --helper "$T/bin/coreferry-helper" --config "$T/conf" "$@"; }

@test "register and unregister: exactly what was there comes back" {
	for before in core '|/bin/false %P "x"' '/var/tmp/core.%e.%p'; do
		kernel_settings_set core_pattern "$before"
		kernel_settings_set core_pipe_limit 7
		kernel_settings_set suid_dumpable 1
		was=$(settings)
		run -0 register --suid-dumpable 2
		is pattern "$(</proc/sys/kernel/core_pattern)" "|$T/bin/coreferry-helper -C $T/conf -s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g"
		is limit "$(</proc/sys/kernel/core_pipe_limit)" 1024
		is suid "$(</proc/sys/fs/suid_dumpable)" 2
		run -0 register --suid-dumpable 2 # twice: what was first is remembered
		run -0 cf status
		crash "$T/tests/crasher"
		wait_quiet
		check_core
		run -0 cf unregister
		is settings "$(settings)" "$was"
	done
}

@test "register: with a delegate; the line of 127 characters is the longest" {
	run -0 register -- /up.sh %P
	is pattern "$(</proc/sys/kernel/core_pattern)" "|$T/bin/coreferry-helper -C $T/conf -s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g /up.sh %P"
	run -0 cf unregister
	run ! register -- /opt/bin/uploader.sh "$(printf 'x%.0s' {1..60})"
	[[ $output == *127* ]]
	is pattern "$(</proc/sys/kernel/core_pattern)" core
}

@test "register: what is not safe to register is refused, and says why" {
	chmod 0777 "$T/bin/coreferry-helper"
	run ! register
	chmod 0755 "$T/bin/coreferry-helper"
	[[ $output == *"$T/bin/coreferry-helper"* ]]
	run ! cf register --helper bin/coreferry-helper --config "$T/conf"
	run ! cf register --helper /nonexistent --config "$T/conf"
	install -m 0755 "$BUILD/coreferry-helper" "/tmp/cf-test-helper.$$"
	run ! cf register --helper "/tmp/cf-test-helper.$$" --config "$T/conf"
	rm "/tmp/cf-test-helper.$$"
	chmod 0666 "$T/conf"
	run ! register
	[[ $output == *"others can write it"* ]]
	cf_config 'storee = x'
	run ! register
	[[ $output == *"storee: unknown key"* ]]
	is pattern "$(</proc/sys/kernel/core_pattern)" core
}

@test "unregister: somebody else has changed it since; after a reboot in between" {
	run -0 register
	kernel_settings_set core_pattern '|/bin/true %p'
	run ! cf unregister
	[[ $output == *"/bin/true"* ]]
	is pattern "$(</proc/sys/kernel/core_pattern)" '|/bin/true %p'
	run -0 cf unregister --force
	is pattern "$(</proc/sys/kernel/core_pattern)" core

	run -0 register
	jq '.boot_id = "00000000-0000-4000-8000-000000000000"' "$T/store/registration.json" >"$T/new"
	cat "$T/new" >"$T/store/registration.json"
	run -0 cf unregister
	[[ $output == *reboot* ]]
	is pattern "$(</proc/sys/kernel/core_pattern)" core
	is limit "$(</proc/sys/kernel/core_pipe_limit)" 0
}

@test "status: not registered is told by its exit status too" {
	run ! cf status
	[[ $output == *"not registered"* || $output == *"no"* ]]
	run -0 register
	run -0 cf status
	# Without the program that reads names there are cores: a warning, and only where it is used.
	cf_config 'push = no' 'names = /nonexistent/names'
	run -0 cf status
	[[ $output == *"the reader of names: /nonexistent"* ]]
	cf_config 'push = no' 'names = /nonexistent/names' 'container_lookup_timeout = 0'
	run -0 cf status
	[[ $output != *"reader of names"* ]]
	cf_config 'push = no'
	run -0 cf status
	[[ $output != *"reader of names"* ]]
	kernel_settings_set core_pipe_limit 0
	run ! cf status
	run -0 cf unregister
}

# counters_file: as common/counters.c writes it on a little-endian machine; 25 counters, 16 buckets, the sum of times.
counters_file() {
	printf 'CFCOUNT\0\1\0\0\0\31\0\20\0'
	printf '\5\0\0\0\0\0\0\0' # seen
	printf '\3\0\0\0\0\0\0\0' # stored
	printf '\2\0\0\0\0\0\0\0' # truncated: the disk was full
	head -c $((22 * 8 + 16 * 8 + 8)) /dev/zero
}

@test "status: what was counted; a file of counters that is damaged is told of, and not read" {
	run -0 register
	run -0 cf status --json
	is "without counters" "$(jq .counters <<<"$output")" null
	counters_file >"$T/store/counters"
	chmod 0640 "$T/store/counters"
	run -0 cf status --json
	is seen "$(jq .counters.crashes_seen <<<"$output")" 5
	is truncated "$(jq .counters.cores_truncated.disk_full <<<"$output")" 2
	is "other keys" "$(jq -r '.counters.cores_refused.rlimit, (.counters.held.buckets | length)' <<<"$output" | paste -sd' ')" "0 16"
	run -0 cf status
	[[ $output == *"crashes so far:   5"*"truncated:      2 (disk_full 2)"* ]]
	printf x | dd of="$T/store/counters" bs=1 conv=notrunc status=none
	run -0 cf status --json
	is "damaged counters" "$(jq .counters <<<"$output")" null
	[[ $(jq -r '.warnings[]' <<<"$output") == *"counters is not ours, or damaged"* ]]
	run -0 cf unregister
}

@test "the guard: a test that is killed with SIGKILL leaves the kernel's settings as they were" {
	kernel_settings_restore # lets the inner run have the lock
	was=$(settings)
	cat >"$T/victim-test" <<-END
		#!/bin/bash
		unset COREFERRY_SESSION
		source $TOP/scripts/lib/kernel-settings.sh
		session_start
		kernel_settings_save
		kernel_settings_set core_pattern '|/bin/false'
		kernel_settings_set core_pipe_limit 3
		echo ready >$T/ready
		sleep 600
	END
	bash "$T/victim-test" 3>&- &
	wait_until 20 test -e "$T/ready"
	is pattern "$(</proc/sys/kernel/core_pattern)" '|/bin/false'
	kill -9 $!
	wait_until 20 settings_are "$was"
	pkill -f 'sleep 600' || true
	kernel_settings_save
}
settings_are() { [[ $(settings) == "$1" ]]; }

@test "install and uninstall: files below DESTDIR and PREFIX, and nothing else" {
	make -C "$TOP" -s -j2 install BUILD="$T/build" DESTDIR="$T/root" PREFIX=/usr
	"$T/root/usr/lib/coreferry/coreferry-helper" --help | grep -q '|/usr/lib/coreferry/coreferry-helper -s%s'
	for file in usr/lib/coreferry/coreferry-helper usr/lib/coreferry/coreferry-agent usr/lib/coreferry/coreferry-names \
		usr/sbin/coreferryd usr/bin/coreferry \
		etc/coreferry/coreferry.conf usr/share/man/man1/coreferry.1 usr/share/man/man8/coreferry-helper.8 \
		usr/share/man/man8/coreferry-agent.8 usr/share/man/man8/coreferryd.8 usr/share/man/man5/coreferry.conf.5 \
		usr/lib/systemd/system/coreferryd.service usr/lib/systemd/system/coreferry-register.service \
		usr/lib/tmpfiles.d/coreferry.conf usr/lib/sysusers.d/coreferry.conf; do
		[[ -f $T/root/$file ]] || { echo "missing: $file"; return 1; }
	done
	grep -q '^ExecStart=/usr/sbin/coreferryd$' "$T/root/usr/lib/systemd/system/coreferryd.service"
	run ! grep -rqE '@S?BINDIR@' "$T/root/usr/lib/systemd/system"
	is "sysctl files" "$(find "$T/root" -path '*sysctl*' | wc -l)" 0
	echo "# mine" >>"$T/root/etc/coreferry/coreferry.conf"
	make -C "$TOP" -s install BUILD="$T/build" DESTDIR="$T/root" PREFIX=/usr
	grep -q '# mine' "$T/root/etc/coreferry/coreferry.conf"
	make -C "$TOP" -s uninstall BUILD="$T/build" DESTDIR="$T/root" PREFIX=/usr
	is "what is left" "$(find "$T/root" -type f -printf '%f\n')" coreferry.conf
	is pattern "$(</proc/sys/kernel/core_pattern)" core
}

registered() { curl -s -m 5 http://127.0.0.1:28042/metrics | sed -n 's/^[a-z_]*core_pattern_registered //p'; }

@test "register: the server's numbers and its log tell when it is gone" {
	cf_config 'push = no' 'scope = any' 'listen = 127.0.0.1:28042'
	run -0 register
	install -d -m 0750 -g 61190 "$T/store/crashes"
	chmod 0755 "$T/store"
	spawn "$T/server.log" "$T/bin/coreferryd" --store "$T/store" --config "$T/conf" --user 61190:61190
	server=$SPAWNED_PID
	wait_port 127.0.0.1 28042
	is registered "$(registered)" 1
	run ! grep "core_pattern is not coreferry's" "$T/server.log"
	kernel_settings_set core_pattern '|/bin/false'
	is registered "$(registered)" 0
	run ! cf status
	kill "$server"
	wait_until 10 process_ended "$server"
	# It looks when it starts, and once a minute.
	spawn "$T/server.log" "$T/bin/coreferryd" --store "$T/store" --config "$T/conf" --user 61190:61190
	wait_port 127.0.0.1 28042
	wait_until 5 grep -qF "core_pattern is not coreferry's (it is \"|/bin/false\")" "$T/server.log"
	kernel_settings_set core_pattern core
}
