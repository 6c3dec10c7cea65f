#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# With a container's init its container ends, and the network that a push needs: so it is held until the core is handed over,
# and no longer than hold_max. `docker run` ends as it would have without us.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	load push
	cf_up
	docker_up
	BASE=$(docker_image_base base)
	GATEWAY=$(docker_gateway)
	export BASE GATEWAY
	nginx_up "$GATEWAY"
	mkdir -m 0755 "$T/opt"
	printf '#!/bin/sh\nsleep 1\nsha256sum\necho $$\n' >"$T/opt/slow"
	chmod 0755 "$T/opt/slow"
	# One that takes all, and answers after 1.5 s.
	cat >"$T/late.py" <<-'END'
		import http.server, sys, time
		class Late(http.server.BaseHTTPRequestHandler):
		    def do_PUT(self):
		        left = int(self.headers["Content-Length"])
		        while left > 0:
		            left -= len(self.rfile.read(min(left, 1 << 20)))
		        time.sleep(1.5)
		        self.send_response(201)
		        self.end_headers()
		http.server.ThreadingHTTPServer((sys.argv[1], 28047), Late).serve_forever()
	END
	spawn "$T/late.log" python3 "$T/late.py" "$GATEWAY"
	wait_port "$GATEWAY" 28047
	docker_start hold-box -v "$T/tests:/t:ro" "$BASE" sleep 1000
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
}

# init_crash CRASHER-OPTION...: the victim is the container's init; docker_run tells its name before it crashes.
init_crash() {
	local where
	mapfile -t where <"$COREFERRY_SESSION/docker"
	STATUS=0
	DOCKER_CONFIG=$COREFERRY_SESSION/docker-config run_for 90 "${where[0]}" -H "${where[1]}" run --rm --name hold-init \
		--label "$(docker_label)" --network bridge -v "$T/tests:/t:ro" -v "$T/opt:/opt/cf:ro" \
		-e "COREFERRY_URL=${URL:-}" "$BASE" /t/crasher-static "$@" >"$T/docker.out" 2>&1 || STATUS=$?
}

# slow_link: 20 MB/s out of the container, from inside it.
slow_link() {
	local pid
	wait_until 20 docker_running
	pid=$(docker_cli inspect -f '{{.State.Pid}}' hold-init)
	nsenter -t "$pid" -n tc qdisc add dev eth0 root tbf rate 160mbit burst 256k latency 100ms
}
docker_running() { [[ $(docker_cli inspect -f '{{.State.Running}}' hold-init 2>/dev/null) == true ]]; }

held_between() {
	awk -v h="$(field .capture.held_ms)" -v from="$1" -v to="$2" 'BEGIN { print "held for", h; exit !(h >= from && h < to) }'
}

@test "hold: 100 MiB from pid 1 of docker run --rm, over a link of 20 MB/s: arrives whole" {
	type -P tc >/dev/null || { [[ ${CHECK_STRICT:-0} != 1 ]] && skip "no tc"; }
	URL=http://$GATEWAY:28080/slow
	slow_link 3>&- &
	init_crash --sleep-before 3000 --heap 100 --random
	wait
	is "exit status" "$STATUS" 139
	wait_quiet
	is delegation "$(field .delegation.status)" "done"
	(($(field .core.stored_size) > 100000000))
	held_between 4500 20000
	is digest "$(sha "$T/nginx/files/slow/$(basename "$(newest)").core.zst")" "$(field .core.sha256)"
	check_core
}

@test "hold: the endpoint hangs: released at hold_max, and the core can be pulled" {
	spawn "$T/hang.log" python3 -c "
import socket
s = socket.create_server(('$GATEWAY', 28046)); c = []
while True: c.append(s.accept())"
	wait_port "$GATEWAY" 28046
	URL=http://$GATEWAY:28046/
	cf_config 'hold_max = 2s' 'push_timeout = 20s' 'pull_match = crasher*' 'pull_window = 60s' 'scope = any'
	chgrp -R 61190 "$T/store"
	SECONDS=0
	init_crash --heap 100 --random
	is "exit status" "$STATUS" 139
	((SECONDS < 15))
	# The container is gone, and what pushed for it soon after; the core is there for others.
	wait_quiet 10
	((SECONDS < 18))
	spawn "$T/pull.log" "$T/bin/coreferryd" --store "$T/store" --config "$T/conf" --listen "$GATEWAY:28042" --user 61190:61190
	wait_port "$GATEWAY" 28042
	curl -fsS -m 30 -o "$T/pulled" "http://$GATEWAY:28042/core"
	held_between 2000 6000
	is delegation "$(field .delegation.status)" failed
	is reason "$(field .delegation.reason)" "ended by coreferry: hold_max is over, and with the held process its container ended"
	is digest "$(sha "$T/pulled")" "$(field .core.raw_sha256)"
	check_core
}

@test "hold: always, init, never: whose release waits for the handing over" {
	URL=http://$GATEWAY:28047/
	while read -r hold who from to; do
		cf_config "hold = $hold" 'push_timeout = 5s'
		forget_crashes
		if [[ $who == init ]]; then
			init_crash --heap 3
			is "exit status" "$STATUS" 139
		else
			docker_exec hold-box --env "COREFERRY_URL=$URL" /t/crasher-static --heap 3 || is status $? 139
		fi
		wait_quiet
		echo "$hold, $who: $(field .delegation)"
		held_between "$from" "$to"
		check_core
		# Its network goes with it.
		[[ $hold$who == neverinit ]] || is delegation "$(field .delegation.status)" "done"
	done <<-'END'
		init init 1500 5000
		init other 0 1000
		always init 1500 5000
		always other 1500 5000
		never init 0 1000
		never other 0 1000
	END
}

@test "hold: a program of the container as the delegate of its init" {
	cf_pattern '%P %u %g /opt/cf/slow'
	init_crash --heap 3
	is "exit status" "$STATUS" 139
	wait_quiet
	is delegation "$(field .delegation.status)" "done"
	[[ $(field .delegation.output) == "$(field .core.raw_sha256)  -"* ]]
	held_between 1000 5000
	# Longer than it is held: with the init all of its container ends, the delegate, too.
	cf_config 'hold_max = 300ms'
	forget_crashes
	init_crash --heap 3
	is "exit status" "$STATUS" 139
	wait_quiet
	is delegation "$(field .delegation.status)" failed
	is signal "$(field .delegation.term_signal)" 9
	held_between 300 1500
	check_core
}
