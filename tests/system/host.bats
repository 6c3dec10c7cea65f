#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Crashes on the host itself: what is captured, how long the victim waits, what never leaves root's hands.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up 'push = no'
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config 'push = no'
	cf_default_pattern
	forget_crashes
}

@test "host: static and dynamic, uid 0 and 1000, 0 and 200 MiB of heap" {
	for program in crasher crasher-static; do
		for uid in 0 1000; do
			for heap in 0 200; do
				[[ $heap$program$uid != 200crasher-static0 && $heap$program$uid != 200crasher1000 ]] || continue
				forget_crashes
				crash "$T/tests/$program" --heap "$heap" --setgid "$uid" --setuid "$uid"
				wait_quiet
				is count "$(crash_count)" 1
				is exe "$(field .exe)" "$T/tests/$program"
				is uid "$(field .uid)" "$uid"
				is gid "$(field .gid)" "$uid"
				is signal "$(field .signal_name)" SIGSEGV
				is root_only "$(field .root_only)" false
				is "dump mode" "$(field .dump_mode)" 1
				is "group" "$(stat -c %g "$(newest)/core.zst")" "$(stat -c %g "$T/store/crashes")" # not the victim's
				check_core
				(($(field .core.size) > heap * 1048576))
				(($(field .core.stored_size) < $(field .core.size)))
			done
		done
	done
}

@test "host: threads: gdb shows all of them, and the signal" {
	crash "$T/tests/crasher" --threads 7 --crash thread --signal abrt
	wait_quiet
	check_core
	run gdb_of "$T/tests/crasher" "$T/core"
	is threads "$(grep -cE '^[* ] +[0-9]+ +(Thread|LWP)' <<<"$output")" "$(awk '/^Threads:/ { print $2 }' "$(newest)/status")"
	[[ $output == *"terminated with signal SIGABRT"* ]]
	[[ $output == *worker_waits* ]]
}

@test "host: the leader has exited, another thread crashes" {
	for line in '-i%I %P %u %g' '%P %u %g'; do
		forget_crashes
		cf_pattern "$line"
		crash "$T/tests/crasher" --threads 3 --crash leader-exited
		wait_quiet
		check_core
		is exe "$(field .exe)" "$T/tests/crasher"
		is comm "$(field .comm)" crasher
	done
	cf_default_pattern
	forget_crashes
	crash "$T/tests/crasher" --threads 3 --crash leader-exited
	wait_quiet
	is "thread" "$(($(field .tid) != $(field .pid)))" 1
	check_core
	run gdb_of "$T/tests/crasher" "$T/core"
	[[ $output == *"terminated with signal SIGSEGV"* ]]
}

@test "host: every signal that dumps core is named" {
	for signal in segv:SIGSEGV abrt:SIGABRT bus:SIGBUS fpe:SIGFPE ill:SIGILL quit:SIGQUIT sys:SIGSYS trap:SIGTRAP; do
		forget_crashes
		crash "$T/tests/crasher-static" --signal "${signal%:*}"
		wait_quiet
		is signal "$(field .signal_name)" "${signal#*:}"
		check_core
	done
}

@test "host: the three numbers alone are enough" {
	cf_pattern '%P %u %g'
	crash "$T/tests/crasher" --heap 1 --setuid 1000 --setgid 1000
	wait_quiet
	check_core
	is uid "$(field .uid)" 1000
	is root_only "$(field .root_only)" false
	is signal "$(field .signal)" 0
}

@test "host: 64 GiB mapped, 64 MiB touched: held under a second, and listed at once" {
	crash "$T/tests/crasher" --heap 64 --map 64000
	wait_quiet
	is outcome "$(field .outcome)" stored
	held=$(field .capture.held_ms)
	echo "held: $held ms"
	awk -v h="$held" 'BEGIN { exit !(h < 1000) }'
	(($(field .core.size) > 64000 * 1048576))
	(($(field .core.stored_size) < 30000000))
	zstd -lq "$(newest)/core.zst"
	run -0 cf list
	# Its last bytes are where they belong: read through the seek table, not through 64 GiB of zeros.
	size=$(field .core.size)
	((size > 64000 * 1048576))
}

@test "host: from the pipe only, where that is wanted: whole, and not called verified" {
	cf_pattern '--pipe --verify -s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g'
	crash "$T/tests/crasher" --heap 30 --threads 3
	wait_quiet
	is mode "$(field .capture.mode)" pipe
	is verified "$(field .capture.verified)" null
	check_core
}

@test "host: core_pipe_limit 0: the kernel waits for nobody, and still nothing is lost" {
	cf_config 'fallback_core = yes' 'push = no'
	kernel_settings_set core_pipe_limit 0
	for ((i = 0; i < 5; i++)); do
		crash "$T/tests/crasher" --heap 20 --threads 3 --setuid 1000 --setgid 1000
		wait_quiet
		check_core
		is exe "$(field .exe)" "$T/tests/crasher"
		is root_only "$(field .root_only)" false
		file=/tmp/core.$(field .pid).1000.1000
		is fallback "$(field .delegation.fallback_core)" "written: $file"
		rm "$file"
	done
	kernel_settings_set core_pipe_limit 1024
}

@test "host: a tiny crash is held under 3 ms" {
	for ((i = 0; i < 15; i++)); do
		crash "$T/tests/crasher-static"
	done
	wait_quiet
	held=$(for id in $(crash_ids); do field .capture.held_ms "$T/store/crashes/$id"; done | sort -n)
	echo "held, in ms: $held"
	median=$(sed -n 8p <<<"$held")
	awk -v m="$median" 'BEGIN { exit !(m > 0 && m < 3) }'
}

@test "host: 60 crashes at once: 60 records, all whole" {
	for ((i = 0; i < 60; i++)); do
		"$T/tests/crasher-static" --heap 1 2>/dev/null 3>&- &
	done
	wait || true
	wait_quiet
	is count "$(crash_count)" 60
	is whole "$(for id in $(crash_ids); do field .outcome "$T/store/crashes/$id"; done | sort | uniq -c | xargs)" "60 stored"
	is "unpublished" "$(find "$T/store/crashes" -name '.*.partial' | wc -l)" 0
}

core_grows() { [[ -s $(echo "$T"/store/crashes/.*.partial/core.zst) ]]; }

@test "host: killed while it dumps: truncated, and says so" {
	cf_pattern '--pipe -s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g' # takes many seconds
	"$T/tests/crasher" --map 40000 --heap 10 3>&- &
	victim=$!
	wait_until 10 core_grows
	kill -9 "$victim"
	wait "$victim" || true
	wait_quiet
	is outcome "$(field .outcome)" truncated
	is truncated "$(field .capture.truncated)" true
	[[ $(field .reason) == *"was killed while it dumped"* ]]
	zstd -qt "$(newest)/core.zst"
}

spool_exists() { compgen -G "$T/store/crashes/.*.partial/core" >/dev/null; }

@test "host: killed while its memory is copied: what there is is called what it is" {
	for ((i = 0; i < 2; i++)); do
		forget_crashes
		"$T/tests/crasher" --heap 800 3>&- &
		victim=$!
		wait_until 10 spool_exists
		kill -9 "$victim"
		wait "$victim" || true
		wait_quiet
		is count "$(crash_count)" 1
		# It may have been quick enough.
		if [[ $(field .outcome) == stored ]]; then
			check_core
		else
			is outcome "$(field .outcome)" truncated
			zstd -qt "$(newest)/core.zst"
			is "digest" "$(zstd -qdc "$(newest)/core.zst" | sha256sum | cut -d' ' -f1)" "$(field .core.raw_sha256)"
		fi
		is "nothing of the spool is left" "$(find "$(newest)" -name core -o -name '.core*' | wc -l)" 0
	done
}

@test "host: what the attributes and the snapshot tell" {
	crash "$T/tests/crasher" --setuid 1000 --setgid 1000 --comm 'a (b) R 1'
	wait_quiet
	dir=$(newest)
	is comm "$(getfattr --only-values -n user.coredump.comm "$dir/core.zst")" 'a (b) R 1'
	is exe "$(getfattr --only-values -n user.coredump.exe "$dir/core.zst")" "$T/tests/crasher"
	is signal "$(getfattr --only-values -n user.coredump.signal "$dir/core.zst")" 11
	is uid "$(getfattr --only-values -n user.coredump.uid "$dir/core.zst")" 1000
	is timestamp "$(getfattr --only-values -n user.coredump.timestamp "$dir/core.zst")" "$(($(field .time_us) / 1000000))"
	is comm "$(field .comm)" 'a (b) R 1'
	grep -q "$T/tests/crasher" "$dir/maps"
	grep -q 'Max core file size' "$dir/limits"
	grep -qa '^PATH=' <(tr '\0' '\n' <"$dir/environ")
	is "modes" "$(stat -c '%a' "$dir" "$dir/core.zst" "$dir/crash.json" "$dir/environ" | xargs)" "750 640 640 600"
}

@test "host: names made to hurt stay text" {
	evil=$'osmo-\r\nX-Evil: 1\x1b[2J"\\\xff'
	cp "$T/tests/crasher-static" "$T/tests/$evil"
	crash "$T/tests/$evil" --comm $'x\n\x1b]0;'
	rm "$T/tests/$evil"
	wait_quiet
	jq -e . "$(newest)/crash.json" >/dev/null
	is exe "$(field .exe)" "$T/tests/osmo-\\x0d\\x0aX-Evil: 1\\x1b[2J\"\\x5c\\xff"
	run -0 cf list
	[[ $output != *$'\x1b'* && $output != *$'\r'* ]]
	run -0 cf info "$(basename "$(newest)")"
	[[ $output != *$'\x1b'* && $output != *$'\r'* ]]
}

@test "host: set-uid and file-capability programs: root's alone, whether or not the kernel says so" {
	install -m 4755 "$T/tests/crasher" "$T/tests/suid"
	install -m 0755 "$T/tests/crasher" "$T/tests/filecap"
	setcap cap_net_raw+ep "$T/tests/filecap"
	cf_config # push is on
	# Under 1 the kernel calls such a program dumpable, under 2 it does not; the short line does not tell.
	for dumpable in 1 2; do
		kernel_settings_set suid_dumpable "$dumpable"
		for line in '-s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g' '%P %u %g'; do
			for program in suid filecap; do
				cf_pattern "$line"
				forget_crashes
				setpriv --reuid 1000 --regid 1000 --clear-groups "$T/tests/$program" 3>&- || true
				wait_quiet
				is outcome "$(field .outcome)" stored
				is "root_only ($dumpable, $line, $program)" "$(field .root_only)" true
				is delegation "$(field .delegation.status)" refused
				is "mode of the core" "$(stat -c '%a %U' "$(newest)/core.zst")" "600 root"
				is "mode of the maps" "$(stat -c '%a' "$(newest)/maps")" 600
			done
		done
	done
	# Under 0 such a program leaves no core, and an ordinary one does.
	kernel_settings_set suid_dumpable 0
	forget_crashes
	setpriv --reuid 1000 --regid 1000 --clear-groups "$T/tests/suid" 3>&- || true
	wait_quiet
	is count "$(crash_count)" 0
	setpriv --reuid 1000 --regid 1000 --clear-groups "$T/tests/crasher" 3>&- || true
	wait_quiet
	is root_only "$(field .root_only)" false
	rm "$T/tests/suid" "$T/tests/filecap"
}

@test "host: the helper is static, and links no HTTP, no debugger's library, no systemd" {
	run readelf -lW "$BUILD/coreferry-helper"
	[[ $output != *INTERP* ]]
	run readelf -d "$BUILD/coreferry-helper"
	[[ $output != *NEEDED* ]]
	for symbol in curl_easy_init MHD_start_daemon dwfl_begin sd_journal_send; do
		run ! grep -qa "$symbol" "$BUILD/coreferry-helper"
	done
}
