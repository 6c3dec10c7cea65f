#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# tus 1.0.0: uploads over several requests, cut connections, and servers that are killed.

bats_require_minimum_version 1.5.0

load common
load receive

setup_file() {
	peers_up
	core_file "$T/core" 8
}
teardown_file() { peers_down; }

setup() {
	: >"$T/log"
	unset PORT
	SIZE=$(stat -c %s "$T/core.zst")
}
teardown() {
	cat "$T/log"
	[[ -z ${RECEIVER:-} ]] || ! kill -0 "$RECEIVER" 2>/dev/null || receiver_end TERM
	rm -rf "$T/in" "$T/conf"
}

TUS=(-H 'Tus-Resumable: 1.0.0')

@test "tus: OPTIONS tells what there is; another version is told which one we speak" {
	receiver
	http 204 -X OPTIONS "$URL/cores"
	is version "$(header Tus-Version) $(header Tus-Resumable)" "1.0.0 1.0.0"
	is extensions "$(header Tus-Extension)" creation,creation-with-upload,termination,checksum,expiration
	is algorithms "$(header Tus-Checksum-Algorithm)" sha256,sha1
	http 412 -X POST "$URL/cores" -H 'Upload-Length: 5'
	http 412 -X POST "$URL/cores" -H 'Upload-Length: 5' -H 'Tus-Resumable: 0.2.2'
	is version "$(header Tus-Version)" 1.0.0
}

@test "tus: in pieces, with metadata; the record is that of a PUT, and what came is known afterwards" {
	receiver
	tus_create "$SIZE" -H "Upload-Metadata: filename $(b64 "$(id 1).core.zst"),exe $(b64 $'/opt/a b\n\x1b/x'),pid $(b64 4166),signal $(b64 11),x-core-comm $(b64 a%20%25b),comm2 $(b64 x),sha256 $(b64 "$(sha "$T/core.zst")"),whatever $(b64 x),empty"
	is expires "$(date -d "$(header Upload-Expires)" +%s | cut -c1-6)" "$(date -d tomorrow +%s | cut -c1-6)"
	head -c 1000000 "$T/core.zst" >"$T/piece"
	tus_patch 204 0 "$T/piece"
	is offset "$(header Upload-Offset) $(tus_offset)" "1000000 1000000"
	tus_patch 409 0 "$T/core.zst"
	is "offset of a 409" "$(header Upload-Offset)" 1000000
	is "nothing is visible" "$(find "$T/in" -mindepth 1 -not -path '*/.uploads*')" ''
	tus_patch 204 1000000 "$T/core.zst"
	is offset "$(header Upload-Offset)" "$SIZE"
	is digest "$(header Repr-Digest)" "sha-256=:$(openssl dgst -sha256 -binary "$T/core.zst" | base64):"
	received "$(id 1)" "$T/core"
	is record "$(jq -r '.exe, .pid, .signal, .comm' "$T/in/$(id 1)/crash.json")" $'/opt/a b\\x0a\\x1b/x\n4166\n11\na %b'
	is "offset afterwards" "$(tus_offset)" "$SIZE"
	is "what stays of it" "$(ls "$T/in/.uploads")" "${LOCATION##*/}.done"
	http 204 -X DELETE "$LOCATION" "${TUS[@]}"
	http 404 -I "$LOCATION" "${TUS[@]}"
	received "$(id 1)" "$T/core"
}

@test "tus: raw, without an id, at once with the creation; a method in a header; termination" {
	receiver
	http 201 -X POST "$URL/" "${TUS[@]}" -H "Upload-Length: $(stat -c %s "$T/core")" \
		-H 'Content-Type: application/offset+octet-stream' --data-binary "@$T/core"
	is offset "$(header Upload-Offset)" "$(stat -c %s "$T/core")"
	local made
	made=$(basename "$(echo "$T"/in/2*)")
	[[ $made =~ Z-0-[0-9a-f]{4}$ ]]
	received "$made" "$T/core"

	tus_create "$SIZE"
	tail -c +1 "$T/core.zst" | head -c 5 >"$T/piece"
	http 204 -X POST "$LOCATION" "${TUS[@]}" -H 'X-HTTP-Method-Override: PATCH' -H 'Upload-Offset: 0' \
		-H 'Content-Type: application/offset+octet-stream' --data-binary "@$T/piece"
	http 204 -X POST "$LOCATION" "${TUS[@]}" -H 'X-HTTP-Method-Override: DELETE'
	tus_patch 404 5 "$T/core.zst"
	is "nothing is left" "$(find "$T/in/.uploads" -mindepth 1 -not -name '*.done' | wc -l)" 0
}

@test "tus: a checksum that is right counts; one that is not, or of half a request, leaves the offset where it was" {
	receiver
	tus_create "$SIZE" -H "Upload-Metadata: filename $(b64 "$(id 2).core.zst")"
	head -c 700000 "$T/core.zst" >"$T/piece"
	tus_patch 460 0 "$T/piece" -H "Upload-Checksum: sha256 $(head -c 32 /dev/zero | base64)"
	is offset "$(tus_offset)" 0
	tus_patch 400 0 "$T/piece" -H 'Upload-Checksum: md5 1B2M2Y8AsgTpgAmY7PhCfg=='
	tus_patch 400 0 "$T/piece" -H 'Upload-Checksum: sha1 x'
	tus_patch 204 0 "$T/piece" -H "Upload-Checksum: sha1 $(openssl dgst -sha1 -binary "$T/piece" | base64)"
	is offset "$(tus_offset)" 700000

	# Cut off in the middle, and the server killed: what was not checked is gone.
	python3 -Sc '
import socket, sys
from urllib.parse import urlsplit
url = urlsplit(sys.argv[1])
s = socket.create_connection((url.hostname, url.port))
s.sendall(b"PATCH %s HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 700000\r\nContent-Length: 500000\r\n"
    b"Content-Type: application/offset+octet-stream\r\nUpload-Checksum: sha256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\r\n\r\n"
    % url.path.encode() + b"x" * 300000)
input()' "$LOCATION" < <(sleep 1) &
	wait_until 10 body_of 1000000
	receiver_end KILL
	wait "$!" || true
	is "what is in the file" "$(stat -c %s "$T"/in/.uploads/*/body)" 1000000
	receiver
	is offset "$(tus_offset)" 700000
	tail -c +700001 "$T/core.zst" >"$T/piece"
	tus_patch 204 700000 "$T/core.zst" -H "Upload-Checksum: sha256 $(openssl dgst -sha256 -binary "$T/piece" | base64)"
	received "$(id 2)" "$T/core"
}
body_of() { [[ $(stat -c %s "$T"/in/.uploads/*/body) == "$1" ]]; }

@test "tus: a connection that hangs does not keep its successor out" {
	receiver
	tus_create "$SIZE" -H "Upload-Metadata: filename $(b64 "$(id 3).core.zst")"
	head -c 400000 "$T/core.zst" >"$T/piece"
	python3 -Sc '
import socket, sys
from urllib.parse import urlsplit
url = urlsplit(sys.argv[1])
s = socket.create_connection((url.hostname, url.port))
s.sendall(b"PATCH %s HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Length: 500000\r\n"
    b"Content-Type: application/offset+octet-stream\r\n\r\n" % url.path.encode() + open(sys.argv[2], "rb").read())
sys.stdin.readline()
s.sendall(b"y" * 100000)
print(s.recv(1000).split(b"\r\n")[0].decode())' "$LOCATION" "$T/piece" < <(wait_until 10 test -e "$T/go" && echo) >"$T/first" &
	wait_until 10 body_of 400000
	tus_patch 204 400000 "$T/core.zst"
	touch "$T/go"
	wait "$!"
	is "the first one" "$(<"$T/first")" 'HTTP/1.1 409 Conflict'
	received "$(id 3)" "$T/core"
}

@test "tus: what is wrong is refused with a reason" {
	receiver
	local row
	for row in 'Upload-Length: -5' 'Upload-Length: +5' 'Upload-Length: 5x' 'Upload-Length: 0' 'Upload-Length: 99999999999999999999' \
		'Upload-Defer-Length: 1' 'X: y'; do
		http 400 -X POST "$URL/" "${TUS[@]}" -H "$row"
		[[ $(<"$T/body") == *Upload-Length* ]]
	done
	http 413 -X POST "$URL/" "${TUS[@]}" -H 'Upload-Length: 2000000000000'
	for row in 'a !' 'a YQ' 'a YQ==,a YQ==' 'a  YQ==' ',' "pid $(b64 -1)" "id $(b64 ../../x)" "sha256 $(b64 x)" "signal $(b64 999)" \
		"X-Core-Pid $(b64 1),pid $(b64 2)" "exe AGE="; do
		http 400 -X POST "$URL/" "${TUS[@]}" -H 'Upload-Length: 5' -H "Upload-Metadata: $row"
		[[ -s $T/body ]]
	done
	http 400 -X POST "$URL/" "${TUS[@]}" -H 'Upload-Length: 5' -H "Upload-Metadata: a $(head -c 17000 /dev/zero | base64 -w0)"
	is "1 MiB of metadata" "$(python3 -Sc '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
try:
    s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\nUpload-Metadata: a "
        + b"A" * (1 << 20) + b"\r\n\r\n")
except OSError:
    pass
print(s.recv(1000).split(b"\r\n")[0].decode())' "$PORT")" 'HTTP/1.1 431 Request Header Fields Too Large'
	http 415 -X POST "$URL/" "${TUS[@]}" -H 'Upload-Length: 5' -d 12345

	tus_create 5
	for row in -1 +0 0x0 '' 18446744073709551616; do
		http 400 -X PATCH "$LOCATION" "${TUS[@]}" -H "Upload-Offset: $row" -H 'Content-Type: application/offset+octet-stream' -d hello
		[[ $(<"$T/body") == *Upload-Offset* ]]
	done
	tus_patch 413 0 "$T/core.zst"
	printf 'x' >"$T/piece"
	http 415 -X PATCH "$LOCATION" "${TUS[@]}" -H 'Upload-Offset: 0' -d x
	http 405 -X POST "$LOCATION" "${TUS[@]}"
	http 404 -I "$URL/uploads/0123456789abcdef0123456789abcdef" "${TUS[@]}"
	http 404 -I "$URL/uploads/..%2f..%2f0123456789abcdef01234567" "${TUS[@]}"
	printf 'hello' >"$T/piece"
	tus_patch 204 0 "$T/piece" # any five bytes are a raw core
	# What all of it turns out to be: not zstd, or another digest.
	tus_create 5 -H "Upload-Metadata: filename $(b64 x.zst)"
	tus_patch 400 0 "$T/piece"
	http 404 -I "$LOCATION" "${TUS[@]}"
	tus_create 5 -H "Upload-Metadata: sha256 $(b64 "$(sha "$T/core")")"
	tus_patch 400 0 "$T/piece"
	is "cores" "$(find "$T/in" -name core | wc -l) $(partials)" "1 0"
}

@test "tus: an upload of which nothing comes any more is removed, one that goes on is not" {
	receiver_config 'receive_expire = 1h'
	receiver
	tus_create 5
	local old=${LOCATION##*/}
	tus_create 5
	touch -d '2 hours ago' "$T/in/.uploads/$old/body"
	receiver_end KILL
	receiver
	is "what is left" "$(ls "$T/in/.uploads")" "${LOCATION##*/}"
	grep -F '1 uploads of which nothing came any more are removed' "$T/log"
}
