# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# peers.bash: peers that are programs of others, for tests that have sourced a common.bash (this folder's, or the system
# tests'): spawn, wait_port, free_port and $T are theirs.

PEERS=$TOP/tests/peers

# npm_peers: what npm/package.json names, in $NODE_PATH; installed once for each build directory.
npm_peers() {
	local dir=$BUILD/peers-npm
	export NODE_PATH=$dir/node_modules
	mkdir -p "$dir"
	(
		flock 9
		cmp -s "$PEERS/npm/package-lock.json" "$dir/installed.json" && exit
		cp "$PEERS/npm/package.json" "$PEERS/npm/package-lock.json" "$dir"
		cd "$dir" && timeout 300 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm.log 2>&1 &&
			cp package-lock.json installed.json
	) 9>"$dir/lock"
}

# need_npm_peers: the same; without it tests are skipped, or fail where CHECK_STRICT=1 wants them.
need_npm_peers() {
	npm_peers && return
	cat "$BUILD/peers-npm/npm.log"
	[[ ${CHECK_STRICT:-} != 1 ]] || return 1
	skip "npm could not install the packages of tests/peers/npm"
}

# tus_server_up PORT|SOCKET DIR: @tus/server (http://127.0.0.1:PORT/files); its process is TUS_PID, its log DIR.log.
tus_server_up() {
	mkdir -p "$2"
	spawn "$2.out" node "$PEERS/tus-server.js" "$1" "$2" "$2.log"
	TUS_PID=$SPAWNED_PID
	if [[ $1 == /* ]]; then wait_until 10 test -S "$1"; else wait_port 127.0.0.1 "$1"; fi
}

# tus_server_kill: SIGKILL, and its end is waited for.
tus_server_kill() {
	kill -KILL "$TUS_PID"
	wait_until 10 tus_server_is_gone
}
tus_server_is_gone() { ! kill -0 "$TUS_PID" 2>/dev/null; }

# tus_files DIR: the uploads' files (beside each stands its .json).
tus_files() { find "$1" -maxdepth 1 -type f ! -name '*.json'; }

# cutting_proxy_up PORT TARGET-PORT CUTS [LOG]: see cutting-proxy.py.
cutting_proxy_up() {
	spawn "$3.out" python3 -u "$PEERS/cutting-proxy.py" "$@"
	wait_port 127.0.0.1 "$1"
}

# push_until_done FILE ID [agent's arguments]...: plays the helper: starts the agent again as long as it ends with 75, with
# what it left for that. $attempts tells how many there were, $report is the last one's last report. Its end is the status.
push_until_done() {
	local file=$1 id=$2 status=75 resume=''
	shift 2
	report='' attempts=0
	while ((status == 75 && attempts < ${ATTEMPTS_MAX:-100})); do
		status=0
		report=$(agent "$file" "$id" ${resume:+"CORE_RESUME=$resume"} "$@" 2>>"$T/agent.log" | tail -n 1
			exit "${PIPESTATUS[0]}") || status=$?
		attempts=$((attempts + 1))
		resume=$(jq -r '.resume // empty' <<<"$report")
	done
	return "$status"
}

# report_field EXPRESSION: of the last report (jq).
report_field() { jq -r "$1" <<<"$report"; }
