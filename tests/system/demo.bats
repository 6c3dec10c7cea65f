#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The demo: green with each engine, twice; and however it is stopped, the machine is as it was before.
bats_require_minimum_version 1.5.0

setup() {
	TOP=$(realpath "$BATS_TEST_DIRNAME/../..")
	# shellcheck source=scripts/lib/process.sh
	source "$TOP/scripts/lib/process.sh"
	BUILD=${COREFERRY_BUILD:-$TOP/build}
}

# What runs beside these tests (tests/peers) comes and goes.
is_beside() { tr '\0' '\n' <"/proc/$1/environ" 2>/dev/null | grep -qx COREFERRY_BESIDE=1; }

sessions() {
	local dir
	for dir in /run/coreferry-test/s.*/; do
		[[ ! -d $dir || -e $dir/beside ]] || printf '%s\n' "$dir"
	done
}

programs() {
	local pid args
	# shellcheck disable=SC2009 # whole command lines are compared
	while read -r pid args; do
		is_beside "$pid" || printf '%s\n' "$args"
	done < <(ps -e -o pid=,args= | grep -E 'coreferry|[l]xc-start|[d]ockerd|[c]ontainerd' | grep -vE 'grep|bats|<defunct>|/system/')
}

# What the demo must leave as it was.
machine() {
	cat /proc/sys/kernel/core_pattern /proc/sys/kernel/core_pipe_limit /proc/sys/fs/suid_dumpable
	ip -br link | awk '{ print $1 }' | sort
	awk '{ print $5 }' /proc/self/mountinfo | sort
	find /var/lib /var/tmp -maxdepth 1 -name 'coreferry*' | sort
	sessions
	programs | sort
}
machine_is() { [[ $(machine) == "$1" ]]; }

demo() { "$TOP/scripts/demo" --engine "$1" --build-dir "$BUILD"; }

@test "demo: LXC, twice" {
	before=$(machine)
	for ((i = 0; i < 2; i++)); do
		run -0 demo lxc
		[[ $output == *"ok: pushed, pulled and stored core are the same"* ]]
		[[ $output == *"the machine is as it was before"* ]]
	done
	wait_until 10 machine_is "$before" || { diff <(echo "$before") <(machine); return 1; }
}

@test "demo: Docker, twice" {
	before=$(machine)
	for ((i = 0; i < 2; i++)); do
		run -0 demo docker
		[[ $output == *"ok: pushed, pulled and stored core are the same"* ]]
		[[ $output == *"the machine is as it was before"* ]]
	done
	wait_until 10 machine_is "$before" || { diff <(echo "$before") <(machine); return 1; }
}

@test "demo: Ctrl-C, SIGTERM and SIGKILL in the middle: everything is put back" {
	before=$(machine)
	for engine in lxc docker; do
		for signal in INT TERM KILL; do
			for moment in 0.9 1.6; do
				[[ $engine$moment != docker0.9 || $signal == KILL ]] || continue
				# A session of its own with default signals, as a terminal has it: Ctrl-C goes to all of it.
				env --default-signal=INT setsid "$TOP/scripts/demo" --engine "$engine" --build-dir "$BUILD" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
				demo=$!
				sleep "$moment"
				if [[ $signal == INT ]]; then
					kill -INT -- "-$demo" || true
				else
					kill "-$signal" "$demo" || true
				fi
				status=0
				wait "$demo" || status=$?
				((status != 0)) || [[ $(<"$BATS_TEST_TMPDIR/out") == *"as it was before"* ]]
				wait_until 30 machine_is "$before" || {
					echo "$engine, $signal after $moment s:"
					diff <(echo "$before") <(machine)
					return 1
				}
			done
		done
	done
}
