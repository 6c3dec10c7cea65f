# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# common.bash: what the tests of this folder share: the agent and the server by hand, with peers that are real programs
# of others. No process crashes here. scripts/check runs these tests beside those of tests/system, so they change nothing on
# the machine that those look at: no kernel setting, no network interface, no mount but in a namespace of their own.
# What they start and make is recorded in a session (scripts/lib/session.sh) and goes with it, even if the test is killed.

BUILD=${COREFERRY_BUILD:-$(realpath "${BATS_TEST_DIRNAME}/../../build")}
TOP=$(realpath "${BATS_TEST_DIRNAME}/../..")
export COREFERRY_BESIDE=1 # who compares the machine before and after (demo.bats) knows us by this

# shellcheck source=scripts/lib/session.sh
source "$TOP/scripts/lib/session.sh"

# peers_up: a session, and $T: a directory with the programs in $T/bin.
peers_up() {
	session_start --no-traps --owner "$$"
	: >"$COREFERRY_SESSION/beside"
	T=$(session_temp_dir /var/tmp/cfp.XXXXXX 0711)
	export T
	mkdir -m 0755 "$T/bin"
	install -m 0755 "$BUILD"/coreferry{-helper,-agent,-names,d,} "$T/bin"
}

peers_down() { session_end; }

# spawn LOG COMMAND...: a daemon of this test's session; SPAWNED_PID.
spawn() { session_spawn "$@"; }

# free_port: one that nobody listens on.
free_port() { python3 -Sc 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# wait_port ADDR PORT
wait_port() { wait_until 10 port_open "$1" "$2"; }
port_open() { (: <"/dev/tcp/$1/$2") 2>/dev/null; }

# is DESCRIPTION ACTUAL EXPECTED
is() {
	[[ $2 == "$3" ]] && return 0
	printf '%s: is "%s", should be "%s"\n' "$1" "$2" "$3"
	return 1
}

# sha FILE
sha() { sha256sum "$1" | cut -d' ' -f1; }

# core_file FILE MIB: something of that size that begins as a core, and that zstd makes smaller, but not much: FILE, and FILE.zst.
core_file() {
	python3 -Sc '
import os, sys
with open(sys.argv[1], "wb") as core:
    for i in range(int(sys.argv[2])):
        core.write(os.urandom(768 << 10) + bytes(256 << 10))
    core.seek(0)
    core.write(b"\x7fELF\2\1\1" + bytes(9) + b"\4\0")  # ET_CORE' "$1" "$2"
	zstd -q -1 -f "$1" -o "$1.zst"
}

# agent FILE ID [VARIABLE=VALUE]... [-- OPTION...]: pushes FILE (NAME.zst: as zstd) as the core of crash ID; through a pipe, as
# the helper does.
agent() {
	local file=$1 id=$2 encoding=identity variables=()
	shift 2
	while (($#)) && [[ $1 != -- ]]; do
		variables+=("$1")
		shift
	done
	(($# == 0)) || shift
	if [[ $file == *.zst ]]; then
		encoding=zstd
		variables+=("CORE_RAW_SIZE=$(stat -c %s "${file%.zst}")" "CORE_RAW_SHA256=$(sha "${file%.zst}")")
	fi
	variables+=("CORE_SIZE=$(stat -c %s "$file")" "CORE_SHA256=$(sha "$file")")
	env -i COREFERRY_BESIDE=1 PATH="$PATH" CORE_ID="$id" CORE_ENCODING="$encoding" "${variables[@]}" \
		"$T/bin/coreferry-agent" "$@" < <(exec cat "$file")
}
