#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What is received by PUT: tokens and their directories, quotas, digests, and what is refused.

bats_require_minimum_version 1.5.0

load common
load receive

setup_file() {
	peers_up
	core_file "$T/core" 4
}
teardown_file() { peers_down; }

setup() {
	: >"$T/log"
	unset PORT
}
teardown() {
	cat "$T/log"
	[[ -z ${RECEIVER:-} ]] || ! kill -0 "$RECEIVER" 2>/dev/null || receiver_end TERM
	rm -rf "$T/in" "$T/conf"
}

# put STATUS ID FILE [CURL-ARGUMENT]...
put() {
	local status=$1 id=$2 file=$3
	shift 3
	http "$status" -T "$file" "$URL/x/$id.core$([[ $file != *.zst ]] || echo .zst)" "$@"
}

@test "receive: a token has its rights and its directory; none, a wrong one and one that may only read are refused" {
	umask 077
	{
		echo "# ours"
		echo "ci upload $(printf %s token-of-the-ci-job | sha256sum | cut -d' ' -f1) jobs"
		echo "any upload,read $(printf %s token-of-somebody | sha256sum | cut -d' ' -f1)"
		echo "eyes read $(printf %s token-that-only-reads | sha256sum | cut -d' ' -f1)"
	} >"$T/tokens"
	chown 1000 "$T/tokens"
	receiver --tokens "$T/tokens"

	put 401 "$(id 1)" "$T/core.zst"
	is challenge "$(header WWW-Authenticate)" Bearer
	put 401 "$(id 1)" "$T/core.zst" -H 'Authorization: Bearer token-of-the-ci-joB'
	put 401 "$(id 1)" "$T/core.zst" -H 'Authorization: Basic token-of-the-ci-job'
	put 401 "$(id 1)" "$T/core.zst" -H 'Authorization: Bearer token-of-the-ci-job' -H 'Authorization: Bearer x'
	put 403 "$(id 1)" "$T/core.zst" -H 'Authorization: Bearer token-that-only-reads'
	http 401 -X POST "$URL/" -H 'Tus-Resumable: 1.0.0' -H 'Upload-Length: 5'
	is "nothing came" "$(find "$T/in" -type f | wc -l)" 0

	put 201 "$(id 1)" "$T/core.zst" -H 'Authorization: Bearer token-of-the-ci-job'
	received "$(id 1)" "$T/core" jobs
	put 201 "$(id 1)" "$T/core" -H 'Authorization: bearer token-of-somebody'
	received "$(id 1)" "$T/core"
	put 200 "$(id 1)" "$T/core.zst" -H 'Authorization: Bearer token-of-the-ci-job'
	run ! grep -F token-of "$T/log"

	# An upload belongs to the directory of the token that made it.
	tus_create "$(stat -c %s "$T/core.zst")" -H 'Authorization: Bearer token-of-the-ci-job' \
		-H "Upload-Metadata: filename $(b64 "$(id 2).core.zst")"
	tus_patch 401 0 "$T/core.zst"
	tus_patch 404 0 "$T/core.zst" -H 'Authorization: Bearer token-of-somebody'
	tus_patch 204 0 "$T/core.zst" -H 'Authorization: Bearer token-of-the-ci-job'
	received "$(id 2)" "$T/core" jobs
}

@test "receive: a file of tokens that others can read, or of nonsense, ends the start with the reason" {
	local path=$T/tokens-bad
	mkdir -m 0750 "$T/in"
	chown 1000 "$T/in"
	receiver_config
	echo "a upload nonsense" >"$path"
	chmod 0644 "$path"
	run "$T/bin/coreferryd" --config "$T/conf" --receive "$T/in" --listen 127.0.0.1:0 --user 1000:1000 --tokens "$path"
	((status == 78)) && [[ $output == *"mode 0640 at most"* ]]
	chmod 0600 "$path"
	chown 1000 "$path"
	run "$T/bin/coreferryd" --config "$T/conf" --receive "$T/in" --listen 127.0.0.1:0 --user 1000:1000 --tokens "$path"
	echo "$output"
	((status == 78)) && [[ $output == *"tokens-bad:1: the third word is the SHA-256"* && $output != *nonsense* ]]
}

@test "receive: quotas: of bytes and cores, in all and for each directory; what is removed makes room" {
	local a b
	a=$(printf %s token-of-directory-a | sha256sum | cut -d' ' -f1)
	b=$(printf %s token-of-directory-b | sha256sum | cut -d' ' -f1)
	(umask 077 && printf '%s\n' "a upload $a a" "b upload $b b" >"$T/tokens")
	chown 1000 "$T/tokens"
	receiver_config "tokens_file = $T/tokens" 'receive_max_use_each = 9M' 'receive_max_cores_each = 2' 'receive_max_cores = 3'
	receiver
	head -c 12M /dev/urandom >"$T/large"
	local as_a=(-H 'Authorization: Bearer token-of-directory-a') as_b=(-H 'Authorization: Bearer token-of-directory-b')

	put 413 "$(id 1)" "$T/large" "${as_a[@]}"
	zstd -qf -1 "$T/large" -o "$T/large.zst"
	put 413 "$(id 1)" "$T/large.zst" "${as_a[@]}"
	http 413 -X POST "$URL/" -H 'Tus-Resumable: 1.0.0' -H 'Upload-Length: 12000000' "${as_a[@]}"
	is "nothing half is left" "$(partials)" 0
	put 201 "$(id 1)" "$T/core.zst" "${as_a[@]}"
	put 201 "$(id 2)" "$T/core.zst" "${as_a[@]}"
	put 507 "$(id 3)" "$T/core.zst" "${as_a[@]}" # two are here
	http 507 -X POST "$URL/" -H 'Tus-Resumable: 1.0.0' -H 'Upload-Length: 5' "${as_a[@]}"
	put 201 "$(id 3)" "$T/core.zst" "${as_b[@]}"
	put 507 "$(id 4)" "$T/core.zst" "${as_b[@]}" # three in all
	rm -r "$T/in/a/$(id 1)"
	sleep 0.6 # it counts again no more often
	put 201 "$(id 4)" "$T/core.zst" "${as_b[@]}"
	received "$(id 4)" "$T/core" b

	# Bytes of an unfinished upload count, too.
	rm -r "$T/in/b"/2*
	sleep 0.6
	tus_create 8000000 "${as_b[@]}"
	head -c 7M /dev/zero | tr '\0' x >"$T/seven"
	tus_patch 204 0 "$T/seven" "${as_b[@]}"
	put 507 "$(id 5)" "$T/core" "${as_b[@]}"
	http 204 -X DELETE "$LOCATION" -H 'Tus-Resumable: 1.0.0' "${as_b[@]}"
	sleep 0.6
	put 201 "$(id 5)" "$T/core" "${as_b[@]}"
}

@test "receive: what is wrong is refused with a reason, and leaves nothing" {
	receiver
	put 400 "$(id 1)" "$T/core.zst" -H "Repr-Digest: sha-256=:$(head -c 32 /dev/zero | base64):"
	put 400 "$(id 1)" "$T/core.zst" -H "X-Core-Sha256: $(sha "$T/core.zst")"
	put 400 "$(id 1)" "$T/core.zst" -H 'X-Core-Size: 5'
	put 400 "$(id 1)" "$T/core.zst" -H 'X-Core-Size: -5'
	put 400 "$(id 1)" "$T/core.zst" -H 'X-Core-Size: +5'
	put 400 "$(id 1)" "$T/core.zst" -H 'X-Core-Pid: 1' -H 'X-Core-Pid: 1'
	put 400 "$(id 1)" "$T/core.zst" -H 'Transfer-Encoding: chunked' -H 'Content-Length: 5'
	http 404 -T "$T/core" "$URL/core"
	http 404 -T "$T/core" "$URL/../$(id 1).core/x"
	head -c 100000 "$T/core.zst" >"$T/half.zst"
	put 400 "$(id 1)" "$T/half.zst"
	is "nothing is left" "$(find "$T/in" -mindepth 1 | grep -vc '/.uploads$')" 0
	put 201 "$(id 1)" "$T/core.zst" -H "X-Core-Sha256: $(sha "$T/core")"
	head -c 100000 "$T/core" >"$T/other"
	put 409 "$(id 1)" "$T/other"
	received "$(id 1)" "$T/core"
}

@test "receive: many at once, each of which wants 8 MiB to be unpacked: who is too many is told to come back, and all arrive" {
	receiver
	head -c 12M /dev/urandom >"$T/wide"
	zstd -qf -1 --long=23 "$T/wide" -o "$T/wide.zst"
	local pids=() n
	for n in 1 2 3 4 5; do
		curl -sS -m 60 --retry 20 --limit-rate 12M -T "$T/wide.zst" "$URL/$(id $n).core.zst" -o "$T/said.$n" -w "%{http_code}\n" >"$T/code.$n" &
		pids+=($!)
	done
	wait "${pids[@]}"
	is "answers" "$(sort "$T"/code.* | uniq -c | xargs)" '5 201'
	for n in 1 5; do received "$(id $n)" "$T/wide"; done
	grep -q ' 503 ' "$T/log"
	local peak
	peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$RECEIVER/status")
	echo "peak: $peak KiB"
	((peak < 65536))
}
