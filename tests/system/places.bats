#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Everywhere: Docker, LXC, podman, systemd-nspawn, a chroot, each namespace alone and in pairs, containers in containers,
# the host. In each place the agent delivers a core, and so does a program of the place, if it has one. (What docker.bats,
# lxc.bats and delegate.bats have is not repeated.)
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	load push
	load places
	cf_up
	install -m 0755 "$BUILD/tests/witness-static" "$T/tests/witness"
	docker_up
	BASE=$(docker_image_base base)
	DEMO=$(docker_image_demo demo)
	SCRATCH=$(docker_image_scratch scratch "$T/tests/witness")
	# The one address that everything reaches: whoever has a way to the host has one to it.
	GATEWAY=$(docker_gateway)
	export BASE DEMO SCRATCH GATEWAY
	receiver_up "$GATEWAY"
	net_up
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	load push
	load places
	cf_config
	URL=http://$GATEWAY:28043/up
}

docker_run() {
	docker_cli run --rm --label "$(docker_label)" -v "$T/tests:/t:ro" -e "COREFERRY_URL=$URL" "$@"
}

# as UID COMMAND...: on the host, with the URL.
as() {
	local uid=$1
	shift
	env "COREFERRY_URL=$URL" setpriv --reuid "$uid" --regid "$uid" --groups "$uid,4242" "$@"
}

@test "places: Docker: a delegate of the image: default, --user, --read-only, no capabilities, no-new-privileges, scratch" {
	for options in '' '--user 1000:1000' '--read-only' '--cap-drop ALL --user 1000 --group-add 4242' '--security-opt no-new-privileges'; do
		# shellcheck disable=SC2086
		taken /t/witness docker_run $options "$BASE" /t/witness crash
		is runtime "$(field .container.runtime)" docker
	done
	taken /witness docker_run --read-only --user 4711:4712 --cap-drop ALL "$SCRATCH" /witness crash
}

# As --privileged, which needs a machine with all capabilities.
PRIVILEGED='--cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined --security-opt systempaths=unconfined'

@test "places: Docker: the host's pid namespace, network, ipc, names, cgroups; privileged" {
	for options in '--pid host' '--network host --user 1000' '--ipc host --uts host --cgroupns host' \
		"$PRIVILEGED --pid host --network host --ipc host --uts host --cgroupns host"; do
		# shellcheck disable=SC2086
		both /t/witness docker_run $options "$BASE" /t/witness crash
		is runtime "$(field .container.runtime)" docker
	done
}

@test "places: Docker without a network: the record says so; the core can be dumped, pulled, and taken by a delegate" {
	cf_config 'pull_match = witness' 'pull_window = 60s' 'scope = any' "listen = $GATEWAY:28042"
	forget_crashes
	cf_default_pattern
	run_place docker_run --network none "$BASE" /t/witness crash
	is delegation "$(field .delegation.status)" failed
	is status "$(field .delegation.exit_status)" 75
	[[ $(field .delegation.output) == *"$GATEWAY"*"onnect"* ]]
	check_core
	chmod 0711 "$T/store"
	chgrp -R 61190 "$T/store/crashes"
	spawn "$T/pull.log" "$T/bin/coreferryd" --store "$T/store" --config "$T/conf" --user 61190:61190
	wait_port "$GATEWAY" 28042
	curl -sf -m 10 -o "$T/pulled" "http://$GATEWAY:28042/core"
	is "digest of what was pulled" "$(sha "$T/pulled")" "$(field .core.raw_sha256)"
	taken /t/witness docker_run --network none "$BASE" /t/witness crash
}

@test "places: LXC, privileged and in a user namespace: a delegate; and a user's own namespaces in there" {
	lxc_create cfp "lxc.mount.entry = $T/tests t none bind,ro,create=dir 0 0"
	lxc_create cfu --idmap "lxc.mount.entry = $T/tests t none bind,ro,create=dir 0 0"
	for name in cfp cfu; do
		lxc_start "$name"
		for uid in 0 1000; do
			taken /t/witness lxc_exec "$name" --uid "$uid" /t/witness crash
			is container "$(field .container.runtime) $(field .container.name)" "lxc $name"
		done
		# A container in a container: all of a user's own namespaces but the network's, which would lead nowhere.
		both /t/witness lxc_exec "$name" --uid 1000 --env "COREFERRY_URL=$URL" unshare -rmpfiuCT /t/witness crash
		both /t/witness lxc_exec "$name" --env "COREFERRY_URL=$URL" unshare -mpfiuCT chroot / /t/witness crash
		lxc_destroy "$name"
	done
}

@test "places: podman: root and a user, a user namespace, no network" {
	podman_up || skip "podman is missing: run scripts/install-deps check"
	podman_image witness "$T/tests/witness"
	for options in '' '--user 1000:1000' '--read-only --cap-drop all --security-opt no-new-privileges' \
		'--uidmap 0:300000:65536 --gidmap 0:300000:65536' '--uidmap 0:300000:65536 --gidmap 0:300000:65536 --user 1000'; do
		# shellcheck disable=SC2086
		both /witness "${PODMAN[@]}" run --rm --network "ns:$T/net" -e "COREFERRY_URL=$URL" $options witness /witness crash
		is runtime "$(field .container.runtime)" podman
		[[ $(field .container.id) =~ ^[0-9a-f]{64}$ ]]
	done
	taken /witness "${PODMAN[@]}" run --rm --network none witness /witness crash
}

@test "places: systemd-nspawn: with and without a user namespace and a network of its own" {
	type -P systemd-nspawn >/dev/null || skip "systemd-nspawn is missing: run scripts/install-deps check"
	mkdir "$T/root"
	rootfs_make "$T/root"
	users=(--private-users=300000:65536 --private-users-ownership=off)
	for options in '' "--network-namespace-path=$T/net" "${users[*]}"; do
		# shellcheck disable=SC2086
		both /t/witness nspawn "$T/root" --setenv="COREFERRY_URL=$URL" $options -- /t/witness crash
		# shellcheck disable=SC2086
		taken /t/witness nspawn "$T/root" $options --user=user -- /t/witness crash
	done
}

@test "places: a chroot with one program in it; a working directory that is gone; the host" {
	mkdir -m 0755 "$T/jail"
	install -m 0755 "$T/tests/witness" "$T/jail/witness"
	for uid in 0 1000; do
		both "$T/tests/witness" as "$uid" "$T/tests/witness" crash
		both /witness env "COREFERRY_URL=$URL" chroot --userspec="$uid:$uid" --groups="$uid,4242" "$T/jail" /witness crash
		# shellcheck disable=SC2016 # it is the inner shell that expands
		both "$T/tests/witness" as "$uid" sh -c 'd=$(mktemp -d) && cd "$d" && rmdir "$d" && exec "$0" crash' "$T/tests/witness"
	done
	is "what is in the jail" "$(ls "$T/jail")" witness
}

# The network namespace is the one that has a way to the host, and that is entered.
NAMESPACES=(-U -m -n -p -i -u -C -T)

# unshared UID LETTER...: the witness, with these namespaces of its own.
unshared() {
	local options=() net=() letter uid=$1
	shift
	for letter in "$@"; do
		case $letter in
		-n) net=(nsenter --net="$T/net") ;;
		-p | -T) options+=("$letter" -f) ;;
		*) options+=("$letter") ;;
		esac
	done
	"${net[@]}" env "COREFERRY_URL=$URL" setpriv --reuid "$uid" --regid "$uid" --clear-groups unshare "${options[@]}" "$T/tests/witness" crash
}

@test "places: each namespace alone" {
	for namespace in "${NAMESPACES[@]}"; do
		both "$T/tests/witness" unshared 0 "$namespace"
	done
	for options in -U -r -c; do
		both_quick "$T/tests/witness" unshared 1000 "$options"
	done
	# A network that leads nowhere.
	taken "$T/tests/witness" unshared 0 --net
	taken "$T/tests/witness" unshared 1000 -r --net
}

@test "places: namespaces in pairs, and all of them" {
	for ((i = 0; i < ${#NAMESPACES[@]}; i++)); do
		for ((j = i + 1; j < ${#NAMESPACES[@]}; j++)); do
			both_quick "$T/tests/witness" unshared 0 "${NAMESPACES[i]}" "${NAMESPACES[j]}"
			[[ ${NAMESPACES[i]} != -U ]] || both_quick "$T/tests/witness" unshared 1000 -r "${NAMESPACES[j]}"
		done
	done
	both_quick "$T/tests/witness" unshared 0 "${NAMESPACES[@]}"
	both_quick "$T/tests/witness" unshared 1000 -r -m -n -p -i -u -C -T
}

@test "places: a container in a container: in Docker, privileged: namespaces and a chroot" {
	mkdir -m 0755 "$T/inner"
	rootfs_make "$T/inner"
	mkdir "$T/inner/t"
	install -m 0755 "$T/tests/witness" "$T/inner/t/witness"
	# shellcheck disable=SC2086
	docker_start outer $PRIVILEGED --ulimit core=1:-1 -e "COREFERRY_URL=$URL" -v "$T/tests:/t:ro" -v "$T/inner:/inner" "$DEMO" sleep 1000
	both /t/witness docker_exec outer unshare -mpfiuCT --mount-proc=/inner/proc chroot /inner /t/witness crash
	both /t/witness docker_exec outer unshare -Urmpfiu --mount-proc=/inner/proc chroot /inner /t/witness crash
	is runtime "$(field .container.runtime)" docker
	docker_destroy outer
}
