#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Pulling over HTTP from inside: real crashes in LXC and in Docker, each container its own; the client is Python's urllib, as
# testenv has it.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up
	cp "$BUILD/tests/crasher" "$T/tests/osmo-bsc"
	cp "$BUILD/tests/crasher-static" "$T/tests/open5gs-amfd"
	cat >"$T/tests/pull.py" <<-'END'
		import hashlib, sys, urllib.request, urllib.error
		try:
		    with urllib.request.urlopen(sys.argv[1]) as r:
		        body = r.read()
		        print(r.status, dict(r.headers.items()).get("X-Executable-Path"), hashlib.sha256(body).hexdigest())
		except urllib.error.HTTPError as e:
		    print(e.code)
	END
	mkdir -p "$T/store/crashes"
	chgrp 61190 "$T/store/crashes"
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config 'pull_window = 60s' 'push = no'
	cf_default_pattern
	forget_crashes
}

# serve ADDRESS
serve() {
	spawn "$T/server.log" "$T/bin/coreferryd" --store "$T/store" --config "$T/conf" --listen "$1:28042" --user 61190:61190
	SERVER=http://$1:28042
	wait_port "$1" 28042
}

pulled() { printf '200 %s %s\n' "$1" "$(field .core.raw_sha256)"; }

@test "pull: from two LXC: each gets its own core, waited for while it is captured, and not the other's, by /core or by id" {
	for name in cfr cfs; do
		lxc_create "$name" "lxc.mount.entry = $T/tests opt/t none bind,ro,create=dir 0 0"
		lxc_start "$name"
	done
	serve "$(lxc_bridge_address)"
	ask() { lxc_exec "$1" --uid 1000 python3 -S /opt/t/pull.py "$SERVER$2"; }
	lxc_exec cfr --uid 1000 /opt/t/osmo-bsc --heap 100 || true
	is "at once" "$(ask cfr /core | cut -d' ' -f1,2)" "200 /opt/t/osmo-bsc"
	is "the other one" "$(ask cfs /core)" 404
	wait_quiet
	is digest "$(ask cfr /core)" "$(pulled /opt/t/osmo-bsc)"
	id=$(basename "$(newest)")
	is "addresses" "$(field '.container.addresses[0]')" "$(lxc_address cfr)"
	is "links" "$(field '.container.links | length')" 1
	is "its own by id" "$(ask cfr "/cores/$id/core" | cut -d' ' -f1)" 200
	is "the other's by id" "$(ask cfs "/cores/$id/core")" 404
	lxc_exec cfs /opt/t/open5gs-amfd || true
	is "the other's own" "$(ask cfs /core | cut -d' ' -f1,2)" "200 /opt/t/open5gs-amfd"
	wait_quiet
	is "and not the newest" "$(ask cfr /core | cut -d' ' -f2)" /opt/t/osmo-bsc
	is "listed" "$(lxc_exec cfr python3 -Sc "
import json, urllib.request
print([c['id'] for c in json.load(urllib.request.urlopen('$SERVER/cores'))['cores']])")" "['$id']"
	is "from the host" "$(curl -s -o /dev/null -w '%{http_code}' "$SERVER/core")" 404
	# An event comes while it listens.
	lxc_exec cfr curl -sN -m 8 "$SERVER/events" >"$T/events" 3>&- &
	wait_until 5 grep -q '^:' "$T/events"
	lxc_exec cfs /opt/t/open5gs-amfd || true
	lxc_exec cfr /opt/t/osmo-bsc || true
	wait_until 5 grep -q '^event: crash' "$T/events"
	is "one event" "$(grep -c '^event: crash' "$T/events")" 1
	wait_quiet
	is "which" "$(sed -n 's/^id: //p' "$T/events")" "$(basename "$(newest)")"
	lxc_destroy cfr
	lxc_destroy cfs
}

@test "pull: from two Docker containers on one bridge: each its own; a container on the host's network: nothing" {
	docker_up
	local image address
	image=$(docker_image_demo demo)
	serve "$(docker_gateway)"
	ask() { docker_cli exec "pull-$1" python3 -S /t/pull.py "$SERVER$2"; }
	for name in one two; do
		docker_start "pull-$name" -v "$T/tests:/t:ro" "$image" sleep 1000
	done
	docker_cli exec pull-one /t/open5gs-amfd --heap 20 || true
	wait_quiet
	id=$(basename "$(newest)")
	address=$(docker_address pull-one)
	is address "$(field '.container.addresses[0]')" "$address"
	is "its own" "$(ask one /core)" "$(pulled /t/open5gs-amfd)"
	is "the other one" "$(ask two /core)" 404
	is "the other one by id" "$(ask two "/cores/$id")" 404
	# It goes, and another one gets its address: nothing, since the link is another.
	docker_destroy pull-one
	docker_destroy pull-two
	docker_start pull-three -v "$T/tests:/t:ro" "$image" sleep 1000
	is "the same address again" "$(docker_address pull-three)" "$address"
	is "its next owner" "$(ask three /core)" 404
	docker_destroy pull-three
}
