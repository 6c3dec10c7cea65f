#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A container whose root does what it can to the agent, the delegate before it is one, and the host, with the capabilities that
# Docker gives, with SYS_PTRACE, and with SYS_ADMIN. (hostile.bats has attacks one by one.)
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	load push
	load hostile-container
	cf_up
	hostile_up
	docker_up
	BASE=$(docker_image_base base)
	DEMO=$(docker_image_demo demo)
	GATEWAY=$(docker_gateway)
	export BASE DEMO GATEWAY
	receiver_up "$GATEWAY"
	nginx_up "$GATEWAY"
	docker_start neighbour -v "$T/tests:/t:ro" "$BASE" sleep 1000
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	load push
	load hostile-container
	URL=http://$GATEWAY:28043/up
	hostile_config
	hostile_pattern '%P %u %g'
	forget_crashes
	rm -rf "$T"/out/*
}

# hostile_start NAME [DOCKER RUN OPTION]...: with everything planted.
hostile_start() {
	local name=$1
	shift
	docker_start "$name" -v "$T/tests:/t:ro" -v "$T/evil:/evil:ro" -v "$T/out:/out" "$@" "$BASE" sleep 1000
	docker_exec "$name" sh /evil/plant.sh
}

# statuses: how many crashes were handed over with which result, e.g. "3 done".
statuses() { for id in $(crash_ids); do field .delegation.status "$T/store/crashes/$id"; done | sort | uniq -c | xargs; }

@test "hostile container: libraries, plugins and configurations planted at every name: none is loaded, or believed" {
	# The trap is a real one.
	echo /evil/evil.so >"$T/evil/preload"
	docker_start trap -v "$T/evil:/evil:ro" -v "$T/evil/preload:/etc/ld.so.preload:ro" -v "$T/out:/out" "$DEMO" sleep 1
	wait_until 10 test -s "$T/out/loaded"
	docker_destroy trap
	rm "$T/out/loaded"

	hostile_start planted --dns 127.0.0.1 -v "$T/ca.pem:/etc/ssl/certs/ca-certificates.crt:ro" --add-host "evil.example:$GATEWAY"
	host_is
	for url in "$URL" "https://$GATEWAY:28443/tls" "https://evil.example:28443/tls" http://unknown.example/x; do
		forget_crashes
		docker_exec planted --env "COREFERRY_URL=$url" /t/crasher-static || true
		wait_quiet
		check_core
		case $url in
		*evil*) is status "$(field .delegation.exit_status)" 77 ;; # a certificate for another name
		*unknown*) is status "$(field .delegation.exit_status)" 75 ;;
		*) is delegation "$(field .delegation.status)" "done" ;;
		esac
		is "what was loaded" "$(ls "$T/out")" ""
	done
	# A proxy whose name has to be converted (IDN, iconv); others that want more than a name and a password.
	for proxy in http://b$'\xc3\xbc'cher.example:3128 http://evil.example:28080 socks5h://evil.example:28080 https://evil.example:28443; do
		docker_exec planted --env "http_proxy=$proxy" --env "COREFERRY_URL=http://192.0.2.1/x" /t/crasher-static || true
	done
	wait_quiet
	is "what was loaded" "$(ls "$T/out")" ""
	host_is_unchanged
	# As a delegate, the container's own program: with the container's rights, but a fake agent or helper is none.
	forget_crashes
	hostile_pattern "%P %u %g $T/bin/coreferry-agent"
	docker_exec planted --uid 1000 /t/crasher-static || true
	wait_quiet
	is delegation "$(field .delegation.status)" "done"
	[[ $(<"$T/out/loaded") =~ ^pid\ [0-9]+\ uid\ 1000$ ]]
	hostile_pattern '%P %u %g'
	host_is_unchanged
	docker_destroy planted
}

# plant KIND PATH: on the host, into a jail in which nobody is yet.
plant() {
	rm -f "$2"
	case $1 in
	fifo) mkfifo -m 0666 "$2" ;;
	endless) ln -s /dev/zero "$2" ;;
	loop) ln -s "$2" "$2" ;;
	directory) mkdir "$2" ;;
	socket) python3 -Sc 'import socket, sys, os; os.chdir(os.path.dirname(sys.argv[1])); socket.socket(socket.AF_UNIX).bind(os.path.basename(sys.argv[1]))' "$2" ;;
	disk) mknod -m 0666 "$2" b 7 250 ;;
	outside) ln -s ../../../../../../../../../../"$T/canary" "$2" ;;
	esac
}

@test "hostile container: FIFOs, endless files, links, sockets, devices at each name that the agent does look up: over in time" {
	hostile_config 'push_timeout = 2s'
	for name in ssl/certs/ca-certificates.crt hosts resolv.conf host.conf coreferry/agent.conf; do
		for kind in fifo endless loop directory socket disk outside; do
			jail=$T/jail/$kind-${name##*/}
			mkdir -p "$jail"/{dev,etc/ssl/certs,etc/coreferry}
			mknod -m 0666 "$jail/dev/zero" c 1 5
			install -m 0755 "$T/tests/witness" "$jail/w"
			printf 'nameserver 192.0.2.1\n' >"$jail/etc/resolv.conf"
			[[ $name != coreferry/agent.conf ]] || export COREFERRY_URL=
			plant "$kind" "$jail/etc/$name"
		done
	done
	host_is
	SECONDS=0
	for jail in "$T"/jail/*; do
		url=https://evil.example:28443/
		[[ $jail != *agent.conf ]] || url=
		(COREFERRY_URL=$url chroot --userspec=1000:1000 "$jail" /w crash >/dev/null 2>&1 3>&-) &
	done
	wait
	wait_quiet
	echo "# over after $SECONDS s: $(statuses)"
	((SECONDS < 20))
	is crashes "$(crash_count)" 35
	for id in $(crash_ids); do
		dir=$T/store/crashes/$id
		is "outcome" "$(field .outcome "$dir")" stored
		is "delegation" "$(field .delegation.status "$dir")" failed
		run ! grep -F -e "$(<"$T/canary")" "$dir/crash.json"
	done
	host_is_unchanged
	rm -rf "$T/jail"
}

# loop NAME COUNT: so many crashes at once.
loop() { docker_exec "$1" --env "COREFERRY_URL=$URL" sh -c "for i in $(seq -s ' ' "$2"); do /t/crasher-static & done; wait" 2>/dev/null || true; }

# neighbour_crashes: in another container; delivered as if nothing were.
neighbour_crashes() {
	local started delay
	hostile_pattern '%P %u %g'
	started=$(date +%s%N)
	docker_exec neighbour --env "COREFERRY_URL=$URL" /t/witness crash >/dev/null || true
	wait_until 20 neighbour_delivered || {
		jq -c '[.exe, .outcome, .delegation]' "$T"/store/crashes/*/crash.json
		return 1
	}
	delay=$((($(date +%s%N) - started) / 1000000))
	echo "# the neighbour's crash was delivered after $delay ms"
	((delay < 10000))
}

# attack NAME DEED COUNT: crashes while the burglar is at work: the agent, a delegate whose start is slow, and a fallback.
attack() {
	local name=$1 deed=$2 count=$3
	hostile_config 'push_timeout = 20s'
	host_is
	docker_spawn "$name" "$T/burglar.log" /t/burglar /out "$T/canary" sleep sh burglar crasher runc exe docker killall "$deed"
	wait_until 10 test -e "$T/out/ready"
	hostile_pattern '%P %u %g'
	loop "$name" "$count"
	neighbour_crashes
	wait_quiet
	is "agents, while root will $deed" "$(statuses)" "$((count + 1)) done"
	# The agent is not in the container's /proc at all.
	if grep -E 'memfd:coreferry|coreferry-(agent|helper|names)' "$T/out/found"; then # runc has a memfd, too
		return 1
	fi

	forget_crashes
	hostile_config 'push_timeout = 1s' # one that is stopped is there until then
	hostile_pattern '%P %u %g /tmp/l30'
	loop "$name" "$count"
	wait_quiet
	echo "# delegates, while root will $deed: $(statuses)"
	is crashes "$(crash_count)" "$count"
	for id in $(crash_ids); do
		check_core "$T/store/crashes/$id"
	done

	forget_crashes
	hostile_config 'fallback_core = yes' 'push = no'
	hostile_pattern '%P %u %g'
	loop "$name" "$count"
	wait_quiet
	is crashes "$(crash_count)" "$count"
	is "fallback cores" "$(jq -r .delegation.fallback_core "$T"/store/crashes/*/crash.json | grep -c ^written)" "$count"
	echo "# found: $(awk '{ print $1, $3, $4 }' "$T/out/found" | sed 's/:\[.*//' | sort | uniq -c | sort -rn | head -n 40)"
	grep -qE '^seen .* (l30|memfd)' "$T/out/found" # the burglar was awake
	nothing_leaked
	host_is_unchanged
}

neighbour_delivered() {
	grep -lqs '"/t/witness"' "$T"/store/crashes/*/crash.json &&
		[[ $(jq -r 'select(.exe == "/t/witness") | .delegation.status' "$T"/store/crashes/*/crash.json) == "done" ]]
}

slow_delegate() {
	# shellcheck disable=SC2016 # it is the container's shell that expands
	docker_exec "$1" sh -c 'cd /tmp; printf "#!/bin/sh\ncat >/dev/null\n" >l0; chmod 755 l0; i=0; while [ $i -lt 30 ]; do ln -s l$i l$((i+1)); i=$((i+1)); done'
}

# nothing_of_ours NAME: what was ended in the container's pid namespace is there until the host's init has taken its status.
nothing_of_ours() { ! docker_exec "$1" ps -o comm | grep -q memfd:coreferry; }

# attacks NAME DEED...: one after the other.
attacks() {
	local name=$1 deed
	slow_delegate "$name"
	shift
	for deed in "$@"; do
		rm -rf "$T"/out/*
		forget_crashes
		attack "$name" "$deed" 6
		docker_exec "$name" killall -KILL burglar
		wait_until 5 nothing_of_ours "$name"
		docker_exec "$name" sh -c 'rm -f /tmp/core.*'
	done
	docker_destroy "$name"
}

@test "hostile container: default capabilities: root kills and stops what it sees" {
	hostile_start default
	attacks default kill stop
}

@test "hostile container: SYS_PTRACE: root traces it, too" {
	hostile_start tracer --cap-add SYS_PTRACE --security-opt seccomp=unconfined
	attacks tracer trace look
}

@test "hostile container: SYS_ADMIN and SYS_PTRACE" {
	hostile_start admin --cap-add SYS_PTRACE --cap-add SYS_ADMIN --security-opt seccomp=unconfined
	attacks admin trace look
}

# Longest wait for the delivery of COUNT crashes of the neighbour, in ms.
neighbour_in_time() {
	local worst=0 delay i
	for ((i = 0; i < $1; i++)); do
		delay=$(neighbour_crashes_once)
		((delay <= worst)) || worst=$delay
	done
	echo "# of $1 crashes of the neighbour the slowest was delivered after $worst ms"
	((worst < 10000))
}

neighbour_crashes_once() {
	local started before
	before=$(find "$T/received" -maxdepth 1 -name '2*' | wc -l)
	started=$(date +%s%N)
	docker_exec neighbour --env "COREFERRY_URL=$URL" /t/witness crash >/dev/null 2>&1 || true
	wait_until 30 more_received "$before"
	echo $((($(date +%s%N) - started) / 1000000))
}
more_received() { (($(find "$T/received" -maxdepth 1 -name '2*' | wc -l) > $1)); }

crashed() { (($(crash_count) > 0)); }

# crash_loop CONFIG LINE...: four programs crash all the time in a hostile container, whose endpoint never answers.
crash_loop() {
	local logged helpers
	hostile_config 'push_timeout = 3s' 'retry_for = 0' 'max_records = 300' 'max_use = 100M' "$@"
	rm -f "$T/out/enough"
	logged=$(dmesg | grep -c 'coreferry-helper') || true
	host_is
	docker_spawn looper "$T/loop.log" sh -c "for i in 1 2 3 4; do while [ ! -e /out/enough ]; do COREFERRY_URL=http://$GATEWAY:28046/ /t/crasher-static; done & done; wait"
	wait_until 10 crashed
	neighbour_in_time 5
	helpers=$(pgrep -cf "^$T/bin/coreferry-helper") || true
	touch "$T/out/enough"
	wait_quiet
	echo "# ${*:-no rate}: $(jq -r '.crashes_seen' <(cf status --json | jq .counters)) crashes, $helpers processes of the helper at the end of it"
	host_is_unchanged
	(($(crash_count) <= 301))
	(($(du -sm "$T/store" | cut -f1) <= 110))
	echo "# lines in the kernel's log: $(($(dmesg | grep -c 'coreferry-helper') - logged))"
	(($(dmesg | grep -c 'coreferry-helper') - logged <= 20))
	HELPERS=$helpers
}

@test "hostile container: programs that crash all the time, to an endpoint that never answers: nobody else waits" {
	spawn "$T/hang.log" python3 -c "
import socket
s = socket.create_server(('$GATEWAY', 28046), backlog=4096); c = []
while True: c.append(s.accept())"
	wait_port "$GATEWAY" 28046
	hostile_start looper
	hostile_config
	echo "# in a quiet time: $(neighbour_in_time 3)"
	crash_loop 'rate_per_container = 20/1s'
	# 20 in a second, for 3 s, and those that are just being refused.
	((HELPERS < 400))
	forget_crashes
	crash_loop
	# 256 at whose cores there is work, with what each has started, and those that are just being captured.
	((HELPERS < 700))
	docker_destroy looper
}
