#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Rights equal to the victim's, never more: a program that writes down all that it can see of its rights is the victim, and
# then the delegate; rights-compare.py lays both side by side. The built-in agent is looked at from the host, while an
# endpoint that does not answer keeps it.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	load push
	cf_up
	docker_up
	BASE=$(docker_image_base base)
	GATEWAY=$(docker_gateway)
	export BASE GATEWAY
	install -m 0755 "$BUILD/tests/rights-static" "$T/r"
	ln "$T/r" "$T/tests/rights"
	mkdir -m 1777 "$T/o"
	lxc_create cfr --idmap "lxc.mount.entry = $T/tests opt/t none bind,ro,create=dir 0 0" \
		"lxc.mount.entry = $T/o opt/out none bind,create=dir 0 0"
	lxc_start cfr
	silent_endpoint_up
}
teardown_file() {
	load common
	cgroup_remove
	cf_down
}
setup() {
	load common
	cf_config
	forget_crashes
	rm -f "$T"/o/*
}

# delegate PROGRAM OUT: what core_pattern starts. (It holds 127 characters: hence the short names.)
delegate() { cf_pattern "%P %u %g $1 $2/a"; }

# compare: the delegate has run, and had what the victim had.
compare() {
	wait_quiet
	is delegation "$(field .delegation.status)" "done" || return 1
	is output "$(field .delegation.output)" written || return 1
	python3 "$TOP/tests/system/rights-compare.py" delegate "$T/o/b" "$T/o/a"
}

# silent_endpoint_up: takes connections on the gateway, reads, and never answers.
silent_endpoint_up() {
	cat >"$T/silent.py" <<-'END'
		import socket, sys, threading
		server = socket.create_server((sys.argv[1], 28044), backlog=50)
		kept = []
		while True:
		    kept.append(server.accept()[0])
		    threading.Thread(target=lambda c: [None for _ in iter(lambda: c.recv(1 << 16), b"")], args=(kept[-1],), daemon=True).start()
	END
	spawn "$T/silent.log" python3 "$T/silent.py" 0.0.0.0
	wait_port "$GATEWAY" 28044
}

# The agent that pushes now (of our installation), once it has connected.
agent_pid() {
	local pid
	for pid in $(pgrep -f '^coreferry-agent --enter='); do
		[[ $(tr '\0' '\n' <"/proc/$pid/environ") == *":28044"* ]] || continue
		readlink "/proc/$pid"/fd/* 2>/dev/null | grep -q '^socket:' && printf '%s\n' "$pid" && return
	done
	return 1
}

# compare_agent: the agent, while it waits; then it is ended.
compare_agent() {
	local pid status=0 dir
	wait_until 20 agent_pid >/dev/null || return 1
	pid=$(agent_pid)
	dir=$(newest)
	[[ -d $dir ]] || dir=$(find "$T/store/crashes" -mindepth 1 -maxdepth 1 -name '.2*' | tail -n 1)
	python3 "$TOP/tests/system/rights-compare.py" agent "$T/o/b" "$pid" "$dir" || status=1
	kill -KILL "$pid"
	wait_quiet || return 1
	return "$status"
}

CGROUP=cf-rights
# cgroup_mounts: every hierarchy of this machine.
cgroup_mounts() { awk '$3 ~ /^cgroup2?$/ && $2 ~ "^/sys/fs/cgroup" { print $2 }' /proc/mounts; }
cgroup_remove() {
	local mount
	for mount in $(cgroup_mounts); do
		[[ ! -d $mount/$CGROUP ]] || wait_until 5 rmdir "$mount/$CGROUP"
	done
}

# in_cgroup COMMAND...: in a cgroup of its own in each hierarchy that lets itself be used without more ado.
in_cgroup() {
	local mount
	for mount in $(cgroup_mounts); do
		mkdir -p "$mount/$CGROUP"
		[[ ! -e $mount/$CGROUP/cpuset.cpus ]] || cat "$mount/cpuset.cpus" >"$mount/$CGROUP/cpuset.cpus"
		[[ ! -e $mount/$CGROUP/cpuset.mems ]] || cat "$mount/cpuset.mems" >"$mount/$CGROUP/cpuset.mems"
	done
	(
		for mount in $(cgroup_mounts); do
			echo "$BASHPID" >"$mount/$CGROUP/cgroup.procs"
		done
		"$@"
	)
}

limited() {
	(
		ulimit -n 700 -f 100000 -u 5000 -l 64 -q 1000 -c 0
		cd /var || exit
		exec taskset -c 0 nice -n 12 "$@"
	)
}

@test "rights: a process of the host, root and uid 1000, with limits, nice and a cgroup of its own" {
	delegate "$T/r" "$T/o"
	for user in '' '--setuid 1000'; do
		rm -f "$T"/o/*
		# shellcheck disable=SC2086
		in_cgroup limited "$T/r" "$T/o/b" --crash $user || true
		grep -q "/$CGROUP" "$T/o/b"
		compare
		cgroup_remove
	done
}

@test "rights: unshare of each namespace alone, and of all" {
	delegate "$T/r" "$T/o"
	for options in --mount --uts --ipc --net '--pid --fork' --cgroup --user --time '--user --map-root-user' \
		'--mount --uts --ipc --net --pid --fork --cgroup --user --map-root-user'; do
		forget_crashes
		rm -f "$T"/o/*
		echo "options: $options"
		# A shell between: unshare --fork would die, and dump, by the signal of its child. And it stays: a delegate
		# cannot be born in a pid namespace whose init has ended.
		# shellcheck disable=SC2016,SC2086
		unshare $options bash -c '"$@"; for i in {1..100}; do [[ -s $0 ]] && break; sleep 0.1; done' \
			"$T/o/a" "$T/r" "$T/o/b" --crash
		compare
	done
}

@test "rights: Docker, default, restricted, and with more capabilities" {
	delegate /t/rights /out
	for options in '' '--user 1000:1000 --cap-drop ALL --security-opt no-new-privileges' '--read-only --user 4711' \
		'--cap-add SYS_ADMIN --cap-add SYS_PTRACE' '--security-opt seccomp=unconfined' '--cap-add SYS_ADMIN --security-opt seccomp=unconfined' \
		'--memory 64m --pids-limit 50 --cpus 0.5 --ulimit nofile=300:400'; do
		forget_crashes
		rm -f "$T"/o/*
		echo "options: $options"
		# shellcheck disable=SC2086
		docker_cli run --rm --label "$(docker_label)" -v "$T/tests:/t:ro" -v "$T/o:/out" $options "$BASE" \
			/t/rights /out/b --crash || true
		compare
	done
}

@test "rights: Docker with the host's pid namespace" {
	delegate /t/rights /out
	docker_cli run --rm --label "$(docker_label)" -v "$T/tests:/t:ro" -v "$T/o:/out" --pid host "$BASE" \
		sh -c '/t/rights /out/b --crash; while ! [ -s /out/a ]; do sleep 0.1; done' || true
	compare
}

@test "rights: LXC with mapped ids" {
	delegate /opt/t/rights /opt/out
	for uid in 0 1000; do
		forget_crashes
		rm -f "$T"/o/*
		lxc_exec cfr --uid "$uid" /opt/t/rights /opt/out/b --crash || true
		compare
	done
}

@test "rights: the agent, in Docker, in LXC, and on the host" {
	cf_default_pattern
	docker_cli run --rm --label "$(docker_label)" -v "$T/tests:/t:ro" -v "$T/o:/out" --user 1000 --memory 64m \
		--ulimit nofile=300:400 -e "COREFERRY_URL=http://$GATEWAY:28044/" "$BASE" /t/rights /out/b --crash 3>&- &
	compare_agent
	wait
	forget_crashes
	rm -f "$T"/o/*
	lxc_exec cfr --uid 1000 --env "COREFERRY_URL=http://$(lxc_bridge_address):28044/" /opt/t/rights /opt/out/b --crash || true
	compare_agent
	forget_crashes
	rm -f "$T"/o/*
	in_cgroup limited env "COREFERRY_URL=http://127.0.0.1:28044/" "$T/r" "$T/o/b" --crash --setuid 1000 || true
	compare_agent
	cgroup_remove
}

# frozen FILE FREEZE THAW: the agent is in a cgroup that is then frozen; the helper ends when its time is over.
frozen() {
	cf_config 'push_timeout = 2s'
	in_cgroup env "COREFERRY_URL=http://127.0.0.1:28044/" "$T/r" "$T/o/b" --crash || true
	wait_until 20 agent_pid >/dev/null || return 1
	AGENT=$(agent_pid)
	echo "$2" >"$1"
	wait_quiet 15 || return 1
	is delegation "$(field .delegation.status)" failed || return 1
	echo "$3" >"$1"
	wait_until 5 agent_gone || return 1
	cgroup_remove
}
agent_gone() { [[ ! -d /proc/$AGENT ]]; }

@test "rights: a frozen cgroup holds the helper no longer than push_timeout" {
	cf_default_pattern
	ran=0
	for mount in $(cgroup_mounts); do
		forget_crashes
		rm -f "$T"/o/*
		mkdir "$mount/$CGROUP"
		if [[ -e $mount/$CGROUP/cgroup.freeze ]]; then
			frozen "$mount/$CGROUP/cgroup.freeze" 1 0
		elif [[ -e $mount/$CGROUP/freezer.state ]]; then
			frozen "$mount/$CGROUP/freezer.state" FROZEN THAWED
		else
			rmdir "$mount/$CGROUP"
			continue
		fi
		ran=$((ran + 1))
	done
	((ran > 0))
}

@test "rights: a container that ends before its agent leaves no cgroup behind" {
	cf_config 'push_timeout = 4s' 'hold_max = 1s'
	cf_default_pattern
	docker_cli run --rm --label "$(docker_label)" -v "$T/tests:/t:ro" -v "$T/o:/out" \
		-e "COREFERRY_URL=http://$GATEWAY:28044/" "$BASE" /t/rights /out/b --crash || true
	id=$(field .container.id)
	[[ $id =~ ^[0-9a-f]{64}$ ]]
	find /sys/fs/cgroup -type d -name "*$id*" | grep -q . # the agent is still in there
	wait_quiet
	is "left behind" "$(find /sys/fs/cgroup -type d -name "*$id*")" ""
}
