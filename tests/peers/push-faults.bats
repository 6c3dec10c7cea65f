#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The agent and servers that fail, lie, or never end; and configurations that are traps. Each ends soon, with a status that says
# whether to try again, and with the reason; none makes it take more memory than an honest one does.

# shellcheck disable=SC2030,SC2031 # each test sets its own status and report
load common
# shellcheck source=tests/peers/peers.bash
source "$TOP/tests/peers/peers.bash"

ID=20261121T023753.123456Z-4166-9f3c

setup_file() {
	peers_up
	core_file "$T/core" 4
	PORT=$(free_port)
	export PORT
	spawn "$T/faulty.log" python3 "$PEERS/faulty-server.py" "$PORT" "$T/requests"
	wait_port 127.0.0.1 "$PORT"
}

teardown_file() { peers_down; }

# push_to PATH [agent's arguments]...: $status, $report, what it said in $T/said; 20 s at most.
push_to() {
	local path=$1 seconds=$SECONDS
	shift
	: >"$T/requests"
	status=0
	report=$(timeout 20 bash -c "$(declare -f agent sha); agent \"\$@\"" - "$T/core.zst" "$ID" "COREFERRY_URL=http://127.0.0.1:$PORT/$path" \
		"$@" 2>"$T/said" | tail -n 1; exit "${PIPESTATUS[0]}") || status=$?
	((SECONDS - seconds < 15)) || { echo "$path: took $((SECONDS - seconds)) s"; return 1; }
	# Nothing that a server says reaches a terminal, or begins a line of its own.
	! grep -aqP '[\x00-\x09\x0b-\x1f\x7f]' "$T/said" || return 1
	is "lines" "$(grep -vc '^coreferry-agent: ' "$T/said")" 0
}

# ends PATH STATUS TEXT: so it ends, and the report says so too.
ends() {
	push_to "$1" || return 1
	[[ $status == "$2" && $report == *"$3"* ]] && return 0
	echo "$1: status $status, should be $2 with '$3'"
	cat "$T/said"
	echo "$report"
	return 1
}

# methods: of all requests, in their order.
methods() { jq -r .method "$T/requests" | tr '\n' ' '; }
bytes_sent() { jq -s 'map(.body) | add' "$T/requests"; }

@test "push, faults: each answer has its status, and says what the server said, on one line" {
	while read -r path want text; do
		ends "$path" "$want" "$text"
	done <<-'END'
		201 0 "verified":"answer"
		500 75 the server answered 500: it is so
		503r7 75 "retry_after_s":7
		503 75 the server answered 503
		409 76 the server answered 409
		409r3 75 "retry_after_s":3
		413 76 the server answered 413
		401 77 the server answered 401
		403 77 the server answered 403
		404 76 the server answered 404
		507 75 the server answered 507
		304 76 the server answered 304
		cut 75 mpty reply
		options503 75 "retry_after_s":7
	END
	push_to early413
	is "status" "$status" 76
	[[ $report == *"too large for us"* && $report != *'"sent"'* ]] # not a byte was sent for nothing
}

@test "push, faults: a core is delivered only if the server has what was sent" {
	size=$(stat -c %s "$T/core.zst")
	while read -r path want text; do
		ends "$path" "$want" "$text"
	done <<-END
		digest 0 "verified":"digest"
		headdigest 0 "verified":"digest"
		bodydigest 0 "verified":"answer"
		ok 0 "verified":"size"
		baddigest 76 not delivered: the server has something else
		shorter 76 not delivered: the server has $((size - 1)) bytes, and was sent $size
	END
}

@test "push, faults: answers without end, headers of a MiB, compressed bombs" {
	while read -r path want text; do
		ends "$path" "$want" "$text"
	done <<-'END'
		header 76 the headers of the answer are too long
		headers 76 the headers of the answer are too long
		interim 76 the headers of the answer are too long
		body 0 "verified":"answer"
		bomb 0 "status":201
	END
	is "encodings that were asked for" "$(jq -r '.headers["Accept-Encoding"] // empty' "$T/requests")" ''
}

@test "push, faults: redirects: five at most, to no other scheme, and without what is not theirs" {
	while read -r path want text; do
		ends "$path" "$want" "$text"
	done <<-'END'
		loop/x 76 more than 5 redirects
		tofile 76 leads to another scheme
		togopher 76 Location
		todict 76 Location
		touser 76 names a user
		tojunk 76 Location
		toother 0 /ok/20261121T023753.123456Z-4166-9f3c.core.zst
	END
	# Name and password, Authorization: for the first server only.
	echo "Bearer s3cret" >"$T/token"
	chmod 0644 "$T/token"
	echo "authorization_file = $T/token" >"$T/agent.conf"
	push_to toother -- --config "$T/agent.conf"
	is "who was told" "$(jq -r 'select(.headers.Authorization) | .method + " " + .path' "$T/requests")" "OPTIONS /toother"
	push_to ok COREFERRY_URL="http://me:pa%73s@127.0.0.1:$PORT/toother"
	is "who was told" "$(jq -r 'select(.headers.Authorization) | .headers.Authorization + " " + .path' "$T/requests")" \
		"Basic $(printf me:pass | base64) /toother"
	is "secrets" "$(grep -c 's3cret\|pass' "$T/said")" 0
	[[ $report != *pas* ]]
	# Elsewhere after some of it was sent: the next attempt goes there at once.
	push_to later307
	is "status" "$status" 75
	resume=$(report_field .resume)
	is "resume" "$resume" "put:http://127.0.0.1:$PORT/ok/$ID.core.zst"
	push_to later307 CORE_RESUME="$resume"
	is "status" "$status" 0
	is "requests" "$(methods)" "PUT HEAD "
}

@test "push, faults: tus: offsets that cannot be, and uploads that are nowhere" {
	while read -r path want text; do
		ends "$path" "$want" "$text"
		[[ $want == 75 ]] || is "$path: resume" "$(report_field '.resume // "none"')" none
	done <<-'END'
		tusbeyond 76 beyond the upload's end
		tusback 76 is not a number
		tusnan 76 is not a number
		tusminus 76 is not a number
		tusmore 76 beyond
		tusliar 76 went backwards
		tusdigest 76 not delivered: the server has something else
		tusnowhere 76 does not say where
		tus413 76 the server answered 413
		tus2file 76 leads to another scheme
		tus2long 76 does not say where
		tusgone 75 the upload is gone
		tus409 75 409
		tuszero 75 did not take all
	END
	# Elsewhere after it was sent: the next attempt goes there at once.
	push_to tuselsewhere
	is "status" "$status" 75
	is "resume" "$(report_field .resume)" "tus:0:http://127.0.0.1:$PORT/tusok/upload"
	push_to tuselsewhere CORE_RESUME="$(report_field .resume)"
	is "status" "$status" 0
	is "requests" "$(methods)" "HEAD PATCH HEAD "
	# It had more before than it has now.
	ends_with "tus:9:http://127.0.0.1:$PORT/tusback/upload" 76 "went backwards"
	ends_with "tus:99999999999:http://127.0.0.1:$PORT/tusback/upload" 0 verified
}
ends_with() {
	push_to ok CORE_RESUME="$1"
	[[ $status == "$2" && $report == *"$3"* ]] || { cat "$T/said"; echo "$status $report"; return 1; }
}

# (file: is a way to push, by which root may replace files of its own: push-put.bats tries that as somebody else.)
@test "push, faults: URLs and settings that are traps: named, soon, and without a request" {
	for url in gopher://127.0.0.1:$PORT/x dict://127.0.0.1:$PORT/x ftp://127.0.0.1/x 127.0.0.1:$PORT \
		$'http://127.0.0.1/\r\nX: y' 'http://127.0.0.1/?a' "http://127.0.0.1:$PORT/"$'\n' "http://a%0d%0a:b@127.0.0.1:$PORT/" \
		'http+unix:///run/x/y' 'http+unix://%2Fetc%2Fshadow%00/x' http:/// "$(printf 'http://127.0.0.1/%05000d' 0)"; do
		push_to ok COREFERRY_URL="$url"
		is "status of ${url:0:100}" "$status" 78
		is "requests" "$(methods)" ''
	done
	mkfifo "$T/fifo"
	mkdir -p "$T/dir"
	truncate -s 1G "$T/huge"
	printf 'Bearer a\x01b\n' >"$T/control"
	printf '\xc3\xbc\n' >"$T/not-ascii"
	: >"$T/empty"
	for key in ca_file client_cert client_key authorization_file; do
		paths=("$T/fifo")
		[[ $key != authorization_file ]] || paths+=("$T/dir" "$T/huge" /dev/zero /nonexistent /proc/self/mem)
		for path in "${paths[@]}"; do
			echo "$key = $path" >"$T/agent.conf"
			push_to ok -- --config "$T/agent.conf"
			is "$key = $path" "$status" 78
			[[ $report == *"$key: $path: cannot be read"* ]]
			is "requests" "$(methods)" ''
		done
	done
	for path in "$T/control" "$T/not-ascii" "$T/empty"; do
		echo "authorization_file = $path" >"$T/agent.conf"
		push_to ok -- --config "$T/agent.conf"
		is "authorization_file = $path" "$status" 78
		is "requests" "$(methods)" ''
	done
	for path in "$T/fifo" "$T/dir" "$T/huge" /dev/zero; do
		push_to ok -- --config "$path"
		is "--config $path" "$status" 78
	done
	# A bundle without a certificate, keys that are none: https fails; http does not care.
	for key in ca_file client_cert; do
		echo "$key = $T/not-ascii" >"$T/agent.conf"
		push_to ok COREFERRY_URL="https://127.0.0.1:$PORT/" -- --config "$T/agent.conf"
		is "https with $key" "$status" 77
		push_to ok -- --config "$T/agent.conf"
		is "http with $key" "$status" 0
	done
	# What comes from the environment may be wrong, too.
	push_to ok SSL_CERT_FILE="$T/fifo"
	is "SSL_CERT_FILE" "$status" 0
	push_to ok CORE_DEFAULT_ENCODING=gzip
	is "encoding" "$status" 78
	status=0
	env -i CORE_ID="$ID" COREFERRY_URL="http://127.0.0.1:$PORT/ok" CORE_SIZE=1000000000 "$T/bin/coreferry-agent" \
		<"$T/core" >"$T/out" 2>"$T/said" || status=$?
	is "a core that ends early" "$status" 74
	grep -q "not of the size that it should have" "$T/said"
}

@test "push, faults: credentials in agent.conf are for the url in agent.conf" {
	echo "Bearer s3cret" >"$T/token"
	printf '%s\n' "url = http://127.0.0.1:1/x" "authorization_file = $T/token" >"$T/agent.conf"
	push_to ok -- --config "$T/agent.conf"
	is "status" "$status" 0
	is "who was told" "$(jq -r 'select(.headers.Authorization) | .path' "$T/requests")" ''
	grep -q "credentials in agent.conf are for its own url" "$T/said"
	printf '%s\n' "url = http://127.0.0.1:$PORT/elsewhere" "authorization_file = $T/token" >"$T/agent.conf"
	push_to ok -- --config "$T/agent.conf"
	is "status" "$status" 0
	is "who was told" "$(jq -r 'select(.headers.Authorization) | .method' "$T/requests" | tr '\n' ' ')" "OPTIONS PUT HEAD "
	is "secrets" "$(grep -c s3cret "$T/said")" 0
}
