# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# lxc.sh: real LXC containers for tests, without images, on lxcbr0. They live in a directory of their own (lxc
# -P), so a user's containers are never touched; an lxcbr0 that exists is used as it is, and only one that we made
# is taken down, by the last session that uses it. Input: only from root's own scripts; the containers are hostile
# once started. It must never open a path inside a container's root file system as root after the container has
# run.
#
#   lxc_create NAME [--idmap] [CONFIG LINE]...   lxc_start NAME   lxc_exec NAME [--uid U] [--env K=V]... COMMAND...
#   lxc_spawn NAME LOG [--uid U] [--env K=V]... COMMAND...   lxc_destroy NAME
#   lxc_address NAME   lxc_rootfs NAME   lxc_bridge_address   (each prints one line)

LXC_BRIDGE=lxcbr0
LXC_BRIDGE_STATE=/run/coreferry-test/lxcbr0 # root-only: lock, users/, addresses/, made
LXC_COMMON=/usr/share/lxc/config/common.conf # what every real container has: capabilities, seccomp, devices
LXC_IDMAP_FIRST=100000                      # --idmap: the container's uid 0 is this one on the host
: "${LXC_TIMEOUT:=20}"

if ! declare -F session_start >/dev/null; then
	# shellcheck source=scripts/lib/session.sh
	source "$(dirname -- "${BASH_SOURCE[0]}")/session.sh"
fi
# shellcheck source=scripts/lib/rootfs.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/rootfs.sh"

# lxc_create NAME [--idmap] [CONFIG LINE]...: a stopped container with the host's /usr and an address. --idmap: in
# a user namespace. Config lines are added at the end, e.g. 'lxc.mount.entry = /a opt/a none bind,ro,create=dir 0
# 0'.
lxc_create() {
	local name=$1 idmap='' path address
	shift
	[[ ${1:-} != --idmap ]] || { idmap=1 && shift; }
	lxc_bridge_up || return 1
	path=$(lxc_path)
	address=$(lxc_address_reserve) || return 1
	session_defer lxc "$path" "$name"
	mkdir -m 0711 "$path/$name" || return 1
	mkdir -m 0755 "$path/$name/rootfs"
	rootfs_make "$path/$name/rootfs"
	printf '%s\n' "$name" >"$path/$name/rootfs/etc/hostname"
	printf '%s %s\n' "${address%/*}" "$name" >>"$path/$name/rootfs/etc/hosts"
	printf '%s\n' "${address%/*}" >"$path/$name/address"
	lxc_config "$path/$name/rootfs" "$name" "$address" >"$path/$name/config"
	[[ -z $idmap ]] || lxc_idmap "$path/$name"
	(($# == 0)) || printf '%s\n' "$@" >>"$path/$name/config"
}

lxc_config() {
	local rootfs=$1 name=$2 address=$3 bind
	[[ ! -r $LXC_COMMON ]] || printf 'lxc.include = %s\nlxc.mount.auto =\nlxc.mount.entry =\n' "$LXC_COMMON"
	cat <<-END
		lxc.uts.name = $name
		lxc.rootfs.path = dir:$rootfs
		lxc.init.cmd = /usr/bin/sleep infinity
		lxc.mount.auto = proc:mixed sys:ro
		lxc.apparmor.profile = generated
		lxc.net.0.type = veth
		lxc.net.0.link = $LXC_BRIDGE
		lxc.net.0.flags = up
		lxc.net.0.name = eth0
		lxc.net.0.ipv4.address = $address
		lxc.net.0.ipv4.gateway = auto
	END
	while read -r bind; do
		printf 'lxc.mount.entry = %s %s none rbind,ro 0 0\n' "$bind" "${bind#/}"
	done < <(rootfs_binds)
}

# lxc_idmap DIR: the container's ids are the host's LXC_IDMAP_FIRST and up, and so are its files' owners.
lxc_idmap() {
	local owner file
	while IFS= read -r -d '' file; do
		owner=$(stat -c '%u' "$file")
		chown -h "$((LXC_IDMAP_FIRST + owner)):$((LXC_IDMAP_FIRST + owner))" "$file"
	done < <(find "$1/rootfs" -xdev -print0)
	printf 'lxc.idmap = %s 0 %s 65536\n' u "$LXC_IDMAP_FIRST" g "$LXC_IDMAP_FIRST" >>"$1/config"
}

# lxc_start NAME: returns when its init runs and it answers at its address.
lxc_start() {
	local path
	path=$(lxc_path)
	if ! run_for "$LXC_TIMEOUT" lxc-start -P "$path" -n "$1" -d -l INFO -o "$path/$1/log"; then
		warn "the container $1 does not start; the end of its log:"
		tail -n 15 "$path/$1/log" >&2
		return 1
	fi
	wait_until "$LXC_TIMEOUT" lxc_is_running "$1"
}

lxc_is_running() { [[ $(lxc-info -P "$(lxc_path)" -n "$1" -s -H) == RUNNING ]]; }

# lxc_exec NAME [--uid U] [--env K=V]... COMMAND...: in the container, with an empty environment but PATH and what
# is given; the command's exit status (128 + signal if it was killed). Default: root of the container. On a
# terminal lxc-attach makes a terminal in the container; pipe or redirect all three streams to get the bytes as
# they are.
lxc_exec() {
	local -a LXC_ATTACH
	lxc_attach_command "$@"
	(close_inherited && exec "${LXC_ATTACH[@]}")
}

# lxc_spawn NAME LOG [options] COMMAND...: the same as a daemon, with its output in LOG (on the host). It ends
# with the container: were lxc-attach killed before, the container would wait for pid 1 of the host to reap the
# orphan.
lxc_spawn() {
	local -a LXC_ATTACH
	local name=$1 log=$2
	shift 2
	lxc_attach_command "$name" "$@"
	SESSION_GRACE=none session_spawn "$log" "${LXC_ATTACH[@]}"
}

lxc_attach_command() {
	local name=$1 uid=0 env=()
	shift
	while (($# > 1)); do
		case $1 in
		--uid) uid=$2 ;;
		--env) env+=(-v "$2") ;;
		*) break ;;
		esac
		shift 2
	done
	LXC_ATTACH=(lxc-attach -P "$(lxc_path)" -n "$name" --clear-env -u "$uid" -g "$uid"
		-v PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin -v LANG=C.UTF-8 "${env[@]}" -- "$@")
}

lxc_destroy() { cleanup_lxc "$(lxc_path)" "$1"; }
lxc_address() { cat "$(lxc_path)/$1/address"; }
lxc_rootfs() { printf '%s\n' "$(lxc_path)/$1/rootfs"; }

# lxc_path: this session's lxcpath; made at first use. 0711: a user-namespaced container has to come through.
lxc_path() {
	if [[ ! -r $COREFERRY_SESSION/lxcpath ]]; then
		session_temp_dir /var/lib/coreferry-lxc.XXXXXX 0711 >"$COREFERRY_SESSION/.lxcpath"
		mv "$COREFERRY_SESSION/.lxcpath" "$COREFERRY_SESSION/lxcpath"
	fi
	cat "$COREFERRY_SESSION/lxcpath"
}

# lxc_bridge_address: the bridge's IPv4 address.
lxc_bridge_address() {
	local net
	net=$(lxc_bridge_net) && printf '%s\n' "${net%/*}"
}

# lxc_bridge_net: the same with its prefix length: 10.0.3.1/24
lxc_bridge_net() {
	local words
	read -r -a words < <(ip -4 -o address show dev "$LXC_BRIDGE" 2>/dev/null) && printf '%s\n' "${words[3]}"
}

lxc_bridge_locked() { (flock -w 60 6 && "$@") 6>"$LXC_BRIDGE_STATE/lock"; }

# lxc_bridge_up: lxcbr0 is there and counts us among its users.
lxc_bridge_up() {
	mkdir -p "$LXC_BRIDGE_STATE"/{users,addresses} # SESSION_ROOT above is 0700
	[[ ! -e $LXC_BRIDGE_STATE/users/${COREFERRY_SESSION##*/} ]] || return 0
	session_defer lxc_bridge "${COREFERRY_SESSION##*/}"
	lxc_bridge_locked lxc_bridge_join "${COREFERRY_SESSION##*/}"
}

lxc_bridge_join() {
	local output
	: >"$LXC_BRIDGE_STATE/users/$1"
	[[ ! -e /sys/class/net/$LXC_BRIDGE ]] || return 0
	command -v dnsmasq >/dev/null || die "no dnsmasq: run scripts/install-deps demo-lxc"
	rm -f /run/lxc/network_up # without a bridge it is a leftover, and lxc-net would refuse
	cat /proc/sys/net/ipv4/ip_forward >"$LXC_BRIDGE_STATE/made"
	output=$(timeout 30 /usr/libexec/lxc/lxc-net start </dev/null 2>&1 6>&-) || true
	lxc_bridge_address >/dev/null ||
		die "lxc-net made no $LXC_BRIDGE${output:+: $output} (USE_LXC_BRIDGE in /etc/default/lxc-net?)"
}

# lxc_address_reserve: prints ADDRESS/PREFIX of the bridge's net that neither dnsmasq nor another session has
# given away.
lxc_address_reserve() { lxc_bridge_locked lxc_address_pick "${COREFERRY_SESSION##*/}"; }

lxc_address_pick() {
	local bridge net last leases=/var/lib/misc/dnsmasq.$LXC_BRIDGE.leases
	bridge=$(lxc_bridge_net)
	net=${bridge%.*}
	for last in {254..100}; do
		[[ ! -e $LXC_BRIDGE_STATE/addresses/$net.$last && $bridge != "$net.$last/"* ]] || continue
		! grep -qsF " $net.$last " "$leases" || continue
		[[ -z $(ip neigh show to "$net.$last" dev "$LXC_BRIDGE" nud reachable) ]] || continue
		printf '%s\n' "$1" >"$LXC_BRIDGE_STATE/addresses/$net.$last"
		printf '%s\n' "$net.$last/${bridge#*/}"
		return
	done
	die "no free address on $LXC_BRIDGE ($bridge)"
}

# cleanup_lxc PATH NAME: kills the container and removes its directory.
cleanup_lxc() {
	[[ -n $1 && -d $1/$2 ]] || return 0
	if [[ -f $1/$2/config ]]; then
		timeout -k 2 20 lxc-stop -P "$1" -n "$2" -k </dev/null 2>/dev/null || true
		wait_until 20 lxc_is_stopped "$1" "$2" || return 1 # lxc-wait takes a second, and leaves a daemon
	fi
	unmount_beneath "$1/$2" && rm -rf --one-file-system -- "${1:?}/$2"
}

lxc_is_stopped() { [[ $(lxc-info -P "$1" -n "$2" -s -H 2>/dev/null) == STOPPED ]]; }

# cleanup_lxc_bridge USER: gives our addresses back; the last user takes down the bridge that one of us made.
cleanup_lxc_bridge() { lxc_bridge_locked lxc_bridge_leave "$1"; }

lxc_bridge_leave() {
	local user file
	[[ -e $LXC_BRIDGE_STATE/users/$1 ]] || return 0
	for file in "$LXC_BRIDGE_STATE"/addresses/*; do
		[[ ! -e $file || $(<"$file") != "$1" ]] || rm -f "$file"
	done
	for user in "$LXC_BRIDGE_STATE"/users/*; do
		user=${user##*/}
		[[ $user == "$1" || -d $SESSION_ROOT/$user ]] || rm -f "$LXC_BRIDGE_STATE/users/$user"
		[[ $user == "$1" || ! -d $SESSION_ROOT/$user ]] || { rm -f "$LXC_BRIDGE_STATE/users/$1" && return 0; }
	done
	if [[ -e $LXC_BRIDGE_STATE/made ]]; then
		[[ ! -e /sys/class/net/$LXC_BRIDGE && ! -e /run/lxc/network_up ]] ||
			timeout 30 /usr/libexec/lxc/lxc-net stop force </dev/null >/dev/null 2>&1 6>&- || true
		[[ ! -e /sys/class/net/$LXC_BRIDGE ]] || return 1
		cat "$LXC_BRIDGE_STATE/made" >/proc/sys/net/ipv4/ip_forward
		rm -f "$LXC_BRIDGE_STATE/made"
		rmdir /sys/fs/cgroup{,/*}/lxc.pivot 2>/dev/null || true # empty, left by LXC
	fi
	rm -f "$LXC_BRIDGE_STATE/users/$1"
}
