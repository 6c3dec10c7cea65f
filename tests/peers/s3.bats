#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# s3://: the agent by hand, with Debian's Swift (s3api verifies signatures, digests and parts), and with a proxy before it
# where requests have to fail.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	load swift
	peers_up
	swift_up
	PROXY=$(free_port)
	export PROXY
	mkdir "$T/proxy"
	: >"$T/proxy/rules"
	spawn "$T/proxy.log" python3 "$BATS_TEST_DIRNAME/s3-proxy.py" "$PROXY" "$SWIFT" "$T/proxy"
	wait_port 127.0.0.1 "$PROXY"
	core_file "$T/small" 6
	head -c 110000000 /dev/urandom >"$T/large" # 21 parts, the last one short
	sha "$T/large" >"$T/large.sha256"
}
teardown_file() {
	load common
	peers_down
}
setup() {
	load common
	load swift
	: >"$T/proxy/rules"
	: >"$T/proxy/requests"
	AGENT_OPTIONS=()
	next_id
}

next_id() { ID=20261121T023753.123456Z-$((RANDOM + 1))-9f3c; }

# push FILE URL [VARIABLE=VALUE]...: by way of the proxy; STATUS, the report in $T/report.
push() {
	local file=$1 url=$2 encoding=identity digest
	shift 2
	[[ $file != *.zst ]] || encoding=zstd
	if [[ $file == "$T/large" ]]; then digest=$(<"$T/large.sha256"); else digest=$(sha "$file"); fi
	STATUS=0
	env -i CORE_ID="$ID" CORE_ENCODING=$encoding CORE_SIZE="$(stat -c %s "$file")" CORE_SHA256="$digest" \
		AWS_ENDPOINT_URL_S3="http://127.0.0.1:$PROXY" AWS_ACCESS_KEY_ID=test:tester AWS_SECRET_ACCESS_KEY=testing \
		COREFERRY_URL="$url" "$@" "$T/bin/coreferry-agent" "${AGENT_OPTIONS[@]}" < <(cat "$file") >"$T/report" 2>"$T/log" || STATUS=$?
}

report() { tail -n 1 "$T/report" | jq -r "$1"; }

# asked REGEX: how many requests there were like that.
asked() { jq -r .request "$T/proxy/requests" | grep -cE "$1" || true; }

hangs() { grep -q '"action": "hang"' "$T/proxy/requests"; }

# push_in_background FILE URL [VARIABLE=VALUE]...: the same, until a request hangs; AGENT is its pid.
push_in_background() {
	local file=$1 url=$2
	shift 2
	env -i CORE_ID="$ID" CORE_ENCODING=identity CORE_SIZE="$(stat -c %s "$file")" \
		AWS_ENDPOINT_URL_S3="http://127.0.0.1:$PROXY" AWS_ACCESS_KEY_ID=test:tester AWS_SECRET_ACCESS_KEY=testing \
		COREFERRY_URL="$url" "$@" "$T/bin/coreferry-agent" < <(cat "$file") >"$T/report" 2>"$T/log" &
	AGENT=$!
	wait_until 30 hangs
}

@test "s3: one PUT: the object, its metadata, its digest checked at both ends" {
	push "$T/small.zst" s3://cores/a/b/ CORE_EXE=$'/usr/bin/x\r\nX-Evil: 1' CORE_COMM=x CORE_CONTAINER='../c d' \
		CORE_HOSTNAME="$(printf '%0600d' 0)" CORE_SIGNAL=11
	is status "$STATUS" 0
	is digest "$(s3_object "a/b/$ID.core.zst")" "$(sha "$T/small.zst")"
	is verified "$(report .verified)" digest
	is protocol "$(report .protocol)" s3
	s3_curl "/cores/a/b/$ID.core.zst" -I >"$T/headers"
	grep -qi '^x-amz-meta-executable-path: /usr/bin/x%0d%0aX-Evil:%201' "$T/headers"
	grep -qi '^x-amz-meta-core-container: ../c%20d' "$T/headers"
	grep -qi '^content-type: application/zstd' "$T/headers"
	[[ $(<"$T/headers") != *hostname* ]] # longer than S3 takes
	is requests "$(asked .)" 2

	# What Swift is told to expect, and does not get.
	push "$T/small" s3://cores CORE_SHA256="$(sha "$T/small.zst")"
	is status "$STATUS" 75
	is "no object" "$(s3_curl "/cores/$ID.core" -o /dev/null -w '%{http_code}')" 404
	# Of the form that the endpoint wants.
	push "$T/small.zst" s3://cores CORE_DEFAULT_ENCODING=identity CORE_RAW_SIZE="$(stat -c %s "$T/small")" \
		CORE_RAW_SHA256="$(sha "$T/small")"
	is status "$STATUS" 0
	is digest "$(s3_object "$ID.core")" "$(sha "$T/small")"
}

@test "s3: key template: what the victim chose stays in its segment" {
	printf '%s\n' 's3_key = {container}/{exe}/{host}-{id}{suffix}' >"$T/agent.conf"
	env -i CORE_ID="$ID" AWS_ENDPOINT_URL="http://127.0.0.1:$SWIFT" AWS_ACCESS_KEY_ID=test:tester \
		AWS_SECRET_ACCESS_KEY=testing CORE_CONTAINER=../.. CORE_EXE='/usr/bin/a b' CORE_HOSTNAME=$'h\n' \
		"$T/bin/coreferry-agent" --config "$T/agent.conf" --url s3://cores/p <"$T/small" >"$T/report"
	is digest "$(s3_object "p/%252E.%252F../a%2520b/h%250A-$ID.core")" "$(sha "$T/small")"
	printf '%s\n' 's3_key = {id}/../x' >"$T/agent.conf"
	run -78 agent "$T/small" "$ID" AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b -- --config "$T/agent.conf" --url s3://cores
}

@test "s3: credentials from agent.conf and from a file; wrong, missing, of another bucket or time: why" {
	cat >"$T/credentials" <<-END
		[default]
		aws_access_key_id = nobody
		aws_secret_access_key = nothing
		[cores]
		aws_access_key_id = test:tester
		aws_secret_access_key = testing
	END
	printf '%s\n' "s3_endpoint = http://127.0.0.1:$SWIFT" "s3_credentials_file = $T/credentials" 's3_profile = cores' >"$T/file.conf"
	printf '%s\n' "s3_endpoint = http://127.0.0.1:$SWIFT" 's3_access_key = test:tester' 's3_secret_key = testing' >"$T/keys.conf"
	for conf in file keys; do
		next_id
		agent "$T/small" "$ID" -- --config "$T/$conf.conf" --url "s3://cores/$conf" >"$T/report"
		is digest "$(s3_object "$conf/$ID.core")" "$(sha "$T/small")"
	done
	# Whose secret is wrong is told so; the secret and what was signed are told to nobody.
	push "$T/small" s3://cores AWS_SECRET_ACCESS_KEY=testing-wrong
	is status "$STATUS" 77
	[[ $(report .error) == *"403 SignatureDoesNotMatch"* ]]
	[[ $(<"$T/report")$(<"$T/log") != *testing-wrong* && $(<"$T/log") != *StringToSign* ]]
	push "$T/small" s3://cores AWS_ACCESS_KEY_ID=
	is status "$STATUS" 78
	[[ $(report .error) == *AWS_ACCESS_KEY_ID* ]]
	is "nothing was asked" "$(asked 'AWS_ACCESS_KEY_ID')" 0
	push "$T/small" s3://nobody-has-this
	is status "$STATUS" 78
	[[ $(report .error) == *NoSuchBucket* ]]
	echo 'PUT fail 403 RequestTimeTooSkewed' >"$T/proxy/rules"
	push "$T/small" s3://cores
	is status "$STATUS" 77
	[[ $(report .error) == *clock* ]]
	echo 'PUT fail 503 SlowDown 7' >"$T/proxy/rules"
	push "$T/small" s3://cores
	is status "$STATUS" 75
	is "retry after" "$(report .retry_after_s)" 7
	# Where the host says that the container has no say, its endpoint is not asked.
	: >"$T/proxy/requests"
	push "$T/small" s3://cores CORE_TRUST_URL=no CORE_DEFAULT_URL=s3://cores https_proxy=http://127.0.0.1:1 AWS_REGION=..
	is status "$STATUS" 78
	is requests "$(asked .)" 0
}

@test "s3: parts: each that fails is sent again, alone; a session token is signed; nothing is left open" {
	printf '%s\n' 'partNumber=3& cut 1000000' 'partNumber=3& cut 5000000' 'partNumber=7& fail 503 SlowDown' \
		'partNumber=9& etag 00000000000000000000000000000000' 'partNumber=12& lose' 'POST.*uploads= fail 500 InternalError' \
		'POST.*uploadId late-fail InternalError' >"$T/proxy/rules"
	push "$T/large" s3://cores AWS_SESSION_TOKEN=token+/=
	cat "$T/log"
	is status "$STATUS" 0
	is digest "$(s3_object "$ID.core")" "$(<"$T/large.sha256")"
	is verified "$(report .verified)" digest
	is "parts sent" "$(asked '^PUT.*partNumber=')" 26
	is "uploads begun" "$(asked '^POST.*uploads=')" 2
	is "uploads left" "$(s3_uploads)" 0
	is "unsigned requests" "$(jq -r 'select(.headers["x-amz-security-token"] != "token+/=" or
		(.headers.authorization | test("SignedHeaders=[a-z0-9;-]*x-amz-security-token") | not)) | .request' "$T/proxy/requests")" ""
	# The metadata is that of the object, not of its parts.
	s3_curl "/cores/$ID.core" -I | grep -qi "^x-amz-meta-core-id: $ID"
}

@test "s3: killed half-way: the next attempt sends what is missing; memory; changed bytes are sent anew" {
	echo 'partNumber=15& hang' >"$T/proxy/rules"
	push_in_background "$T/large" s3://cores
	is "memory below 16 MiB" "$(awk '/VmHWM/ { print ($2 < 16384) }' "/proc/$AGENT/status")" 1
	kill -KILL "$AGENT"
	resume=$(report .resume)
	is "uploads left" "$(s3_uploads)" 1
	# Part 5 is another one at the endpoint: told by its MD5.
	query="partNumber=5&uploadId=${resume##*/}"
	s3_curl "/cores/$ID.core?$query" -f -T "$T/small" >/dev/null
	: >"$T/proxy/requests"
	push "$T/large" s3://cores CORE_RESUME="$resume"
	is status "$STATUS" 0
	is digest "$(s3_object "$ID.core")" "$(<"$T/large.sha256")"
	is "parts sent" "$(asked '^PUT.*partNumber=')" 8 # 5, and 15 to 21
	is offset "$(report .offset)" 110000000
	is "uploads left" "$(s3_uploads)" 0
	# That attempt's answer was lost, say: nothing is sent twice.
	: >"$T/proxy/requests"
	push "$T/large" s3://cores CORE_RESUME="$resume"
	is status "$STATUS" 0
	is "parts sent" "$(asked '^PUT.*partNumber=')" 0
	# The endpoint has thrown it away meanwhile: it begins anew.
	: >"$T/proxy/requests"
	echo 'GET.*uploadId= fail 404 NoSuchUpload' >"$T/proxy/rules"
	push "$T/large" s3://cores CORE_RESUME="$resume"
	is status "$STATUS" 0
	is "uploads begun" "$(asked '^POST.*uploads=')" 1
	is "parts sent" "$(asked '^PUT.*partNumber=')" 21
	# What is no resume of ours is none, and what is of another object too.
	for other in junk "s3/1/5242880/raw/0000000000000000/x"; do
		: >"$T/proxy/requests"
		push "$T/small" s3://cores CORE_RESUME="$other" CORE_ABANDON=1
		is status "$STATUS" 0
		is requests "$(asked .)" 0
	done
}

@test "s3: larger parts are sent as they are read: one that fails is the next attempt's; of unknown size: 5 MiB each" {
	echo 's3_part_size = 30M' >"$T/parts.conf"
	AGENT_OPTIONS=(--config "$T/parts.conf")
	echo 'partNumber=3& cut 9000000' >"$T/proxy/rules"
	push "$T/large" s3://cores
	is status "$STATUS" 75
	resume=$(report .resume)
	is "uploads left" "$(s3_uploads)" 1
	: >"$T/proxy/requests"
	push "$T/large" s3://cores CORE_RESUME="$resume"
	is status "$STATUS" 0
	is "parts sent" "$(asked '^PUT.*partNumber=')" 2
	is digest "$(s3_object "$ID.core")" "$(<"$T/large.sha256")"
	is verified "$(report .verified)" digest

	# A part with other bytes was passed over by then: not this upload.
	next_id
	echo 'partNumber=3& cut 9000000' >"$T/proxy/rules"
	push "$T/large" s3://cores
	resume=$(report .resume)
	truncate -s 30M "$T/zeros"
	s3_curl "/cores/$ID.core?partNumber=2&uploadId=${resume##*/}" -f -T "$T/zeros" >/dev/null
	push "$T/large" s3://cores CORE_RESUME="$resume"
	is status "$STATUS" 75
	is resume "$(report .resume)" null
	is "uploads left" "$(s3_uploads)" 0

	next_id
	: >"$T/proxy/requests"
	push "$T/large" s3://cores CORE_SIZE=
	is status "$STATUS" 0
	is "parts sent" "$(asked '^PUT.*partNumber=')" 21
	is digest "$(s3_object "$ID.core")" "$(<"$T/large.sha256")"
	echo 's3_part_size = 4M' >"$T/parts.conf"
	push "$T/large" s3://cores
	is status "$STATUS" 78
}

@test "s3: given up: SIGTERM, CORE_ABANDON, and what ends for good leave no upload" {
	echo 'partNumber=2& hang' >"$T/proxy/rules"
	push_in_background "$T/large" s3://cores
	kill -TERM "$AGENT"
	wait "$AGENT" && return 1
	is "uploads left" "$(s3_uploads)" 0

	: >"$T/proxy/requests"
	echo 'partNumber=2& hang' >"$T/proxy/rules"
	push_in_background "$T/large" s3://cores
	kill -KILL "$AGENT"
	is "uploads left" "$(s3_uploads)" 1
	push "$T/large" s3://cores CORE_ABANDON=1 CORE_RESUME="$(report .resume)"
	is status "$STATUS" 0
	is "uploads left" "$(s3_uploads)" 0

	echo 'partNumber=2& fail 403 AccessDenied' >"$T/proxy/rules"
	push "$T/large" s3://cores
	is status "$STATUS" 77
	is "uploads left" "$(s3_uploads)" 0
	is resume "$(report .resume)" null
	# The core on stdin is cut.
	push "$T/large" s3://cores CORE_SIZE=120000000
	is status "$STATUS" 74
	is "uploads left" "$(s3_uploads)" 0
}

@test "s3: an endpoint that lies: answers lost, sizes and tags that are others', no XML, entities" {
	# The answer that it is complete is lost: the object tells.
	echo 'POST.*uploadId= lose' >"$T/proxy/rules"
	push "$T/large" s3://cores
	is status "$STATUS" 0
	is verified "$(report .verified)" digest
	for rule in 'HEAD size 5' 'HEAD etag 00000000000000000000000000000000' 'HEAD fail 404 NoSuchKey'; do
		echo "$rule" >"$T/proxy/rules"
		push "$T/small" s3://cores
		is "$rule" "$STATUS" 75
	done
	# Who may write only is not told how it went; then the answer to the PUT counts.
	echo 'HEAD fail 403 AccessDenied' >"$T/proxy/rules"
	push "$T/small" s3://cores
	is status "$STATUS" 0
	is verified "$(report .verified)" digest
	printf '%s\n' 'HEAD fail 403 AccessDenied' 'PUT etag opaque-tag' >"$T/proxy/rules"
	push "$T/small" s3://cores
	is status "$STATUS" 0
	is verified "$(report .verified)" answer

	port=$(free_port)
	spawn "$T/liar.log" python3 "$BATS_TEST_DIRNAME/s3-liar.py" "$port"
	wait_port 127.0.0.1 "$port"
	for path in text doctype newline endless redirect header; do
		push "$T/large" "s3://$path" AWS_ENDPOINT_URL_S3="http://127.0.0.1:$port"
		echo "$SECONDS $path: $STATUS $(report .error)"
		[[ $STATUS == 76 || ($path == redirect && $STATUS == 78) ]]
		[[ $(tail -n 1 "$T/report" | wc -c) -lt 4096 && $(report .error) != *$'\n'* ]]
	done
}
