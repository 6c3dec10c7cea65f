# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# docker.sh: real Docker containers for tests, without a registry. A running engine is used; where there is none,
# a dockerd of our own is started, with its own bridge, directories and socket, without iptables rules or
# forwarding, so that taking it down leaves nothing. Images are imported from tars made on the spot. Input: only
# from root's own scripts; the containers are hostile once started. It must never remove a container, image or
# network that is not ours.
#
#   docker_up   docker_cli ARGS...   docker_gateway   docker_address NAME   docker_socket
#   docker_image_base TAG   docker_image_demo TAG   docker_image_scratch TAG BINARY...   (tags are local to the session)
#   docker_start NAME [DOCKER RUN OPTION]... TAG [COMMAND]...   docker_exec NAME [--uid U] [--env K=V]... COMMAND...
#   docker_spawn NAME LOG [--uid U] [--env K=V]... COMMAND...   docker_destroy NAME

: "${DOCKER_TIMEOUT:=60}"

if ! declare -F session_start >/dev/null; then
	# shellcheck source=scripts/lib/session.sh
	source "$(dirname -- "${BASH_SOURCE[0]}")/session.sh"
fi
# shellcheck source=scripts/lib/rootfs.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/rootfs.sh"

# docker_up: finds a running engine or starts one. Everything labelled with the session's name is removed at the
# end.
docker_up() {
	[[ ! -r $COREFERRY_SESSION/docker ]] || return 0
	mkdir -m 0700 "$COREFERRY_SESSION/docker-config"
	if docker_find_client "${DOCKER_HOST:-unix:///var/run/docker.sock}"; then
		return 0
	fi
	docker_start_engine
}

# docker_find_client SOCKET: a client, of those installed, that talks to the engine there (a new client may refuse
# an old engine). Only engines on this machine: their containers' crashes come to this kernel, and they bind our
# directories.
docker_find_client() {
	local client
	[[ $1 == unix://* && -S ${1#unix://} ]] || return 1
	while read -r client; do
		if DOCKER_CONFIG=$COREFERRY_SESSION/docker-config timeout 10 "$client" -H "$1" version >/dev/null 2>&1; then
			session_defer docker_objects "$client" "$1" "$(docker_label)"
			printf '%s\n%s\n' "$client" "$1" >"$COREFERRY_SESSION/.docker"
			mv "$COREFERRY_SESSION/.docker" "$COREFERRY_SESSION/docker"
			return 0
		fi
	done < <(type -ap docker | sort -u)
	return 1
}

docker_start_engine() {
	local dir run bridge log driver
	type -P dockerd docker >/dev/null || die "no dockerd: run scripts/install-deps demo-docker"
	dir=$(session_temp_dir /var/lib/coreferry-docker.XXXXXX 0711)
	run=$(session_temp_dir /run/coreferry-docker.XXXXXX 0711) # a short path: it holds Unix sockets
	log=$dir/dockerd.log
	bridge=cfd$$
	docker_note_leftovers
	session_defer link "$bridge"
	(flock -w 30 6 && docker_make_bridge "$bridge") 6>"$SESSION_ROOT/docker.lock" || return 1
	printf '{}\n' >"$dir/daemon.json"
	session_defer docker_engine "$dir" "$run"
	for driver in overlay2 vfs; do
		docker_run_engine "$dir" "$run" "$bridge" "$driver" && return 0
	done
	warn "dockerd does not start; the end of its log:"
	tail -n 15 "$log" >&2
	return 1
}

docker_run_engine() {
	local dir=$1 run=$2 start
	rm -f "$run/docker.sock"
	SESSION_GRACE=20 session_spawn "$dir/dockerd.log" dockerd --config-file "$dir/daemon.json" \
		--data-root "$dir/data" --exec-root "$run/exec" --pidfile "$run/dockerd.pid" -H "unix://$run/docker.sock" \
		--bridge "$3" --iptables=false --ip6tables=false \
		--ip-forward=false --ip-masq=false --storage-driver "$4" --shutdown-timeout 2
	start=$(process_start "$SPAWNED_PID") || return 1
	wait_until "$DOCKER_TIMEOUT" docker_engine_settled "$SPAWNED_PID" "$start" "unix://$run/docker.sock" &&
		process_is "$SPAWNED_PID" "$start"
}

docker_engine_settled() { process_gone "$1" "$2" || docker_find_client "$3"; }

# docker_note_leftovers: dockerd and containerd make these for themselves, and leave them. See
# cleanup_docker_leftovers.
docker_note_leftovers() {
	local path new=()
	for path in /etc/docker /opt/containerd /run/docker /run/containerd /sys/fs/cgroup/docker /sys/fs/cgroup/*/docker; do
		[[ -e $path ]] || new+=("${path%\*/docker}")
	done
	session_defer docker_leftovers "${new[@]}"
}

docker_make_bridge() {
	local net
	net=$(docker_free_net) &&
		ip link add "$1" type bridge && ip address add "$net" dev "$1" &&
		# Its own address, once set, stays: else it is that of one of its ports, and when the port's container ends, the
		# others look for the host at an address that is gone.
		ip link set "$1" address "$(<"/sys/class/net/$1/address")" && ip link set "$1" up
}

# docker_free_net: a /24 that no route of this machine knows, with the address of the bridge: 172.29.3.1/24
docker_free_net() {
	local third net
	for third in {1..254}; do
		net=172.29.$third
		[[ -z $(ip -4 route show root "$net.0/24") ]] || continue
		! ip -4 route show match "$net.0/24" | grep -qv '^default' || continue
		printf '%s.1/24\n' "$net"
		return
	done
	return 1
}

docker_label() { printf 'coreferry.session=%s\n' "${COREFERRY_SESSION##*/}"; }
docker_socket() { sed -n '2s,^unix://,,p' "$COREFERRY_SESSION/docker"; }
docker_tag() { printf 'coreferry-test-%s:%s\n' "${COREFERRY_SESSION##*.}" "$1" | tr '[:upper:]' '[:lower:]'; }

# docker_cli ARGS...: the client, for our engine. Give what you create the label "$(docker_label)".
docker_cli() {
	local where
	mapfile -t where <"$COREFERRY_SESSION/docker"
	DOCKER_CONFIG=$COREFERRY_SESSION/docker-config "${where[0]}" -H "${where[1]}" "$@"
}

docker_gateway() { docker_cli network inspect bridge -f '{{(index .IPAM.Config 0).Gateway}}'; }
docker_address() { docker_cli inspect -f '{{.NetworkSettings.IPAddress}}' "$1"; }

# docker_import TAG DIR: DIR becomes the image, and is removed. Prints the name to be used in "docker run".
docker_import() {
	local tag
	tag=$(docker_tag "$1")
	tar -C "$2" --numeric-owner -c . | docker_cli import --change "LABEL $(docker_label)" - "$tag" >/dev/null || return 1
	rm -rf --one-file-system -- "${2:?}"
	printf '%s\n' "$tag"
}

# docker_image_base TAG: busybox with its applets, /bin/sh, root and a user with uid 1000.
docker_image_base() {
	local dir busybox applet
	dir=$(session_temp_dir /var/tmp/coreferry-image.XXXXXX 0755)
	busybox=$(command -v busybox) || die "no busybox: run scripts/install-deps demo-docker"
	rootfs_make "$dir"
	rm -rf "${dir:?}"/{bin,sbin,lib*,etc/alternatives,etc/ld.so*}
	mkdir "$dir/bin"
	docker_copy_program "$busybox" "$dir" /bin/busybox
	for applet in $("$busybox" --list); do
		[[ $applet == busybox ]] || ln -s busybox "$dir/bin/$applet"
	done
	docker_import "$1" "$dir"
}

# docker_image_demo TAG: empty folders; docker_start binds the host's /usr, so python3 and gdb are inside.
docker_image_demo() {
	local dir
	dir=$(session_temp_dir /var/tmp/coreferry-image.XXXXXX 0755)
	rootfs_make "$dir"
	docker_import "$1" "$dir"
}

# docker_image_scratch TAG BINARY...: nothing but static programs, each at /NAME.
docker_image_scratch() {
	local dir tag=$1 binary
	dir=$(session_temp_dir /var/tmp/coreferry-image.XXXXXX 0755)
	shift
	for binary in "$@"; do
		install -m 0755 "$binary" "$dir/${binary##*/}"
	done
	docker_import "$tag" "$dir"
}

# docker_copy_program FILE DIR PLACE: with the libraries it needs, if it is not static.
docker_copy_program() {
	local library
	install -D -m 0755 "$1" "$2$3"
	while read -r library; do
		install -D -m 0755 "$library" "$2$library"
	done < <(ldd "$1" 2>/dev/null | grep -o '/[^ ]*')
}

# docker_start NAME [DOCKER RUN OPTION]... TAG [COMMAND]...: in the background, as this session's. An image of
# docker_image_demo gets the host's /usr. For a container in the foreground call docker_cli run with the label.
docker_start() {
	local name=$1 bind binds=()
	shift
	if [[ " $* " == *" $(docker_tag demo) "* ]]; then
		while read -r bind; do
			binds+=(-v "$bind:$bind:ro")
		done < <(rootfs_binds)
	fi
	docker_cli run -d --name "$name" --label "$(docker_label)" --network bridge "${binds[@]}" "$@" 2>&1 >/dev/null |
		sed '/^WARNING: IPv4 forwarding is disabled/d' >&2 # our own engine's containers need only talk to the host
}

# docker_exec NAME [--uid U] [--env K=V]... COMMAND...: the command's exit status (128 + signal if it was killed).
docker_exec() {
	local -a DOCKER_EXEC
	docker_exec_command "$@"
	docker_cli "${DOCKER_EXEC[@]}"
}

docker_spawn() {
	local -a DOCKER_EXEC where
	local name=$1 log=$2
	shift 2
	docker_exec_command "$name" "$@"
	mapfile -t where <"$COREFERRY_SESSION/docker"
	SESSION_GRACE=none session_spawn "$log" env DOCKER_CONFIG="$COREFERRY_SESSION/docker-config" \
		"${where[0]}" -H "${where[1]}" "${DOCKER_EXEC[@]}"
}

docker_exec_command() {
	local name=$1 uid=0 env=()
	shift
	while (($# > 1)); do
		case $1 in
		--uid) uid=$2 ;;
		--env) env+=(-e "$2") ;;
		*) break ;;
		esac
		shift 2
	done
	DOCKER_EXEC=(exec -u "$uid:$uid" "${env[@]}" "$name" "$@")
}

docker_destroy() { docker_cli rm -f "$1" >/dev/null; }

# cleanup_docker_objects CLIENT HOST LABEL: removes the session's containers, networks and images.
cleanup_docker_objects() {
	local kind list remove
	export DOCKER_CONFIG=$COREFERRY_SESSION/docker-config
	[[ -S ${2#unix://} ]] || return 0
	for kind in "ps -aq:rm -fv" "network ls -q:network rm" "images -q:rmi -f"; do
		read -r -a list <<<"${kind%:*}"
		read -r -a remove <<<"${kind#*:}"
		timeout 30 "$1" -H "$2" "${list[@]}" --filter "label=$3" 2>/dev/null | sort -u |
			xargs -r timeout 60 "$1" -H "$2" "${remove[@]}" >/dev/null 2>&1 || true
	done
	! timeout 30 "$1" -H "$2" ps -aq --filter "label=$3" 2>/dev/null | grep -q .
}

# cleanup_docker_engine DIR RUN: SIGTERM lets dockerd stop its containers and containerd; what is left of them is
# known by RUN in its command line.
cleanup_docker_engine() {
	local pid start
	if [[ -r $2/dockerd.pid ]] && pid=$(<"$2/dockerd.pid") && start=$(process_start "$pid"); then
		process_stop "$pid" "$start" 20 || return 1
	fi
	for pid in $(docker_engine_processes "$2"); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	wait_until 5 docker_engine_gone "$2"
}

docker_engine_gone() { [[ -z $(docker_engine_processes "$1") ]]; }

docker_engine_processes() {
	local file
	grep -lsF "$1/" /proc/[0-9]*/cmdline | while IFS=/ read -r _ _ file _; do
		case $(readlink "/proc/$file/exe") in
		*/dockerd | */containerd | */containerd-shim* | */docker-proxy) printf '%s\n' "$file" ;;
		esac
	done
}

# cleanup_docker_leftovers PATH...: what was not there before: a key that dockerd makes, and empty folders.
cleanup_docker_leftovers() {
	local path
	for path in "$@"; do
		case $path in
		/etc/docker) rm -f /etc/docker/key.json ;;
		/sys/fs/cgroup/) rmdir /sys/fs/cgroup/*/docker 2>/dev/null || true ;;
		esac
		[[ $path == */cgroup/ ]] || find "$path" -xdev -depth -type d -empty -delete 2>/dev/null || true
	done
}
