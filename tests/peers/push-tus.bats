#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The agent's uploads by tus, to a server that is not ours (@tus/server): as a whole, cut at many places, with a server that is
# killed in between, and gone on with from any of them.

load common
# shellcheck source=tests/peers/peers.bash
source "$TOP/tests/peers/peers.bash"

ID=20261121T023753.123456Z-4166-9f3c

setup_file() {
	peers_up
	core_file "$T/core" 60
	: >"$T/agent.log"
}

teardown_file() { peers_down; }

setup() {
	need_npm_peers
	TUS_PORT=$(free_port)
	rm -rf "$T/tus" "$T/tus.log"
	tus_server_up "$TUS_PORT" "$T/tus"
	URL=http://127.0.0.1:$TUS_PORT/files
}

# check_upload FILE: the server has it, whole, and nothing else.
check_upload() {
	is "uploads" "$(tus_files "$T/tus" | wc -l)" 1 || return 1
	is "digest at the server" "$(sha "$(tus_files "$T/tus")")" "$(sha "$1")" || return 1
	is "offset" "$(report_field ".offset // 0")" "$(stat -c %s "$1")" || return 1
	is "total" "$(report_field ".total // 0")" "$(stat -c %s "$1")" || return 1
	is "protocol" "$(report_field .protocol)" tus || return 1
	is "resume" "$(report_field '.resume // "none"')" none || return 1
	is "verified" "$(report_field .verified)" size
}

@test "push, tus: a core as it is stored, and unpacked by the agent, with what it is" {
	push_until_done "$T/core.zst" "$ID" COREFERRY_URL="$URL" CORE_EXE=$'/opt/a b\r\nX: y,z' CORE_COMM=
	check_upload "$T/core.zst"
	is "attempts" "$attempts" 1
	json=$(cat "$T"/tus/*.json)
	is "filename" "$(jq -r .metadata.filename <<<"$json")" "$ID.core.zst"
	is "filetype" "$(jq -r .metadata.filetype <<<"$json")" application/zstd
	is "sha256" "$(jq -r .metadata.sha256 <<<"$json")" "$(sha "$T/core.zst")"
	is "exe" "$(jq -r '.metadata["x-executable-path"]' <<<"$json")" '/opt/a%20b%0d%0aX:%20y,z'
	is "raw size" "$(jq -r '.metadata["x-core-size"]' <<<"$json")" "$(stat -c %s "$T/core")"
	rm -rf "$T"/tus/*
	push_until_done "$T/core.zst" "$ID" COREFERRY_URL="$URL" CORE_DEFAULT_ENCODING=identity
	check_upload "$T/core"
	is "filename" "$(jq -r .metadata.filename "$T"/tus/*.json)" "$ID.core"
	# The slash at the end makes no difference, and what is empty is whole.
	rm -rf "$T"/tus/*
	: >"$T/empty"
	push_until_done "$T/empty" "$ID" COREFERRY_URL="$URL/"
	check_upload "$T/empty"
}

@test "push, tus: cut at 12 places, each attempt goes on where the server is" {
	port=$(free_port)
	# Among them before the first answer, in headers, and close to the end.
	printf '%s\n' 100 66000 900 1100 700 500000 1000001 3333333 7000000 9999999 12000000 400000 >"$T/cuts"
	cutting_proxy_up "$port" "$TUS_PORT" "$T/cuts" "$T/cut"
	push_until_done "$T/core.zst" "$ID" COREFERRY_URL="http://127.0.0.1:$port/files"
	is "cuts" "$(wc -l <"$T/cut")" 12
	is "offset at the end" "$(report_field .offset)" "$(stat -c %s "$T/core.zst")"
	is "digest" "$(sha "$(find "$T/tus" -type f ! -name '*.json' -size +10M)")" "$(sha "$T/core.zst")"
	# What was sent in all is not much more than the core: nothing was begun anew.
	sent=$(awk '{ sum += $1 } END { print sum }' "$T/cut")
	echo "cut after $sent bytes in all, $attempts attempts, the last sent $(report_field .sent)"
	((sent > 30000000 && $(report_field .sent) < $(stat -c %s "$T/core.zst") - 20000000))
}

@test "push, tus: unpacked, and cut" {
	port=$(free_port)
	printf '%s\n' 20000000 20000000 >"$T/cuts"
	cutting_proxy_up "$port" "$TUS_PORT" "$T/cuts"
	push_until_done "$T/core.zst" "$ID" COREFERRY_URL="http://127.0.0.1:$port/files" COREFERRY_ENCODING=identity
	check_upload "$T/core"
	is "attempts" "$attempts" 3
	# By hand, from a file, it goes back by itself: one attempt.
	rm -rf "$T"/tus/*
	printf '%s\n' 9000000 1000 9000000 >"$T/cuts"
	report=$(env -i CORE_ID="$ID" COREFERRY_URL="http://127.0.0.1:$port/files" "$T/bin/coreferry-agent" <"$T/core" 2>>"$T/agent.log" | tail -n 1
		exit "${PIPESTATUS[0]}")
	check_upload "$T/core"
}

@test "push, tus: the server is killed in the middle, twice, and started again" {
	port=$(free_port)
	printf '%s\n' 25000000/s 25000000/s 25000000/s >"$T/cuts"
	cutting_proxy_up "$port" "$TUS_PORT" "$T/cuts"
	push_until_done "$T/core.zst" "$ID" COREFERRY_URL="http://127.0.0.1:$port/files" &
	pusher=$!
	for mib in 8 24; do
		wait_until 20 has_grown_to "$((mib << 20))"
		tus_server_kill
		tus_server_up "$TUS_PORT" "$T/tus"
	done
	wait "$pusher"
	is "digest" "$(sha "$(tus_files "$T/tus")")" "$(sha "$T/core.zst")"
}
has_grown_to() { (($(stat -c %s "$(tus_files "$T/tus" | head -n 1)" 2>/dev/null || echo 0) >= $1)); }

@test "push, tus: what the server has forgotten is begun anew; what is given up is removed there" {
	port=$(free_port)
	echo 5000000 >"$T/cuts"
	cutting_proxy_up "$port" "$TUS_PORT" "$T/cuts"
	ATTEMPTS_MAX=1 push_until_done "$T/core.zst" "$ID" COREFERRY_URL="http://127.0.0.1:$port/files" && false
	is "status" "$?" 75
	resume=$(report_field .resume)
	[[ $resume == tus:*:http://127.0.0.1:$port/files/* ]]
	rm -rf "$T"/tus/*
	report=$(agent "$T/core.zst" "$ID" COREFERRY_URL="$URL" CORE_RESUME="$resume" | tail -n 1)
	check_upload "$T/core.zst"
	# A resume that leads nowhere, or is none, does no harm.
	for resume in "tus:1:file:///nonexistent/core" "tus:-1:$URL/x" "put:$URL" nonsense "tus:0:$URL/../../x"; do
		rm -rf "$T"/tus/*
		status=0
		report=$(agent "$T/core.zst" "$ID" COREFERRY_URL="$URL" CORE_RESUME="$resume" | tail -n 1
			exit "${PIPESTATUS[0]}") || status=$?
		if [[ $resume == put:* ]]; then
			is "status of a PUT to a tus server" "$status" 76
		else
			check_upload "$T/core.zst"
		fi
	done
	# A DELETE, and one more of what is not there any more.
	rm -rf "$T"/tus/*
	echo 5000000 >"$T/cuts"
	ATTEMPTS_MAX=1 push_until_done "$T/core.zst" "$ID" COREFERRY_URL="http://127.0.0.1:$port/files" && false
	is "status" "$?" 75
	resume=$(report_field .resume)
	is "uploads" "$(tus_files "$T/tus" | wc -l)" 1
	for _ in 1 2; do
		agent "$T/core.zst" "$ID" COREFERRY_URL="$URL" CORE_RESUME="$resume" CORE_ABANDON=1
		is "uploads" "$(tus_files "$T/tus" | wc -l)" 0
	done
}
