#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A program of the container as the delegate, as docker-core-helper has it: the raw core on stdin, its arguments, exactly
# the victim's rights. And the fallback: a core in the container's own /tmp.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up
	docker_up
	BASE=$(docker_image_base base)
	export BASE
	mkdir -m 0755 "$T/opt" "$T/opt/bin"
	mkdir -m 1777 "$T/out"
	cat >"$T/opt/bin/uploader.sh" <<-'END'
		#!/bin/sh
		cat >/out/core
		printf '%s\n' "$@" >/out/arguments
		env | sort >/out/environ
		id >/out/id
		grep -E '^(Cap|NoNewPrivs|Groups|NSpid)' /proc/self/status >/out/status
		for n in cgroup ipc mnt net pid user uts; do echo "$n $(readlink /proc/self/ns/$n)"; done >/out/ns
		ls -l /proc/self/fd 2>/dev/null | grep -v ' /proc/' | sed 's/.*[0-9]:[0-9]* //' >/out/fds
		pwd >/out/pwd
		echo "hello from inside"
		echo $$ >/out/pid
	END
	chmod 0755 "$T/opt/bin/uploader.sh"
	docker_start box -v "$T/tests:/t:ro" -v "$T/opt:/opt:ro" -v "$T/out:/out" "$BASE" sleep 1000
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config
	forget_crashes
	rm -f "$T"/out/*
}

pattern() { kernel_settings_set core_pattern "|$T/bin/coreferry-helper -C $T/conf $*"; }

@test "delegate: the script gets the raw core, its arguments, and the victim's rights" {
	pattern '%P %u %g /opt/bin/uploader.sh one %P %u %g'
	for uid in 0 1000; do
		forget_crashes
		rm -f "$T"/out/*
		docker_exec box --uid "$uid" sh -c "cd /var; grep -E '^(Cap|Groups)' /proc/self/status >/out/status.before
			for n in cgroup ipc mnt net pid user uts; do echo \"\$n \$(readlink /proc/self/ns/\$n)\"; done >/out/ns.before
			id >/out/id.before; exec /t/crasher-static --heap 3" || true
		wait_quiet
		is delegation "$(field .delegation.status)" "done"
		is output "$(field .delegation.output)" "hello from inside"
		is delegate "$(field .delegation.delegate)" /opt/bin/uploader.sh
		is "core on stdin" "$(sha "$T/out/core")" "$(field .core.raw_sha256)"
		is arguments "$(xargs <"$T/out/arguments")" "one $(field .pid) $uid $uid"
		is id "$(<"$T/out/id")" "$(<"$T/out/id.before")"
		is owner "$(stat -c %u "$T/out/core")" "$uid"
		is namespaces "$(grep -v pid "$T/out/ns")" "$(grep -v pid "$T/out/ns.before")"
		# A pid namespace of its own, below the container's: it has a pid in each, and the container's /proc shows it.
		run ! grep -qxf <(grep pid "$T/out/ns.before") "$T/out/ns"
		is "pids" "$(grep -E '^NSpid:' "$T/out/status" | wc -w)" 3
		# sh is what ran before and what runs now: the same sets; and no new rights ever after.
		is capabilities "$(grep -vE 'NoNewPrivs|NSpid' "$T/out/status")" "$(<"$T/out/status.before")"
		grep -q 'NoNewPrivs:.*1' "$T/out/status"
		is pwd "$(<"$T/out/pwd")" /var
		(($(<"$T/out/pid") < 10)) # of that namespace
		is descriptors "$(grep -v total "$T/out/fds" | cut -d' ' -f1 | xargs)" "0 1 2 3" # 3 is ls's own
		is "environment" "$(grep -vE '^(CORE_|PATH=|PWD=|SHLVL=|OLDPWD=|_=)' "$T/out/environ" | grep -c .)" 0
		grep -qx "CORE_ID=$(basename "$(newest)")" "$T/out/environ"
		grep -qx "CORE_EXE=/t/crasher-static" "$T/out/environ"
		grep -qx "CORE_ENCODING=identity" "$T/out/environ"
		grep -qx "CORE_SIZE=$(stat -c %s "$T/out/core")" "$T/out/environ"
		grep -qx "CORE_SHA256=$(sha "$T/out/core")" "$T/out/environ"
	done
}

@test "delegate: a script that is not there: no upload, said in the record, the core is kept" {
	pattern '%P %u %g /opt/bin/missing.sh one %P %u %g'
	docker_exec box /t/crasher-static || true
	wait_quiet
	is delegation "$(field .delegation.status)" error
	is reason "$(field .delegation.reason)" "starting the program: No such file or directory"
	is fallback "$(field .delegation.fallback_core)" null
	is "core in the container" "$(docker_exec box sh -c 'ls /tmp')" ""
	check_core
}

@test "fallback: /tmp/core.%P.%u.%g in the container, as the victim; by configuration and by environment" {
	# The wrapper that seed documents speak of: it sets the variable and starts the helper.
	printf '#!/bin/sh\nexport DOCKERCOREHELPER_FALLBACK_CORE=1\nexec %s -C %s "$@"\n' "$T/bin/coreferry-helper" "$T/conf" >"$T/bin/wrapper"
	chmod 0755 "$T/bin/wrapper"
	for way in configuration environment; do
		forget_crashes
		if [[ $way == configuration ]]; then
			cf_config 'fallback_core = yes'
			pattern '%P %u %g /opt/bin/missing.sh one'
		else
			cf_config
			kernel_settings_set core_pattern "|$T/bin/wrapper %P %u %g /opt/bin/missing.sh one"
		fi
		docker_exec box --uid 1000 /t/crasher-static --heap 5 || true
		wait_quiet
		name=core.$(field .pid).1000.1000
		is fallback "$(field .delegation.fallback_core)" "written: /tmp/$name"
		is "owner and mode" "$(docker_exec box stat -c '%u %a' "/tmp/$name")" "1000 600"
		is digest "$(docker_exec box sha256sum "/tmp/$name" | cut -d' ' -f1)" "$(field .core.raw_sha256)"
		is "on the host" "$(find /tmp -maxdepth 1 -name "$name" | wc -l)" 0
		docker_exec box rm "/tmp/$name"
	done
}

@test "fallback: a host process too; links, FIFOs and files that stand there are left alone" {
	cf_config 'fallback_core = yes' 'push = no'
	cf_default_pattern
	crash "$T/tests/crasher-static" --setuid 1000 --setgid 1000
	wait_quiet
	file=/tmp/core.$(field .pid).1000.1000
	is fallback "$(field .delegation.fallback_core)" "written: $file"
	is digest "$(sha "$file")" "$(field .core.raw_sha256)"
	is owner "$(stat -c '%u %a' "$file")" "1000 600"
	rm "$file"

	for kind in link fifo file; do
		forget_crashes
		"$T/tests/crasher-static" --sleep-before 700 3>&- &
		victim=$!
		file=/tmp/core.$victim.0.0
		case $kind in
		link) ln -s "$T/target" "$file" ;;
		fifo) mkfifo "$file" ;;
		file) echo precious >"$file" ;;
		esac
		wait "$victim" || true
		wait_quiet
		[[ $(field .delegation.fallback_core) == "not written: $file: File exists" ]]
		[[ ! -e $T/target ]]
		[[ $kind != file || $(<"$file") == precious ]]
		rm "$file"
	done
}

@test "delegate: hangs, floods, reads nothing, dies: bounded and told" {
	cat >"$T/opt/bin/evil.sh" <<-'END'
		#!/bin/sh
		case $1 in
		hang) trap '' TERM; while :; do sleep 1; done ;;
		flood) while :; do echo "$(printf '\033[2J')flood flood flood flood flood flood flood flood flood flood"; done ;;
		ignore) exit 3 ;;
		die) kill -SEGV $$ ;;
		daemon) (setsid sleep 999 >/dev/null 2>&1 &) ; sleep 999 & exit 0 ;;
		esac
	END
	chmod 0755 "$T/opt/bin/evil.sh"
	cf_config 'push_timeout = 1s'
	for way in hang flood ignore die daemon; do
		forget_crashes
		pattern "%P %u %g /opt/bin/evil.sh $way"
		SECONDS=0
		docker_exec box /t/crasher-static --heap 3 || true
		wait_quiet
		((SECONDS < 10))
		case $way in
		hang) [[ $(field .delegation.reason) == *push_timeout* ]] ;;
		flood)
			[[ $(field .delegation.reason) == *push_timeout* ]]
			(($(field .delegation.output | wc -c) < 300000))
			[[ $(field .delegation.output) != *$'\x1b'* ]]
			;;
		ignore) is status "$(field .delegation.exit_status)" 3 ;;
		die) is signal "$(field .delegation.term_signal)" 11 ;;
		daemon)
			is delegation "$(field .delegation.status)" "done"
			run ! docker_exec box pgrep -f 'sleep 999'
			;;
		esac
		check_core
		# One crash, one record: what a delegate dies of does not set off the next delegate.
		is count "$(crash_count)" 1
	done
}

@test "delegate: a relative path is refused" {
	pattern '%P %u %g opt/bin/uploader.sh one'
	docker_exec box /t/crasher-static || true
	wait_quiet
	is delegation "$(field .delegation.status)" refused
	check_core
}

@test "delegate: SIGTERM first, and time to clean up" {
	cat >"$T/opt/bin/tidy.sh" <<-'END'
		#!/bin/sh
		trap 'echo "got TERM"; sleep 0.5; echo "cleaned up"; exit 9' TERM
		while :; do sleep 0.1; done
	END
	chmod 0755 "$T/opt/bin/tidy.sh"
	cf_config 'push_timeout = 1s'
	pattern '%P %u %g /opt/bin/tidy.sh'
	docker_exec box /t/crasher-static || true
	wait_quiet
	[[ $(field .delegation.output) == *'got TERM\x0acleaned up' ]]
	is status "$(field .delegation.exit_status)" 9
	[[ $(field .delegation.reason) == *push_timeout* ]]
}
