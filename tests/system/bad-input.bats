#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Bad input: each has a message that names the thing and the way out, and no crash is lost over it.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up
}
teardown_file() {
	load common
	[[ ! -e $T/default-store ]] || rm -rf /var/lib/coreferry
	cf_down
}
setup() {
	load common
	cf_config
	cf_default_pattern
	forget_crashes
}

helper() { "$T/bin/coreferry-helper" "$@" </dev/null; }

@test "helper by hand: missing or odd arguments: says what the kernel's line must look like" {
	for arguments in '' '1' '1 2' 'x 2 3' '1 -2 3' '0 0 0' '1 2 99999999999' '-s 1' '-sx 1 2 3' '-Z 1 2 3' '-C'; do
		# shellcheck disable=SC2086
		run -64 helper $arguments
		[[ $output == *'%P %u %g'* ]]
		[[ $output == *"-s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g"* ]]
	done
	run -0 helper --help
	run -0 helper --version
	is crashes "$(crash_count)" 0
}

@test "helper by hand: a pid that does not exist" {
	run -66 helper -C "$T/conf" 2147483646 0 0
	[[ $output == *"pid 2147483646: no such process"* ]]
	is crashes "$(crash_count)" 0
}

@test "helper by hand: a process that does not dump: nothing is handed over" {
	sleep 60 3>&- &
	run -0 helper -C "$T/conf" $! 0 0
	kill $!
	is outcome "$(field .outcome)" failed
	is reason "$(field .reason)" "the kernel sent no core"
	is root_only "$(field .root_only)" true
	is delegation "$(field .delegation.status)" none
}

@test "helper by hand: a stream that is no core" {
	sleep 60 3>&- &
	head -c 3000000 /dev/urandom >"$T/junk"
	run -0 "$T/bin/coreferry-helper" -C "$T/conf" $! 0 0 <"$T/junk"
	kill $!
	is outcome "$(field .outcome)" truncated
	is reason "$(field .reason)" "what the kernel sent is not an ELF core"
	is digest "$(field .core.raw_sha256)" "$(sha "$T/junk")"
}

@test "configuration: others can write it: refused, the core is kept, nothing is handed over" {
	# A refused file cannot say where the store is: the default one takes the crash.
	[[ ! -e /var/lib/coreferry ]] || skip "this machine has a store of its own"
	touch "$T/default-store" # for teardown_file
	chmod 0666 "$T/conf"
	crash "$T/tests/crasher"
	wait_quiet
	dir=$(find /var/lib/coreferry/crashes -mindepth 1 -maxdepth 1)
	is outcome "$(field .outcome "$dir")" stored
	is delegation "$(field .delegation.status "$dir")" refused
	[[ $(field .delegation.reason "$dir") == *"$T/conf: refused: others can write it"* ]]

	cf_config
	chown 1000 "$T/conf"
	run -0 helper -C "$T/conf" $$ 0 0
	[[ $output == *"others can write it"* ]]
	rm -f "$T/conf"
	run -0 helper -C "$T/conf" $$ 0 0
	[[ $output == *"$T/conf: cannot be read: No such file or directory"* ]]
	rm -rf /var/lib/coreferry "$T/default-store"
}

@test "configuration: an unknown key is named, with its line; the core is kept" {
	cf_config '' '# a comment' 'fallback_cores = yes'
	crash "$T/tests/crasher"
	wait_quiet
	check_core
	is delegation "$(field .delegation.status)" refused
	[[ $(field .delegation.reason) == *"$T/conf:$(grep -n fallback_cores "$T/conf" | cut -d: -f1): fallback_cores: unknown key"* ]]
	dmesg | tail -n 20 | grep -q "fallback_cores: unknown key"
}

@test "a full disk: truncated, the record is whole, and nothing hangs" {
	mkdir -p "$T/full"
	mount -t tmpfs -o size=3m,mode=755 none "$T/full"
	cf_config "store = $T/full" 'push = no' 'keep_free = 0' 'max_use = 0'
	SECONDS=0
	crash "$T/tests/crasher" --heap 50 --random
	wait_quiet
	((SECONDS < 20))
	dir=$(find "$T/full/crashes" -mindepth 1 -maxdepth 1)
	is outcome "$(field .outcome "$dir")" truncated
	is reason "$(field .reason "$dir")" "the disk of the store is full"
	is published "$([[ $(basename "$dir") == .* ]] || echo yes)" yes
	zstd -qt "$dir/core.zst"
	(($(field .core.size "$dir") > 1000000))
	is "digest" "$(zstd -qdc "$dir/core.zst" | sha256sum | cut -d' ' -f1)" "$(field .core.raw_sha256 "$dir")"

	# Not a byte left: there is no record then, but the kernel's log has it.
	head -c 10M /dev/zero >"$T/full/fill" || true
	crash "$T/tests/crasher" --comm no-room-left
	wait_quiet
	dmesg | tail -n 20 | grep 'no-room-left' | grep -q 'No space left'
	umount "$T/full"
}

@test "the store's folder can be written by others: nothing is put there, and it is said" {
	mkdir -p "$T/open/crashes"
	chmod 0777 "$T/open/crashes"
	cf_config "store = $T/open"
	crash "$T/tests/crasher" --comm open-store
	wait_quiet
	is "files" "$(find "$T/open/crashes" -mindepth 1 | wc -l)" 0
	dmesg | tail -n 20 | grep -q 'open-store.*Operation not permitted'
}

@test "endpoint down: try again later, and the core is kept" {
	COREFERRY_URL=http://127.0.0.1:9/ crash "$T/tests/crasher"
	wait_quiet
	check_core
	is delegation "$(field .delegation.status)" failed
	is status "$(field .delegation.exit_status)" 75
	[[ $(field .delegation.output) == *"127.0.0.1"*"onnect"* ]]
}

@test "endpoints that are none: named, and nothing is done" {
	for url in gopher://127.0.0.1/x ftp://127.0.0.1/ 127.0.0.1:80 $'http://127.0.0.1/\r\nX: y' 'http://127.0.0.1/?a'; do
		forget_crashes
		COREFERRY_URL=$url crash "$T/tests/crasher"
		wait_quiet
		is status "$(field .delegation.exit_status)" 78
		[[ $(field .delegation.output) == *"not a URL to push"* ]]
	done
}

@test "agent missing, or not root's: said in the record, and the core is kept" {
	cf_config 'agent = /nonexistent/agent'
	crash "$T/tests/crasher"
	wait_quiet
	is delegation "$(field .delegation.status)" error
	is reason "$(field .delegation.reason)" "starting the program: No such file or directory"
	cp "$T/bin/coreferry-agent" "$T/agent"
	chown 1000 "$T/agent"
	cf_config "agent = $T/agent"
	forget_crashes
	crash "$T/tests/crasher"
	wait_quiet
	is reason "$(field .delegation.reason)" "starting the program: Operation not permitted"
	check_core
}

@test "agent by hand: bad input has a status of sysexits and a message" {
	agent=$T/bin/coreferry-agent
	id=20261121T023753.123456Z-1-9f3c
	run -64 "$agent" --bogus
	run -64 "$agent" extra
	run -64 "$agent" --enter x
	run -65 "$agent" --url http://127.0.0.1:9/ </dev/null
	[[ $output == *CORE_ID* ]]
	run -65 env CORE_ID=../../x "$agent" --url http://127.0.0.1:9/
	run -65 env CORE_ID=$id CORE_SIZE=-1 "$agent" --url http://127.0.0.1:9/
	run -65 env CORE_ID=$id CORE_ENCODING=gzip "$agent" --url http://127.0.0.1:9/
	run -78 env CORE_ID=$id "$agent" --config /dev/null
	run -78 env CORE_ID=$id "$agent" --config /nonexistent
	[[ $output == *"/nonexistent: cannot be read"* ]]
	run -78 env CORE_ID=$id "$agent"
	[[ $output == *"COREFERRY_URL"*"/etc/coreferry/agent.conf"* ]]
	run -75 env CORE_ID=$id CORE_SIZE=0 "$agent" --url http://127.0.0.1:9/ </dev/null
	run -64 "$agent" --enter 99 extra
	run -71 "$agent" --enter 99
}

@test "server: port already taken, store missing, address that is none" {
	"$T/bin/coreferry" list --store "$T/store" >/dev/null || true
	mkdir -p "$T/store/crashes"
	chmod 0711 "$T/store"
	chgrp 61190 "$T/store/crashes"
	spawn "$T/one.log" "$T/bin/coreferryd" --store "$T/store" --listen 127.0.0.1:28042 --user 61190:61190
	wait_port 127.0.0.1 28042
	run ! timeout 10 "$T/bin/coreferryd" --store "$T/store" --listen 127.0.0.1:28042 --user 61190:61190
	[[ $output == *"127.0.0.1:28042"*"taken"* || $output == *"taken"*"28042"* ]]
	run ! timeout 10 "$T/bin/coreferryd" --store /nonexistent --listen 127.0.0.1:28043 --user 61190:61190
	[[ $output == */nonexistent* ]]
	for address in 'x' '127.0.0.1:0x1' '127.0.0.1:99999' '300.1.1.1:80' ':80'; do
		run ! timeout 10 "$T/bin/coreferryd" --store "$T/store" --listen "$address" --user 61190:61190
		[[ $output == *"--listen"* ]]
	done
	run ! timeout 10 "$T/bin/coreferryd" --store "$T/store" --listen 127.0.0.1:28043 --user no-such-user-here
	[[ $output == *no-such-user-here* ]]
}
