# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# receive.bash: coreferryd --receive by hand, for the tests of this folder.

# receiver [OPTION]...: coreferryd on a free port of 127.0.0.1, as user 1000, into $T/in; sets URL and RECEIVER (its pid).
receiver() {
	PORT=${PORT:-$(free_port)} URL=http://127.0.0.1:$PORT
	if [[ ! -d $T/in ]]; then
		mkdir -m 0750 "$T/in"
		chown 1000:1000 "$T/in"
	fi
	[[ -e $T/conf ]] || receiver_config ''
	spawn "$T/log" "$T/bin/coreferryd" --config "$T/conf" --receive "$T/in" --listen "127.0.0.1:$PORT" --user 1000:1000 "$@"
	RECEIVER=$SPAWNED_PID
	wait_port 127.0.0.1 "$PORT"
}

receiver_config() { (umask 022 && printf '%s\n' "$@" >"$T/conf"); }

# stop SIGNAL: the receiver, and waits until it is gone.
receiver_end() {
	kill -s "$1" "$RECEIVER"
	wait_until 10 gone "$RECEIVER"
}
gone() { ! kill -0 "$1" 2>/dev/null; }

# id N: a crash's id.
id() { printf '20261121T%02d%02d%02d.123456Z-4166-9f3c' $(($1 / 3600)) $(($1 / 60 % 60)) $(($1 % 60)); }

# b64 TEXT
b64() { printf %s "$1" | base64 -w0; }

# http STATUS CURL-ARGUMENT...: asks; the answer's headers are in $T/headers, its body in $T/body.
http() {
	local expected=$1 status
	shift
	status=$(curl -sS -m 60 -o "$T/body" -D "$T/headers" -w '%{http_code}' "$@") || true
	[[ $status == "$expected" ]] && return 0
	printf 'status %s, should be %s\n' "$status" "$expected"
	cat "$T/headers" "$T/body" "$T/log"
	return 1
}

# header NAME: of the last answer.
header() { tr -d '\r' <"$T/headers" | sed -n "s/^$1: //Ip" | tail -n 1; }

# tus_create LENGTH [CURL-ARGUMENT]...: LOCATION.
tus_create() {
	local length=$1
	shift
	http 201 -X POST "$URL/cores" -H 'Tus-Resumable: 1.0.0' -H "Upload-Length: $length" "$@" || return 1
	LOCATION=$URL$(header Location)
}

# tus_patch STATUS OFFSET FILE [CURL-ARGUMENT]...: sends FILE from byte OFFSET on.
tus_patch() {
	local status=$1 offset=$2 file=$3
	shift 3
	tail -c "+$((offset + 1))" "$file" >"$T/rest"
	http "$status" -X PATCH "$LOCATION" -H 'Tus-Resumable: 1.0.0' -H "Upload-Offset: $offset" -H 'Expect:' \
		-H 'Content-Type: application/offset+octet-stream' --data-binary "@$T/rest" "$@"
}

# tus_offset: what the server has.
tus_offset() { http 200 -I "$LOCATION" -H 'Tus-Resumable: 1.0.0' && header Upload-Offset; }

# received ID FILE [DIRECTORY]: the core of FILE is there, whole, and its record is right; nothing half stands about.
received() {
	local dir=$T/in${3:+/$3}/$1
	is "core" "$(sha "$dir/core")" "$(sha "$2")" || return 1
	is "record" "$(jq -r .core.raw_sha256 "$dir/crash.json")" "$(sha "$2")"
}

partials() { find "$T/in" -name '*.partial' | wc -l; }
