#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Whoever is ended, at whatever moment: the helper, its confined child, the victim. Each crash stays in the store and is
# called what it is, nobody is held, and nothing is left over when one more crash has been.
#
# A helper that was killed before it had made the crash's directory has told nobody of it: such a crash may be missing,
# and no other one. KILL_ROUNDS: so many moments for each of the three.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up 'push = no'
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	: "${KILL_ROUNDS:=12}"
	SEED=${KILL_SEED:-$RANDOM}
	echo "# KILL_SEED=$SEED" # the moments are as random as the machine; the choices can be had again
	cf_config 'push = no'
	cf_default_pattern
	rm -rf "$T/store"
	: >"$T/expected"
}

victims() { /usr/bin/python3 "$BATS_TEST_DIRNAME/victims.py" "$@"; }
check_store() { /usr/bin/python3 "$BATS_TEST_DIRNAME/store-check.py" --expect "$T/expected" "$@" "$T/store"; }

# mode NAME: how the core is taken.
mode() {
	cf_default_pattern
	case $1 in
	spool) cf_config 'push = no' ;;
	frames) cf_config 'push = no' 'spool_max = 1M' ;;
	pipe)
		cf_config 'push = no'
		cf_pattern '--pipe -s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g'
		;;
	esac
}

# strike TARGET COUNT ARGS...: COUNT crashes during which the target gets a signal, and one before that is left alone.
strike() {
	local target=$1 count=$2
	shift 2
	victims kill --seed "$SEED" "${OPTIONS[@]}" --helper "$T/bin/coreferry-helper" --store "$T/store" \
		"$target" "$count" "$@" --crash none >"$T/struck"
	sed "s|^#|# $target $MODE $*:|" "$T/struck"
	grep -v '^#' "$T/struck" >>"$T/expected"
	cat "$T/struck" >>"$T/all"
}

# struck: the directories of the crashes whose target was hit by strike(), and so not of the one that was left alone.
struck() {
	local pid
	while read -r pid; do
		printf '%s\n' "$T"/store/crashes/2*-"$pid"-????
	done < <(grep -B1 '^# hit' "$T/struck" | grep -x '[0-9]*')
}

# strike_all TARGET: KILL_ROUNDS of them, victims of each kind, in each mode.
strike_all() {
	local kinds=('crasher-static' 'crasher --heap 200' 'crasher --heap 10 --map 600' 'crasher --threads 20 --heap 4')
	local modes=(spool frames pipe) kind MODE i=0 count OPTIONS=()
	: >"$T/all"
	count=$((${#kinds[@]} * ${#modes[@]}))
	for MODE in "${modes[@]}"; do
		mode "$MODE"
		for kind in "${kinds[@]}"; do
			# shellcheck disable=SC2086
			strike "$1" $(((KILL_ROUNDS + i++) / count)) $T/tests/$kind
			SEED=$((SEED + 1))
		done
	done
	hits=$(grep -c '^# hit' "$T/all")
	echo "hit: $hits of $KILL_ROUNDS"
	((hits * 2 >= KILL_ROUNDS))
}

# next_crash: an ordinary one, as the last word. A directory without anything in it could be of a helper that has just
# begun, for ten seconds by its clock.
next_crash() {
	MODE=spool
	mode spool
	find "$T/store/crashes" -name '.*.partial' -empty -exec touch -d '20 seconds ago' {} +
	victims storm 1 "$T/tests/crasher" --crash none >"$T/next"
	cut -d' ' -f1 "$T/next" >>"$T/expected"
	wait_quiet
	is "the next run" "$(field .outcome)" stored
}

@test "killed: the helper, at random moments" {
	strike_all helper
	next_crash
	check_store --killed
}

@test "killed: the confined child, at random moments" {
	strike_all child
	next_crash
	# Its helper goes on: without a digest there is nothing.
	check_store
}

@test "killed: the victim, at random moments" {
	strike_all victim
	next_crash
	check_store
}

@test "killed: each confined child: as it is, from the pipe, and it says so" {
	local OPTIONS=(--early) MODE dir dirs
	for MODE in spool frames pipe; do
		mode "$MODE"
		strike children 2 "$T/tests/crasher" --heap 100
		wait_quiet
		mapfile -t dirs < <(struck)
		((${#dirs[@]} > 0))
		for dir in "${dirs[@]}"; do
			is file "$(field .core.file "$dir")" core
			echo "# $(field '.outcome + ": " + .reason + " (" + .capture.note + ")"' "$dir")"
			[[ $(field .capture.note "$dir") == *"ended by signal 9" ]]
			is captured "$(field '.capture.captured_bytes > 0' "$dir")" true
			# The one that looks whether it is whole may be quick enough; else nobody can say so.
			[[ $(field .outcome "$dir") == stored || $(field .reason "$dir") == *"ended by signal 9" ]]
		done
	done
	next_crash
	check_store --killed
}

@test "killed: a child that makes a forbidden system call: it is noted, and the core is whole" {
	local OPTIONS=(--early --signal SYS) MODE dir dirs whole
	for MODE in spool frames; do
		mode "$MODE"
		whole=0
		strike child 3 "$T/tests/crasher" --heap 100
		wait_quiet
		mapfile -t dirs < <(struck)
		((${#dirs[@]} > 0))
		for dir in "${dirs[@]}"; do
			# In the moment between its reading the pipe and its saying so what it has read is lost, and called so.
			if [[ $(field .reason "$dir") != "some bytes of it were lost: "* ]]; then
				check_core "$dir"
				whole=$((whole + 1))
			fi
			is mode "$(field .capture.mode "$dir")" pipe
			[[ $(field .capture.note "$dir") == *"memory: "*"a system call that it must not" ]]
		done
		((whole > 0))
	done
	next_crash
	check_store --killed
}

# confined PID: what another process could use to reach it.
confined() { awk -v OFS=' ' '/^(Uid|Gid|Groups|CapPrm|CapBnd|NoNewPrivs|Seccomp):/ { $1 = $1; print }' "/proc/$1/status"; }
children_of_helper() { pgrep -P "$(pgrep -o -f "^$T/bin/coreferry-helper")" >"$T/children"; }

@test "killed: a child is a user of its own: no other process without rights can end or stop it" {
	mode pipe
	"$T/tests/crasher" --map 40000 --heap 30 3>&- &
	wait_until 10 children_of_helper
	child=$(head -n 1 "$T/children")
	wait_until 5 test "$(awk '/^Seccomp:/ { print $2 }' "/proc/$child/status")" = 2
	confined "$child"
	id=$((0x7fb00000 + child))
	is rights "$(confined "$child")" "Uid: $id $id $id $id
Gid: $id $id $id $id
Groups:
CapPrm: 0000000000000000
CapBnd: 000001ffffffffff
NoNewPrivs: 1
Seccomp: 2"
	for other in 65534 1000 $((id + 1)); do
		run ! setpriv --reuid "$other" --clear-groups kill -STOP "$child"
	done
	kill -9 "$!" || true
	wait || true
	wait_quiet
}

@test "killed: a child that stands still: max_block ends it" {
	local OPTIONS=(--early --signal STOP) MODE dir dirs
	for MODE in spool frames pipe; do
		mode "$MODE"
		echo 'max_block = 1s' >>"$T/conf"
		strike child 1 "$T/tests/crasher" --heap 200
		wait_quiet
		mapfile -t dirs < <(struck)
		is hit "${#dirs[@]}" 1
		dir=${dirs[0]}
		is outcome "$(field .outcome "$dir")" truncated
		[[ $(field .reason "$dir") == "max_block is over"* ]]
		# It is given two seconds more to end by itself.
		is "held for 1 to 4 s" "$(field '.capture.held_ms | . >= 1000 and . < 4000' "$dir")" true
	done
	next_crash
	check_store
}
