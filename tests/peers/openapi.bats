#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# docs/openapi.yaml says what the server does: each answer that it describes is asked for, and checked against it.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	load pull
	peers_up
}
teardown_file() {
	load common
	peers_down
}

@test "openapi: what the server answers is what its description says, and all of it" {
	load common
	load pull
	store --count 1 --size 0 --number 1
	store --count 1 --size 5000 --number 2 --root-only
	store --count 3 --size 50000 --number 3
	token=$(head -c 24 /dev/urandom | base64)
	printf 'remover read,delete %s\n' "$(printf %s "$token" | sha256sum | cut -d' ' -f1)" >"$T/tokens"
	chgrp "$GID" "$T/tokens"
	chmod 0640 "$T/tokens"
	serve "tokens_file = $T/tokens" 'pull_window = 1h'
	/usr/bin/python3 "$BATS_TEST_DIRNAME/openapi.py" "$TOP/docs/openapi.yaml" "$URL" "$token"
}
