# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# pull.bash: a store that was made up, and coreferryd over it.

GID=61190

# store ARGS...: more crashes, see make-store.py; their ids on stdout.
store() { python3 -S "$TOP/tests/peers/make-store.py" "$T/store" --gid "$GID" "$@"; }

# serve [CONFIG LINE]...: a server at $URL.
serve() {
	PORT=$(free_port)
	URL=http://127.0.0.1:$PORT
	export PORT URL
	printf '%s\n' "store = $T/store" "$@" >"$T/conf"
	spawn "$T/server.log" "$T/bin/coreferryd" --config "$T/conf" --listen "127.0.0.1:$PORT" --user "$GID:$GID"
	SERVER=$SPAWNED_PID
	export SERVER
	wait_port 127.0.0.1 "$PORT"
}

serve_no_more() {
	kill -TERM "$SERVER"
	wait_until 10 gone "$SERVER"
}
gone() { [[ ! -e /proc/$1 ]]; }

# get PATH [CURL OPTION]...: the status; the body in $T/body, the headers in $T/headers.
get() {
	local path=$1
	shift
	curl -s -m 20 -o "$T/body" -D "$T/headers" -w '%{http_code}' "$@" "$URL$path"
}

# header NAME
header() { sed -n "s/^$1: \(.*\)\r$/\1/Ip" "$T/headers"; }
