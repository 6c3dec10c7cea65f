# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# places.bash: where a crash may happen, beside the engines of scripts/lib: a network namespace of our own, podman,
# systemd-nspawn. And what has to be true in each place: a core that is pushed by the agent arrives, and a program of the
# place that takes it is where the victim was, and what it was (tests/programs/witness.c).

# shellcheck source=tests/system/common.bash
# shellcheck source=tests/system/push.bash

# net_up: a network namespace at $T/net from which the host is reached, for engines that are not to make one.
net_up() {
	local net link=cfp$$
	net=$(docker_free_net) || return 1
	session_defer link "$link"
	: >"$T/net"
	unshare --net="$T/net" ip link set lo up
	nsenter --net="$T/net" ip link add eth0 type veth peer name "$link" netns "$$"
	ip address add "$net" dev "$link"
	ip link set "$link" up
	nsenter --net="$T/net" sh -c "ip address add ${net%.*}.2/24 dev eth0 && ip link set eth0 up && ip route add default via ${net%/*}"
}

# podman_up: everything that it writes is below $T. It needs no image: see podman_image.
podman_up() {
	type -P podman >/dev/null || return 1
	mkdir "$T/podman"
	cat >"$T/podman/containers.conf" <<-'END'
		[containers]
		default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime = "runc"
	END
	export CONTAINERS_CONF=$T/podman/containers.conf
	PODMAN=(podman --root "$T/podman/root" --runroot "$T/podman/run" --tmpdir "$T/podman/tmp" --storage-driver vfs)
}

# podman_image NAME FILE...: nothing but these static programs.
podman_image() {
	local name=$1 dir
	shift
	dir=$(mktemp -d "$T/podman/image.XXXXXX")
	chmod 0755 "$dir"
	install -m 0755 "$@" "$dir"
	tar -C "$dir" -c . | "${PODMAN[@]}" import -q - "$name" >/dev/null
}

# nspawn DIR [OPTION]... -- COMMAND...: in the root file system DIR, with the host's /usr and the tests' programs at /t.
nspawn() {
	local dir=$1 options=()
	shift
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	systemd-nspawn -q -D "$dir" --register=no --keep-unit --link-journal=no --console=pipe --bind-ro=/usr \
		--bind-ro="$T/tests:/t" "${options[@]}" -- "$@" </dev/null
}

# pushed COMMAND...: COMMAND ends with a crash of the witness, which the agent delivers to the receiver.
pushed() {
	forget_crashes
	cf_default_pattern
	run_place "$@" || return 1
	is "delegation of: $*" "$(field '.delegation | .status + " " + .delegate')" "done agent" || return 1
	is "digest at the receiver" "$(sha "$T/received/$(basename "$(newest)")/core")" "$(field .core.raw_sha256)"
}

# taken WITNESS COMMAND...: the same, but it is a program of the place that takes the core: it gets the whole of it, and is
# where the victim was and what the victim was. (The delegate may have a pid namespace of its own, below the victim's.)
taken() {
	local witness=$1 host
	shift
	forget_crashes
	cf_pattern "%P %u %g $witness take"
	run_place "$@" || return 1
	is "delegation of: $*" "$(field '.delegation | .status + " " + .delegate')" "done $witness" || return 1
	printf '%b\n' "$(field .delegation.output)" >"$T/took"
	is "core on stdin" "$(grep '^core' "$T/took")" "core $(zstd -qdc "$(newest)/core.zst" | crc)" || return 1
	grep -q '^uid' "$T/said" || return 1
	diff <(grep -vE '^ns-pid' "$T/said") <(grep -vE '^(core|ns-pid)' "$T/took") || return 1
	host=$(stat -Lc %i /proc/self/ns/pid)
	grep -qx "ns-pid $host" "$T/said" || ! grep -qx "ns-pid $host" "$T/took"
}

# both WITNESS COMMAND...: what is stored, and what has arrived, is whole in each form.
both() {
	local witness=$1
	shift
	pushed "$@" && check_core && check_received && taken "$witness" "$@" && check_core
}

# both_quick WITNESS COMMAND...: what was delivered is what is stored, no more, for tests of many places.
both_quick() {
	local witness=$1
	shift
	pushed "$@" && taken "$witness" "$@"
}

# run_place COMMAND...: what it says is in $T/said; one crash comes of it. (unshare and the like end by the signal that their
# child has ended by. The witness raises its limit itself, so that of them there are no cores: a limit of 1 means none, also
# for a pipe.)
run_place() {
	echo "# $*"
	(prlimit --pid "$BASHPID" --core=1:unlimited && "$@") >"$T/said" 2>"$T/said.err" 3>&- </dev/null || true
	wait_quiet || return 1
	is "crashes of: $* ($(head -c 300 "$T/said.err"))" "$(crash_count)" 1
}

crc() { python3 -Sc 'import sys, zlib; d = sys.stdin.buffer.read(); print(len(d), "%08x" % zlib.crc32(d))'; }
