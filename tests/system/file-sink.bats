#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# COREFERRY_URL=file:...: a core in the crashed program's own directory, in Docker and in an LXC.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up
	docker_up
	BASE=$(docker_image_base base)
	export BASE
	lxc_create cff --idmap "lxc.mount.entry = $T/tests opt/t none bind,ro,create=dir 0 0"
	lxc_start cff
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

# docker_crash [DOCKER RUN OPTION]...: crasher-static as the container's init; waits for all that follows.
docker_crash() {
	local where
	mapfile -t where <"$COREFERRY_SESSION/docker"
	DOCKER_STATUS=0
	DOCKER_CONFIG=$COREFERRY_SESSION/docker-config run_for 60 "${where[0]}" -H "${where[1]}" run --rm --label "$(docker_label)" \
		-v "$T/tests:/t:ro" -v "$T/out:/out" -e COREFERRY_URL="$URL" "$@" "$BASE" /t/crasher-static --heap 3 >"$T/docker.out" 2>&1 ||
		DOCKER_STATUS=$?
	wait_quiet
}

# check_file FILE: the raw core of the newest crash, and gdb reads it.
check_file() {
	is delegation "$(field .delegation.status)" "done" || return 1
	is digest "$(sha "$1")" "$(field .core.raw_sha256)" || return 1
	is mode "$(stat -c %a "$1")" 600 || return 1
	[[ $(gdb_of "$T/tests/${2:-crasher-static}" "$1") == *"terminated with signal SIGSEGV"* ]]
}

@test "file sink: docker: core in the working directory, the victim's; a read-only one says so" {
	mkdir -m 0777 "$T/out"
	URL=file:core
	docker_crash --user 1000:1001 --cap-drop ALL -w /out
	is "exit status" "$DOCKER_STATUS" 139
	check_file "$T/out/core"
	is owner "$(stat -c %u:%g "$T/out/core")" 1000:1001

	forget_crashes
	docker_crash --user 1000 --read-only -w /
	is delegation "$(field .delegation.status)" failed
	[[ $(field .delegation.output) == *"Read-only file system"* ]]
	check_core
}

@test "file sink: lxc with ids of its own: core.NAME.PID where the program was started" {
	lxc_exec cff install -d -m 0700 -o 1000 -g 1000 /var/tmp/job
	lxc_exec cff --uid 1000 --env COREFERRY_URL=file:core.%e.%p bash -c 'cd /var/tmp/job && exec /opt/t/crasher --heap 3' || true
	wait_quiet
	is delegation "$(field .delegation.status)" "done"
	file=/var/tmp/job/core.crasher.$(field .container_pid)
	is digest "$(lxc_exec cff sha256sum "$file" | cut -d' ' -f1)" "$(field .core.raw_sha256)"
	is owner "$(lxc_exec cff stat -c '%u %a' "$file")" "1000 600"
	[[ $(lxc_exec cff gdb -nx -batch -iex 'set debuginfod enabled off' -ex bt /opt/t/crasher "$file" 2>&1) == *"terminated with signal SIGSEGV"* ]]
	# What is no place for it: the reason, and the core is still there to be pulled.
	forget_crashes
	lxc_exec cff --uid 1000 --env COREFERRY_URL=file:/etc/core /opt/t/crasher || true
	wait_quiet
	is delegation "$(field .delegation.status)" failed
	[[ $(field .delegation.output) == */etc/core* ]]
	check_core
}
