#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# file:PATH: the raw core as a file, by the agent by hand: what is replaced and what is not, what is left when it fails.
bats_require_minimum_version 1.5.0

ID=20261121T023753.123456Z-4166-9f3c

setup_file() {
	load common
	peers_up
	core_file "$T/core" 6
	mkdir -m 0777 "$T/out"
	chmod 0644 "$T/core" "$T/core.zst"
	RAW_SIZE=$(stat -c %s "$T/core") RAW_SHA256=$(sha "$T/core")
	export RAW_SIZE RAW_SHA256
}
teardown_file() {
	load common
	peers_down
}
setup() {
	load common
	rm -rf "$T/out" "$T/report"
	mkdir -m 0777 "$T/out"
}

# sink URL [VARIABLE=VALUE]...: as nobody, with the compressed core on stdin; STATUS, and the report in $T/report.
sink() {
	local url=$1 status=0
	shift
	(
		cd "$T/out"
		env -i PATH="$PATH" CORE_ID=$ID CORE_ENCODING=zstd CORE_RAW_SIZE="$RAW_SIZE" CORE_RAW_SHA256="$RAW_SHA256" \
			COREFERRY_URL="$url" "$@" setpriv --reuid 65534 --regid 65534 --clear-groups \
			"${AS[@]}" "$T/bin/coreferry-agent" <"$T/core.zst" >"$T/report" 2>"$T/log"
	) || status=$?
	STATUS=$status
}
AS=()

report() { tail -n 1 "$T/report" | jq -r "$1"; }

# left: what is in the directory.
left() { find "$T/out" -mindepth 1 -printf '%P\n' | sort | tr '\n' ' '; }

@test "file: raw, verified, mode 0600, the process's own; again: replaced, not written into" {
	sink "file:$T/out/core.%e.%p" CORE_COMM=osmo-bsc CORE_PID=7
	is status "$STATUS" 0
	cmp "$T/core" "$T/out/core.osmo-bsc.7"
	is mode "$(stat -c '%a %u %g' "$T/out/core.osmo-bsc.7")" "600 65534 65534"
	is verified "$(report .verified)" digest
	is protocol "$(report .protocol)" file
	is offset "$(report .offset)" "$(stat -c %s "$T/core")"

	head -c 4096 "$T/core" >"$T/out/core"
	chown 65534 "$T/out/core"
	chmod 0644 "$T/out/core"
	ln "$T/out/core" "$T/out/other" # a second name of it keeps what it had
	sink file:core
	is status "$STATUS" 0
	cmp "$T/core" "$T/out/core"
	is mode "$(stat -c %a "$T/out/core")" 600
	is "the other name" "$(stat -c %s "$T/out/other")" 4096
	is left "$(left)" "core core.osmo-bsc.7 other "
}

@test "file: a link, a directory, a FIFO, a socket, another's file, what is no core, another's directory: refused, and as before" {
	printf 'root:x:0:0:' >"$T/out/text"
	{ printf '\x7fELF\2\1\1' && head -c 9 /dev/zero && printf '\2\0' && head -c 100 /dev/zero; } >"$T/out/program"
	chown 65534 "$T/out/text" "$T/out/program"
	echo secret >"$T/out/target"
	chmod 0666 "$T/out/target"
	ln -s target "$T/out/link"
	ln -s nowhere "$T/out/dangling"
	mkdir -m 0777 "$T/out/directory"
	mkfifo -m 0666 "$T/out/fifo"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$T/out/socket"
	mkdir -m 0755 "$T/out/closed"
	before=$(left)
	for row in 'link 73 symbolic link' 'dangling 73 symbolic link' 'directory 73 directory' 'fifo 73 FIFO' 'socket 73 socket' \
		'text 73 not a core' 'program 73 not a core' 'target 77 another user' 'closed/core 77 Permission denied' 'nowhere/core 73 No such file' 'target/core 73 Not a directory'; do
		read -r name status reason <<<"$row"
		sink "file:$T/out/$name"
		is "$name" "$STATUS" "$status"
		[[ $(report .error) == *"$reason"* ]]
	done
	is left "$(left)" "$before"
	is target "$(<"$T/out/target")" secret
	# With the rights for it, the same is done.
	chmod 0777 "$T/out/closed"
	sink "file:$T/out/closed/core"
	is status "$STATUS" 0
}

@test "file: what the victim calls itself stays within one name" {
	sink "file:$T/out/core.%e.%h" CORE_COMM=../../../etc/x CORE_HOSTNAME=$'a\nX-Evil: 1\e[2J'
	is status "$STATUS" 0
	cmp "$T/core" "$T/out/"$'core...!..!..!etc!x.a\nX-Evil: 1\e[2J'
	is url "$(report .url)" "file:$T/out/core...!..!..!etc!x.a%0aX-Evil:%201%1b[2J"
	sink "file:$T/out/%e" CORE_COMM=..
	is status "$STATUS" 0
	cmp "$T/core" "$T/out/!."
	sink "file:$T/out/core.%z"
	is status "$STATUS" 78
	sink "file://elsewhere/core"
	is status "$STATUS" 78
}

@test "file: holes stay holes: 8 GiB with some MiB in it" {
	head -c 1M /dev/zero | zstd -q -c >"$T/zeros.zst"
	python3 -Sc '
import sys
zeros, data = (open(name, "rb").read() for name in sys.argv[1:3])
open(sys.argv[3], "wb").write(zeros * 4000 + data + zeros * (8192 - 4000 - 6))' "$T/zeros.zst" "$T/core.zst" "$T/sparse.zst"
	(cd "$T/out" && env -i CORE_ID=$ID CORE_ENCODING=zstd CORE_RAW_SIZE=8589934592 COREFERRY_URL=file:core \
		"$T/bin/coreferry-agent" <"$T/sparse.zst" >"$T/report")
	is size "$(stat -c %s "$T/out/core")" 8589934592
	(($(du -k "$T/out/core" | cut -f1) < 6200))
	cmp <(dd if="$T/out/core" bs=1M count=6 skip=4000 status=none) "$T/core"
	is verified "$(report .verified)" size
}

@test "file: a core that is cut, damaged or too long is none: nothing is left" {
	sink file:core CORE_RAW_SHA256="$(sha "$T/core.zst")"
	is status "$STATUS" 74
	[[ $(report .error) == *"SHA-256"* ]]
	sink file:core CORE_RAW_SIZE=$((7 << 20))
	is status "$STATUS" 74
	sink file:core CORE_RAW_SIZE=$((5 << 20))
	is status "$STATUS" 74
	head -c 3000000 "$T/core.zst" >"$T/cut.zst"
	cp "$T/core" "$T/cut"
	(cd "$T/out" && run -74 agent "$T/cut.zst" $ID COREFERRY_URL=file:core)
	is left "$(left)" ""
}

@test "file: a full file system, one that is read-only, RLIMIT_FSIZE: why, and nothing is left" {
	AS=(prlimit --fsize=1000000)
	sink file:core
	is status "$STATUS" 73
	[[ $(report .error) == *RLIMIT_FSIZE* ]]
	AS=()
	is left "$(left)" ""
	# shellcheck disable=SC2016
	T=$T ID=$ID unshare -m bash -c '
		try() {
			local status=0
			env -i CORE_ID="$ID" CORE_ENCODING=zstd COREFERRY_URL="file:$T/out/core" "$T/bin/coreferry-agent" \
				<"$T/core.zst" >"$T/report" || status=$?
			echo "$status $(tail -n 1 "$T/report" | jq -r .error)"
		}
		set -e
		mount -t tmpfs -o size=2m,mode=1777 none "$T/out"
		try
		ls -A "$T/out"
		echo "$(($(df --output=used -k "$T/out" | tail -n 1) < 64))"
		mount -o remount,ro none "$T/out"
		try' >"$T/said" 2>"$T/log"
	cat "$T/said"
	mapfile -t said <"$T/said"
	[[ ${said[0]} == "75 "*"No space left on device" && ${said[1]} == 1 && ${said[2]} == "73 "*"Read-only file system" ]]
}

@test "file: without O_TMPFILE, or without naming it: a file beside it, renamed; killed: no core of that name" {
	# overlayfs and tmpfs have it, proc's like do not: strace denies it to the agent.
	AS=(strace -f -qq -o /dev/null -e trace=linkat -e inject=linkat:error=ENOENT)
	sink file:core
	is status "$STATUS" 0
	cmp "$T/core" "$T/out/core"
	sink file:core # once more, over its own
	is status "$STATUS" 0
	is left "$(left)" "core "
	rm "$T/out/core"
	AS=(strace -f -qq -o /dev/null -e 'trace=linkat,fdatasync' -e inject=linkat:error=ENOENT -e inject=fdatasync:signal=KILL)
	sink file:core
	is left "$(left)" ".$ID.new "
	AS=()
	sink file:core
	is status "$STATUS" 0
	cmp "$T/core" "$T/out/core"
	AS=(strace -f -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:signal=TERM:error=EIO)
	sink file:other
	is status "$STATUS" 74
	[[ $(left) != *other* ]]
}
