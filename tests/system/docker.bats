#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Crashes in Docker containers of every common kind: captured, named, pushed from inside with the victim's rights.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	load push
	cf_up
	docker_up
	BASE=$(docker_image_base base)
	SCRATCH=$(docker_image_scratch scratch "$BUILD/tests/crasher-static")
	GATEWAY=$(docker_gateway)
	export BASE SCRATCH GATEWAY
	receiver_up "$GATEWAY"
	nginx_up "$GATEWAY"
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	load push
	URL=http://$GATEWAY:28043/up
	cf_config
	cf_default_pattern
	forget_crashes
}

# docker_crash [DOCKER RUN OPTION]... : runs crasher-static as the container's init, and waits for all that follows.
docker_crash() {
	local image=$1 status=0
	shift
	run_for 60 "${DOCKER[@]}" run --rm --label "$(docker_label)" --network "${NETWORK:-bridge}" \
		-v "$T/tests:/t:ro" -e "COREFERRY_URL=$URL" "$@" "$image" "${COMMAND[@]:-/t/crasher-static}" >"$T/docker.out" 2>&1 || status=$?
	wait_quiet
	DOCKER_STATUS=$status
}

docker_prepare() {
	mapfile -t where <"$COREFERRY_SESSION/docker"
	export DOCKER_CONFIG=$COREFERRY_SESSION/docker-config
	DOCKER=("${where[0]}" -H "${where[1]}")
	COMMAND=(/t/crasher-static)
}

@test "docker: default, --user, --read-only, no capabilities, no-new-privileges: pushed from the container's init" {
	docker_prepare
	for options in '' '--user 1000:1000' '--read-only' '--cap-drop ALL --user 1000' '--security-opt no-new-privileges' \
		'--read-only --cap-drop ALL --security-opt no-new-privileges --user 4711:4712'; do
		forget_crashes
		# shellcheck disable=SC2086
		docker_crash "$BASE" $options
		echo "options: $options: $(<"$T/docker.out")"
		is "exit status" "$DOCKER_STATUS" 139
		check_core
		check_received
		is runtime "$(field .container.runtime)" docker
		[[ $(field .container.id) =~ ^[0-9a-f]{64}$ ]]
		is exe "$(field .exe)" /t/crasher-static
		is "pid inside" "$(field .container_pid)" 1
		case $options in
		*4711*) is uid "$(field .uid):$(field .gid)" 4711:4712 ;;
		*1000*) is uid "$(field .uid)" 1000 ;;
		*) is uid "$(field .uid)" 0 ;;
		esac
	done
}

@test "docker: FROM scratch: one static program, nothing else in the image" {
	docker_prepare
	COMMAND=(/crasher-static --heap 20)
	docker_crash "$SCRATCH" --read-only --user 1000
	is "exit status" "$DOCKER_STATUS" 139
	check_core
	check_received
}

@test "docker: not the init: the container lives on; threads and 200 MiB of heap" {
	docker_prepare
	docker_start lives-on -v "$T/tests:/t:ro" "$BASE" sleep 1000
	for arguments in '--heap 200 --threads 5 --crash thread' '--threads 2 --crash leader-exited'; do
		forget_crashes
		# shellcheck disable=SC2086
		docker_exec lives-on --uid 1000 --env "COREFERRY_URL=$URL" /t/crasher-static $arguments || true
		wait_quiet
		check_core
		check_received
		is uid "$(field .uid)" 1000
	done
	docker_destroy lives-on
}

@test "docker: to nginx, a server that is not ours; the file there is the stored one" {
	docker_prepare
	URL=http://$GATEWAY:28080/builds/42/
	docker_crash "$BASE" --user 1000
	is delegation "$(field .delegation.status)" "done"
	id=$(basename "$(newest)")
	is digest "$(sha "$T/nginx/files/builds/42/$id.core.zst")" "$(field .core.sha256)"
	is digest "$(zstd -qdc "$T/nginx/files/builds/42/$id.core.zst" | sha256sum | cut -d' ' -f1)" "$(field .core.raw_sha256)"
	# What it refuses is told with its status.
	forget_crashes
	chmod 0555 "$T/nginx/files/builds/42"
	docker_crash "$BASE" --user 1000
	chmod 0755 "$T/nginx/files/builds/42"
	is status "$(field .delegation.exit_status)" 75
	[[ $(field .delegation.output) == *"answered 500"* ]]
	forget_crashes
	URL=http://$GATEWAY:28080/denied/
	docker_crash "$BASE" --user 1000
	is status "$(field .delegation.exit_status)" 77
	[[ $(field .delegation.output) == *"answered 403"* ]]
	check_core
}

@test "docker: the URL: agent.conf of the container, else the host's configuration" {
	docker_prepare
	printf 'url = %s\n' "http://$GATEWAY:28080/by-agent-conf" >"$T/agent.conf"
	cf_config "url = http://$GATEWAY:28080/by-host"
	URL=
	docker_crash "$BASE" -v "$T/agent.conf:/etc/coreferry/agent.conf:ro"
	is delegation "$(field .delegation.status)" "done"
	ls "$T/nginx/files/by-agent-conf/$(basename "$(newest)").core.zst"
	forget_crashes
	docker_crash "$BASE"
	is delegation "$(field .delegation.status)" "done"
	ls "$T/nginx/files/by-host/$(basename "$(newest)").core.zst"
	forget_crashes
	cf_config
	docker_crash "$BASE"
	is status "$(field .delegation.exit_status)" 78
	check_core
}

@test "docker: https: a certificate that is trusted in the container, and one that is not" {
	docker_prepare
	URL=https://$GATEWAY:28443/tls
	docker_crash "$BASE" # no certificates in there: the host's are lent, and this CA is not among them
	is delegation "$(field .delegation.status)" failed
	is status "$(field .delegation.exit_status)" 77
	[[ $(field .delegation.output) == *"certificate"* ]]
	[[ ! -e $T/nginx/files/tls/$(basename "$(newest)").core.zst ]]
	forget_crashes
	docker_crash "$BASE" -v "$T/ca.pem:/etc/ssl/certs/ca-certificates.crt:ro" --user 1000
	is delegation "$(field .delegation.status)" "done"
	is digest "$(sha "$T/nginx/files/tls/$(basename "$(newest)").core.zst")" "$(field .core.sha256)"
}

@test "docker: no network: says so, the core can be pulled" {
	docker_prepare
	NETWORK=none docker_crash "$BASE"
	is "exit status" "$DOCKER_STATUS" 139
	is delegation "$(field .delegation.status)" failed
	is status "$(field .delegation.exit_status)" 75
	check_core
}

@test "docker: the init is held no longer than hold_max when the endpoint hangs" {
	docker_prepare
	# A listener that never answers.
	spawn "$T/hang.log" python3 -c "
import socket, time
s = socket.create_server(('$GATEWAY', 28044)); c = []
while True: c.append(s.accept())"
	wait_port "$GATEWAY" 28044
	URL=http://$GATEWAY:28044/
	cf_config 'hold_max = 1s' 'push_timeout = 3s'
	docker_crash "$BASE"
	is "exit status" "$DOCKER_STATUS" 139
	held=$(field .capture.held_ms)
	awk -v h="$held" 'BEGIN { exit !(h >= 1000 && h < 2500) }'
	is delegation "$(field .delegation.status)" failed
	[[ $(field .delegation.reason) == *hold_max* ]]
	check_core
}

under_way() { [[ $(field '.delegation.attempts[0].under_way' 2>/dev/null) == true && -e $T/endpoint/.again ]]; }
no_agent() { ! pgrep -f '^coreferry-agent --enter=' >/dev/null; }

@test "docker: the helper is killed in the middle of a push: the next crash's helper pushes it again, from the container" {
	cf_config 'retry_for = 5min'
	mkdir -p "$T/endpoint"
	spawn "$T/endpoint.log" python3 "$BATS_TEST_DIRNAME/endpoint.py" "$GATEWAY" 28051 "$T/endpoint"
	wait_port "$GATEWAY" 28051
	docker_start again -v "$T/tests:/t:ro" "$BASE" sleep 1000
	docker_exec again --uid 1000 --env "COREFERRY_URL=http://$GATEWAY:28051/again/slow,201" /t/crasher-static --heap 8 --random || true
	wait_until 10 under_way
	first=$(newest)
	helper=$(pgrep -o -f "^$T/bin/coreferry-helper")
	kill -9 "$helper"
	wait_until 5 no_agent
	wait_until 5 process_ended "$helper"
	COREFERRY_URL=http://$GATEWAY:28043/up crash "$T/tests/crasher-static"
	wait_quiet
	is delegation "$(field .delegation.status "$first")" "done"
	is "digest there" "$(sha "$T/endpoint/again")" "$(field .core.sha256 "$first")"
	is count "$(field .delegation.attempt_count "$first")" 2
	docker_destroy again
}
