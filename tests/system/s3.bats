#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Real crashes whose cores go to a real S3 endpoint (Debian's Swift) with the keys of the container.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	load ../peers/swift
	cf_up
	docker_up
	BASE=$(docker_image_base base)
	export BASE
	swift_up
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	load ../peers/swift
	cf_config
	cf_default_pattern
	forget_crashes
}

cf_free_port() { python3 -Sc 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# docker_crash SECRET ARGUMENT...: on the host's network, where the endpoint is.
docker_crash() {
	local secret=$1 where
	shift
	mapfile -t where <"$COREFERRY_SESSION/docker"
	DOCKER_STATUS=0
	DOCKER_CONFIG=$COREFERRY_SESSION/docker-config run_for 60 "${where[0]}" -H "${where[1]}" run --rm --label "$(docker_label)" \
		--network host --read-only --user 1000 --cap-drop ALL -v "$T/tests:/t:ro" -e COREFERRY_URL=s3://cores/farm \
		-e AWS_ENDPOINT_URL_S3="http://127.0.0.1:${ENDPOINT:-$SWIFT}" -e AWS_ACCESS_KEY_ID=test:tester -e AWS_SECRET_ACCESS_KEY="$secret" \
		-e AWS_SESSION_TOKEN=token/+ "$BASE" "$@" >"$T/docker.out" 2>&1 || DOCKER_STATUS=$?
	wait_quiet
}

@test "s3: docker: at once, from a confined agent; a wrong secret says so" {
	docker_crash testing /t/crasher-static --heap 3 --random
	is "exit status" "$DOCKER_STATUS" 139
	check_core
	is delegation "$(field .delegation.status)" "done"
	is digest "$(s3_object "farm/$(basename "$(newest)").core.zst")" "$(field .core.sha256)"

	forget_crashes
	docker_crash wrong-secret /t/crasher-static
	check_core
	is delegation "$(field .delegation.status)" failed
	[[ $(field .delegation.output) == *"403 SignatureDoesNotMatch"* ]]
	[[ $(<"$(newest)/crash.json") != *wrong-secret* ]]
}

@test "s3: docker: in parts; the next attempt goes on where one ended; given up for good, nothing is left at the endpoint" {
	ENDPOINT=$(cf_free_port)
	mkdir "$T/proxy"
	for _ in 1 2 3 4 5; do echo 'partNumber=9& fail 503 SlowDown'; done >"$T/proxy/rules"
	spawn "$T/proxy.log" python3 "$TOP/tests/peers/s3-proxy.py" "$ENDPOINT" "$SWIFT" "$T/proxy"
	wait_port 127.0.0.1 "$ENDPOINT"
	cf_config 'retry_for = 1min'
	docker_crash testing /t/crasher-static --heap 90 --random
	check_core
	is delegation "$(field .delegation.status)" "done"
	is digest "$(s3_object "farm/$(basename "$(newest)").core.zst")" "$(field .core.sha256)"
	(($(field .core.stored_size) > 64 << 20))
	is attempts "$(field '.delegation.attempts | length')" 2
	# Each part but the one that failed is sent once.
	is "parts sent twice" "$(jq -r .request "$T/proxy/requests" | grep -o 'partNumber=[0-9]*' | sort | uniq -d)" "partNumber=9"
	is "uploads left" "$(s3_uploads)" 0

	forget_crashes
	echo 'partNumber=3& hang' >"$T/proxy/rules"
	cf_config 'push_timeout = 3s'
	docker_crash testing /t/crasher-static --heap 90 --random
	check_core
	is delegation "$(field .delegation.status)" failed
	[[ $(field .delegation.reason) == *push_timeout* ]]
	is "uploads left" "$(s3_uploads)" 0
}
