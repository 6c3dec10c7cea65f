#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a container is called: asked of real engines, and of ones that are none.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up 'push = no'
	docker_up
	BASE=$(docker_image_base base)
	export BASE
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config 'push = no'
	cf_default_pattern
	forget_crashes
}

# What a test that failed has left where the session does not look.
teardown() {
	local path
	[[ ! -r $T/left ]] || while read -r path; do
		[[ $path == /sys/fs/cgroup/* ]] || rm -rf -- "$path"
		[[ $path != /sys/fs/cgroup/* || ! -d $path ]] || rmdir "$path" || true
	done < <(tac "$T/left")
	rm -f "$T/left"
}

# docker_crash [DOCKER RUN OPTION]...: the container's init crashes; waits for all that follows. ARGUMENTS: of the crasher.
docker_crash() {
	local where arguments
	read -ra arguments <<<"${ARGUMENTS:-}"
	mapfile -t where <"$COREFERRY_SESSION/docker"
	DOCKER_CONFIG=$COREFERRY_SESSION/docker-config run_for 60 "${where[0]}" -H "${where[1]}" run --rm --label "$(docker_label)" --network "${NETWORK:-none}" -v "$T/tests:/t:ro" "$@" "$BASE" \
		/t/crasher-static "${arguments[@]}" >"$T/docker.out" 2>&1 || true
	wait_quiet
	echo "# held $(field .capture.held_ms) ms"
}

@test "names: Docker: name, image, labels, of a container that is removed when it ends" {
	docker_crash --name cf-web-1 --label team=core --label 'com.example.evil=a"b\c' --label empty=
	is outcome "$(field .outcome)" stored
	is runtime "$(field .container.runtime)" docker
	is name "$(field .container.name)" cf-web-1
	is image "$(field .container.image)" "$BASE"
	is "image's id" "$(field .container.image_id)" "$(docker_cli image inspect -f '{{.Id}}' "$BASE")"
	is label "$(field .container.labels.team)" core
	is label "$(field '.container.labels["com.example.evil"]')" 'a"b\x5cc'
	is label "$(field '.container.labels | has("empty")')" true
	is lookup "$(field .container.lookup)" null
	is owner "$(field .container.owner)" null
	[[ $(field .container.id) =~ ^[0-9a-f]{64}$ ]]
	cf info last | grep -Eq '^  image +'"$BASE"
	cf info last | grep -Eq '^  labels? +com.example.evil=a"b.x5cc'
	# By its name, a pattern, or the beginning of its id; and no other's.
	for container in cf-web-1 'cf-w*' "$(field .container.id | cut -c1-12)"; do
		is crashes "$(cf list --json --container "$container" | jq length)" 1
		is rows "$(cf list --container "$container" | wc -l)" 2
	done
	for container in cf-web cf-web-2; do
		is crashes "$(cf list --json --container "$container" | jq length)" 0
	done
	run -64 cf list --container ''
}

@test "names: Docker: a name is written escaped wherever an engine would let it through" {
	docker_crash --label "evil=$(printf 'a\033]0;x\007\nb')" --label "$(printf 'k\033[31m')=v" \
		--label "big=$(head -c 5000 /dev/zero | tr '\0' x)"
	is label "$(field .container.labels.evil)" 'a\x1b]0;x\x07\x0ab'
	is label "$(field '.container.labels["k\\x1b[31m"]')" v
	is "left out" "$(field .container.labels_left_out)" 1
	run -0 cf info last
	[[ $output != *$'\e'* && $output == *'evil=a\x1b]0;x\x07\x0ab'* ]]
}

# own_engine: prints the pid of the dockerd that docker_up has started; nobody else's is stopped.
own_engine() { cat "$(dirname "$(docker_socket)")/dockerd.pid"; }

# waiting_container NAME [OPTION]...: a container in which a child of its init crashes when crash_now NAME is called.
waiting_container() {
	local name=$1
	shift
	mkdir -p "$T/go"
	rm -f "$T/go/$name"
	docker_start "$name" -v "$T/tests:/t:ro" -v "$T/go:/go:ro" "$@" "$BASE" \
		sh -c "while [ ! -e /go/$name ]; do sleep 0.05; done; /t/crasher-static; sleep 1000"
}

crash_now() {
	touch "$T/go/$1"
	wait_until 20 crashed
	wait_quiet
}
crashed() { (($(crash_count) > 0)); }

@test "names: Docker: an engine that is stopped costs container_lookup_timeout, and the victim nothing unless it must" {
	local pid held
	pid=$(own_engine)
	for lines in 'container_lookup_timeout = 700ms' $'container_lookup_timeout = 700ms\nexclude_container = other'; do
		forget_crashes
		cf_config 'push = no' "$lines"
		waiting_container cf-stopped
		kill -STOP "$pid"
		crash_now cf-stopped || { kill -CONT "$pid" && false; }
		kill -CONT "$pid"
		docker_destroy cf-stopped
		is outcome "$(field .outcome)" stored
		[[ $(field .container.id) =~ ^[0-9a-f]{64}$ ]]
		is lookup "$(field .container.lookup)" "the engine's answer: container_lookup_timeout is over"
		is name "$(field .container.name)" null
		held=$(field '.capture.held_ms | floor')
		echo "# held $held ms"
		if [[ $lines == *exclude* ]]; then
			((held >= 700 && held < 1500))
		else
			((held < 700))
		fi
		check_core
	done
}

# is_delegation STATUS [REASON]
is_delegation() {
	is delegation "$(field .delegation.status)" "$1"
	[[ -z ${2:-} ]] || is reason "$(field .delegation.reason)" "$2"
}

@test "names: rules: off, by image, by label, by name: no core, a record with the name and the reason" {
	for rule in "image $BASE" 'image *base*' 'label team=c*' 'label team' 'container cf-rule*' 'container docker:cf-rule'; do
		forget_crashes
		cf_config 'push = no' "[$rule]" 'off = yes'
		docker_crash --name cf-rule --label team=core
		is outcome "$(field .outcome)" refused
		[[ $rule != 'label team' ]] || rule='label team=*'
		is reason "$(field .reason)" "off: [$rule]"
		is name "$(field .container.name)" cf-rule
		is image "$(field .container.image)" "$BASE"
		is "a core" "$(find "$(newest)" -name '*core*')" ""
	done
	# Others are not meant; and host processes never are.
	forget_crashes
	cf_config 'push = no' '[image other*]' 'off = yes' '[label team=x]' 'off = yes' '[container other]' 'off = yes'
	docker_crash --name cf-rule --label team=core
	is outcome "$(field .outcome)" stored
	forget_crashes
	cf_config 'push = no' '[container *]' 'off = yes'
	crash "$T/tests/crasher-static"
	wait_quiet
	is outcome "$(field .outcome)" stored
}

@test "names: rules: no core of the host but of some containers; a later section counts more" {
	cf_config 'push = no' 'off = yes' '[label keep]' 'off = no' '[label keep=never]' 'off = yes'
	crash "$T/tests/crasher-static"
	wait_quiet
	is reason "$(field .reason)" "off: no core is taken on this host"
	for row in 'keep=yes stored' 'keep=never refused' 'other=x refused'; do
		forget_crashes
		docker_crash --label "${row% *}"
		is outcome "$(field .outcome)" "${row#* }"
	done
}

@test "names: rules: max_core, push and url by container" {
	cf_config 'push = no' '[label small]' 'max_core = 1M' '[container cf-push*]' 'push = yes' 'url = http://127.0.0.1:1/x'
	ARGUMENTS='--heap 20' docker_crash --label small= --name cf-nopush
	is outcome "$(field .outcome)" truncated
	is reason "$(field .reason)" "max_core: no more than 1M of memory"
	is_delegation none
	forget_crashes
	docker_crash --name cf-push-1
	check_core
	is_delegation failed
	is status "$(field .delegation.exit_status)" 75
	[[ $(field .delegation.output) == *127.0.0.1* ]]
}

@test "names: rules: hold by container" {
	# It is held until the push has ended; the endpoint takes connections, and never answers.
	local held gateway
	gateway=$(docker_gateway)
	spawn "$T/hang.log" python3 -c "
import socket
s = socket.create_server(('$gateway', 28045)); c = []
while True: c.append(s.accept())"
	wait_port "$gateway" 28045
	for lines in 'hold = never' 'hold = init'; do
		forget_crashes
		cf_config "url = http://$gateway:28045/x" 'push_timeout = 1s' 'hold = init' '[container cf-hold]' "$lines" 'hold_max = 600ms'
		NETWORK=bridge docker_crash --name cf-hold
		held=$(field '.capture.held_ms | floor')
		echo "# $lines: $held"
		case $lines in
		*never) ((held < 600)) ;;
		*init) ((held >= 600 && held < 1000)) ;;
		esac
	done
}

@test "names: rules: what is not known is no way around them: kept for root, or not handed over" {
	local pid
	pid=$(own_engine)
	for row in 'off = yes|true|[image other]: what the container is called is not known' \
		'url = http://127.0.0.1:1/|false|[image other]: what the container is called is not known'; do
		IFS='|' read -r line root_only reason <<<"$row"
		forget_crashes
		cf_config 'container_lookup_timeout = 100ms' '[image other]' "$line"
		waiting_container cf-doubt
		kill -STOP "$pid"
		crash_now cf-doubt || { kill -CONT "$pid" && false; }
		kill -CONT "$pid"
		docker_destroy cf-doubt
		is "root only" "$(field .root_only)" "$root_only"
		is_delegation refused "$reason"
		check_core
		[[ $root_only == false ]] || is mode "$(stat -c %a:%G "$(newest)/core.zst")" 600:root
	done
}

@test "names: rules: max_per_container by container" {
	cf_config 'push = no' '[container cf-many]' 'max_per_container = 2'
	for name in cf-many cf-other; do
		waiting_container "$name"
		for _ in 1 2 3; do
			docker_exec "$name" /t/crasher-static || true
			wait_quiet
		done
		is cores "$(cf list --json --container "$name" | jq '[.[] | select(.core.file)] | length')" "$([[ $name == cf-many ]] && echo 2 || echo 3)"
		docker_destroy "$name"
	done
}

# in_cgroup DIR COMMAND...: the command, in that cgroup.
in_cgroup() {
	local dir=$1
	shift
	# shellcheck disable=SC2016 # the inner shell's
	bash -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' bash "$dir" "$@"
}

# cgroup_make PATH [OWNER]: prints the directory, of cgroup v2; OWNER: of the directory in which it stands.
cgroup_make() {
	local root=/sys/fs/cgroup/unified
	[[ -e $root/cgroup.procs ]] || root=/sys/fs/cgroup
	printf '%s\n' "$root/${1%/*}" "$root/$1" >>"$T/left"
	mkdir -p "$root/${1%/*}"
	[[ -z ${2:-} ]] || chown "$2" "$root/${1%/*}"
	mkdir -p "$root/$1"
	printf '%s\n' "$root/$1"
}

# cgroup_remove PATH
cgroup_remove() {
	local root=/sys/fs/cgroup/unified
	[[ -e $root/cgroup.procs ]] || root=/sys/fs/cgroup
	wait_until 5 rmdir "$root/$1"
	rmdir "$root/${1%/*}" 2>/dev/null || true
}

@test "names: a user's made-up container is his: no section counts, no other one's quota is used" {
	local id dir
	waiting_container cf-real --label secret=yes
	id=$(docker_cli inspect -f '{{.Id}}' cf-real)
	cf_config 'max_per_container = 1' '[label secret]' 'url = http://127.0.0.1:1/token-of-cf-real'
	docker_exec cf-real /t/crasher-static || true
	wait_quiet
	check_core
	is owner "$(field .container.owner)" null
	real=$(newest)
	# Somebody else's process, in a cgroup of a user that is called like that container's.
	dir=$(cgroup_make "cf-user/docker-$id.scope" 1000:1000)
	in_cgroup "$dir" "$T/tests/reaper" "$T/tests/crasher-static" || true
	wait_quiet
	cgroup_remove "cf-user/docker-$id.scope"
	is id "$(field .container.id)" "$id"
	is owner "$(field .container.owner)" 1000
	is_delegation refused "[label secret=*]: a user of the host could have made up the container"
	check_core
	# Both are the newest of their own.
	is "the real one's core" "$(field .core.file "$real")" core.zst
	run -0 cf info last
	[[ $output == *'1000 (this user of the host could have made up the container)'* ]]
	docker_destroy cf-real
}

@test "names: Kubernetes: from the kubelet's files; and what is no engine's file is not looked at" {
	local dir uid=01234567-89ab-cdef-0123-456789abcdef
	local id=${uid//-/}${uid//-/} log made=
	[[ -d /var/log/containers ]] || made=1
	mkdir -p /var/log/containers
	log=/var/log/containers/web-0_cf-prod_nginx-$id.log
	printf '%s\n' "$log" >>"$T/left"
	ln -s /nowhere "$log"
	dir=$(cgroup_make "kubepods/pod$uid/$id")
	in_cgroup "$dir" "$T/tests/reaper" "$T/tests/crasher-static" || true
	wait_quiet
	rm -f "$log"
	[[ -z $made ]] || rmdir /var/log/containers
	cgroup_remove "kubepods/pod$uid/$id"
	is runtime "$(field .container.runtime)" kubernetes
	is name "$(field .container.name)" nginx
	is pod "$(field .container.pod)" web-0
	is namespace "$(field .container.pod_namespace)" cf-prod
	is uid "$(field .container.pod_uid)" "$uid"
	is lookup "$(field .container.lookup)" null
}

@test "names: containerd: from its bundle" {
	local dir id bundle=/run/containerd/io.containerd.runtime.v2.task/k8s.io
	id=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
	printf '%s\n' "$bundle/$id" >>"$T/left"
	mkdir -p "$bundle/$id"
	printf '{"annotations":{"io.kubernetes.cri.container-name":"ng\\u001binx","io.kubernetes.cri.image-name":"i:1",
		"io.kubernetes.cri.sandbox-name":"web-0","io.kubernetes.cri.sandbox-namespace":"prod"}}' >"$bundle/$id/config.json"
	chmod 0644 "$bundle/$id/config.json"
	dir=$(cgroup_make "kubepods/cri-containerd-$id.scope")
	for mode in 0644 0666; do
		chmod "$mode" "$bundle/$id/config.json"
		in_cgroup "$dir" "$T/tests/reaper" "$T/tests/crasher-static" || true
		wait_quiet
		is runtime "$(field .container.runtime)" containerd
		if [[ $mode == 0644 ]]; then
			is name "$(field .container.name)" 'ng\x1binx'
			is image "$(field .container.image)" i:1
			is pod "$(field .container.pod)" web-0
		else
			is name "$(field .container.name)" null
			is lookup "$(field .container.lookup)" "no file of its engine's tells of it"
		fi
	done
	cgroup_remove "kubepods/cri-containerd-$id.scope"
	rm -rf "${bundle:?}/$id"
}

# fake_engine ANSWER: listens at $T/fake.sock and answers each connection with the file's bytes, then waits.
fake_engine() {
	spawn "$T/fake.log" python3 "$BATS_TEST_DIRNAME/fake-engine.py" "$T/fake.sock" "$@"
	wait_until 10 test -S "$T/fake.sock"
}

@test "names: answers that are none: told in the record, and the core is taken" {
	local dir id reason
	id=$(printf 'ab%.0s' {1..32})
	dir=$(cgroup_make "cf-fake/docker-$id.scope")
	for kind in good chunked garbage empty not-found error other-id no-json deep endless-body endless-headers slow \
		redirect hang smuggled; do
		forget_crashes
		rm -f "$T/fake.sock"
		fake_engine "$kind" "$id"
		pid=$SPAWNED_PID
		cf_config 'push = no' "docker_socket = $T/fake.sock" 'container_lookup_timeout = 500ms'
		in_cgroup "$dir" "$T/tests/reaper" "$T/tests/crasher-static" || true
		wait_quiet
		kill "$pid"
		reason=$(field .container.lookup)
		echo "# $kind: $reason, name $(field .container.name)"
		check_core
		case $kind in
		good | chunked) is name "$(field .container.name)" fake && is lookup "$reason" null ;;
		*) is name "$(field .container.name)" null ;;
		esac
		case $kind in
		not-found) is lookup "$reason" "the engine knows no such container" ;;
		error | redirect) [[ $reason == "the engine answered with status "* ]] ;;
		other-id | no-json | deep | smuggled) is lookup "$reason" "the engine's answer does not tell of this container" ;;
		garbage | empty) [[ $reason == "the engine's answer cannot be read: "* ]] ;;
		endless*) is lookup "$reason" "the engine's answer: File too large" ;;
		slow | hang) is lookup "$reason" "the engine's answer: container_lookup_timeout is over" ;;
		esac
	done
	cgroup_remove "cf-fake/docker-$id.scope"
}

@test "names: sockets that are none, or nobody's that is root: not asked" {
	local dir id reason
	id=$(printf 'ab%.0s' {1..32})
	dir=$(cgroup_make "cf-fake/docker-$id.scope")
	for kind in missing file fifo link user program; do
		forget_crashes
		rm -f "$T/fake.sock"
		cf_config 'push = no' "docker_socket = $T/fake.sock"
		pid=
		case $kind in
		file) echo x >"$T/fake.sock" ;;
		fifo) mkfifo "$T/fake.sock" ;;
		link) ln -s /etc/shadow "$T/fake.sock" ;;
		user)
			fake_engine good "$id"
			pid=$SPAWNED_PID
			chown 1000 "$T/fake.sock"
			;;
		program)
			fake_engine good "$id"
			pid=$SPAWNED_PID
			cf_config 'push = no' "docker_socket = $T/fake.sock" 'names = /nonexistent'
			;;
		esac
		in_cgroup "$dir" "$T/tests/reaper" "$T/tests/crasher-static" || true
		wait_quiet
		[[ -z $pid ]] || kill "$pid"
		reason=$(field .container.lookup)
		echo "# $kind: $reason"
		check_core
		is name "$(field .container.name)" null
		case $kind in
		missing) is lookup "$reason" "$T/fake.sock: No such file or directory" ;;
		file | fifo | link) is lookup "$reason" "$T/fake.sock: not a socket" ;;
		user) is lookup "$reason" "$T/fake.sock: not root's" ;;
		program) is lookup "$reason" "/nonexistent: No such file or directory" ;;
		esac
	done
	cgroup_remove "cf-fake/docker-$id.scope"
}

@test "names: LXC: from the cgroup; sections by name, and no image" {
	lxc_create cf-lxc-web "lxc.mount.entry = $T/tests opt/t none bind,ro,create=dir 0 0"
	lxc_start cf-lxc-web
	for row in 'container lxc:cf-lxc-*|refused' 'container cf-lxc-web|refused' 'image *|stored' 'label x|stored'; do
		forget_crashes
		cf_config 'push = no' "[${row%|*}]" 'off = yes'
		lxc_exec cf-lxc-web /opt/t/crasher-static 2>/dev/null || true
		wait_quiet
		is outcome "$(field .outcome)" "${row#*|}"
		is name "$(field .container.name)" cf-lxc-web
		is runtime "$(field .container.runtime)" lxc
		is lookup "$(field .container.lookup)" null
	done
	lxc_destroy cf-lxc-web
}

# podman_up: everything that it writes is below $T; and its service, which answers as Docker's engine does.
podman_up() {
	type -P podman >/dev/null || return 1
	mkdir "$T/podman"
	printf '%s\n' '[containers]' 'default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]' '[engine]' \
		'cgroup_manager = "cgroupfs"' 'events_logger = "file"' 'runtime = "runc"' >"$T/podman/containers.conf"
	export CONTAINERS_CONF=$T/podman/containers.conf
	PODMAN=(podman --root "$T/podman/root" --runroot "$T/podman/run" --tmpdir "$T/podman/tmp" --storage-driver vfs)
	mkdir "$T/podman/image"
	install -m 0755 "$T/tests/crasher-static" "$T/podman/image/crasher"
	tar -C "$T/podman/image" -c . | "${PODMAN[@]}" import -q - cf-image >/dev/null
	(umask 077 && spawn "$T/podman/service.log" "${PODMAN[@]}" system service --time 0 "unix://$T/podman.sock")
	wait_until 20 test -S "$T/podman.sock"
}

@test "names: podman: name, image, labels; sections by them" {
	podman_up || skip "podman is missing: run scripts/install-deps check"
	for row in 'container cf-none|stored' 'container podman:cf-pod*|refused' 'image *cf-image*|refused' 'label team=core|refused'; do
		forget_crashes
		cf_config 'push = no' "podman_socket = $T/podman.sock" 'container_lookup_timeout = 5s' "[${row%|*}]" 'off = yes'
		"${PODMAN[@]}" run --rm --network none --name cf-podman --label team=core cf-image /crasher 2>&1 || true
		wait_quiet
		is outcome "$(field .outcome)" "${row#*|}"
		is runtime "$(field .container.runtime)" podman
		is name "$(field .container.name)" cf-podman
		is label "$(field .container.labels.team)" core
		[[ $(field .container.image) == *cf-image* ]]
		is lookup "$(field .container.lookup)" null
		echo "# held $(field .capture.held_ms) ms"
	done
}
