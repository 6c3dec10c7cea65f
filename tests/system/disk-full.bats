#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A store whose disk is full, becomes full in the middle, or has room again a moment later: each crash has its record, a
# core that is cut says why, and with room again all is as before. On a tmpfs, and on ext4, which needs room for a
# directory too.
#
# FULL_ROUNDS: so many crashes beside another one who fills the disk, for each file system and way of capture.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up 'push = no'
	mkdir -p "$T/store"
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	: "${FULL_ROUNDS:=8}"
	cf_default_pattern
	: >"$T/expected"
}
teardown() {
	[[ -z ${FILLER:-} ]] || kill "$FILLER" 2>/dev/null || true
	wait_quiet 30 || true
	! mountpoint -q "$T/store" || umount "$T/store"
}

# disk TYPE MIB: the store is on an own file system.
disk() {
	! mountpoint -q "$T/store" || umount "$T/store"
	case $1 in
	tmpfs) mount -t tmpfs -o "size=$2M,mode=0755" tmpfs "$T/store" ;;
	ext4)
		rm -f "$T/image"
		truncate -s "$2M" "$T/image"
		mkfs.ext4 -q -m 0 "$T/image"
		mount -o loop "$T/image" "$T/store"
		;;
	esac
}

# victim ARGS...: one crash, noted in $T/expected.
victim() {
	/usr/bin/python3 "$BATS_TEST_DIRNAME/victims.py" storm 1 \
		"$T/tests/crasher-static" "$@" --crash none >"$T/victim"
	cut -d' ' -f1 "$T/victim" >>"$T/expected"
}

check_store() {
	rm -f "$T/store/filler"
	/usr/bin/python3 "$BATS_TEST_DIRNAME/store-check.py" --expect "$T/expected" "$@" "$T/store" >"$T/checked" || {
		head -n 100 "$T/checked"
		return 1
	}
	tail -n 1 "$T/checked"
}

# reasons: of all records, each once.
reasons() { jq -r '.outcome + ": " + (.reason // "-")' "$T"/store/crashes/2*/crash.json | sort | uniq -c | sed 's/^ *//'; }

# fill MIB: another one's file takes all but so much of the disk.
fill() {
	local free
	free=$(df --output=avail --block-size=1K "$T/store" | tail -n 1)
	((free > $1 * 1024)) || return 0
	fallocate -l "$((free - $1 * 1024))K" "$T/store/filler"
}

# fill_at_random: again and again another one's file takes all or a part of what is free, and goes again.
fill_at_random() {
	exec >/dev/null 2>&1 3>&-
	for ((end = SECONDS + 120; SECONDS < end;)); do
		fallocate -l "$((RANDOM % 100 + 1))M" "$T/store/filler" || fill 0 || true
		sleep "0.$(printf %03d $((RANDOM % 200)))"
		rm -f "$T/store/filler"
		sleep "0.$(printf %03d $((RANDOM % 100)))"
	done
}

# mode NAME [LINE]...: how the core is taken.
mode() {
	cf_default_pattern
	case $1 in
	spool) cf_config 'push = no' "${@:2}" ;;
	frames) cf_config 'push = no' 'spool_max = 1M' "${@:2}" ;;
	pipe)
		cf_config 'push = no' "${@:2}"
		cf_pattern '--pipe -s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g'
		;;
	esac
}

# whole_again: with room, a crash is whole.
whole_again() {
	rm -f "$T/store/filler"
	victim --heap 10 --random
	wait_quiet
	is "with room again" "$(field .outcome)" stored
}

# Where there was no room for the record, or only for the one that says how far it had come, recovery tells the rest.
REASONS=' stored: -$| truncated: the disk of the store is full$| truncated: coreferry-helper was stopped before'
REASONS+='| failed: nothing could be stored: No space left on device$| failed: coreferry-helper was stopped before'

# forget_unheard: a crash for which not even a directory could be made has no record: the kernel's log tells of it.
forget_unheard() {
	local pid
	while read -r pid; do
		if ! compgen -G "$T/store/crashes/*-$pid-*" >/dev/null; then
			dmesg | grep "coreferry-helper.*pid $pid (.*) crashed: no record: .*No space left on device" || {
				echo "pid $pid: no record, and no word of it"
				dmesg | tail -n 20
				ls -la "$T/store/crashes"
				return 1
			}
			sed -i "/^$pid$/d" "$T/expected"
		fi
	done < <(cat "$T/expected")
}

@test "disk-full: another one fills it at random moments" {
	for type in tmpfs ext4; do
		for mode in spool frames pipe; do
			disk "$type" 100
			: >"$T/expected"
			mode "$mode" 'keep_free = 0' 'max_use = 60M'
			fill_at_random &
			FILLER=$!
			for ((i = 0; i < FULL_ROUNDS; i++)); do
				victim --heap $((i % 3 * 12)) --random
			done
			wait_quiet
			kill "$FILLER"
			wait "$FILLER" || true
			whole_again
			forget_unheard
			check_store --killed || return 1
			reasons
			run -1 grep -vE "$REASONS" <(reasons)
		done
	done
}

@test "disk-full: too small from the start: a part of the core, and the reason" {
	for type in tmpfs ext4; do
		for mode in spool frames pipe; do
			disk "$type" 24
			: >"$T/expected"
			mode "$mode" 'keep_free = 0' 'max_use = 0'
			victim --heap 60 --random
			wait_quiet
			is "outcome ($type $mode)" "$(field .outcome)" truncated
			is reason "$(field .reason)" "the disk of the store is full"
			# What there is is a good part of the disk, and can be read.
			is "size" "$(field '.core.size > 15000000' "$(newest)")" true
			is "counter" "$(cf status --json | jq .counters.cores_truncated.disk_full)" 1
			# The next one finds the disk full, and has a record.
			victim --heap 10 --random
			wait_quiet
			is "count ($type $mode)" "$(crash_count)" 2
			echo 'max_use = 1M' >>"$T/conf"
			victim
			wait_quiet
			whole_again
			check_store
		done
	done
}

@test "disk-full: keep_free: no core is taken that would leave less, and a record says so" {
	for type in tmpfs ext4; do
		for mode in spool frames pipe; do
			disk "$type" 100
			: >"$T/expected"
			mode "$mode" 'keep_free = 40M' 'max_use = 0'
			victim --heap 80 --random
			wait_quiet
			is "outcome ($type $mode)" "$(field .outcome)" truncated
			is reason "$(field .reason)" "keep_free: the rest of the disk is to be left to others"
			(($(df --output=avail --block-size=1M "$T/store" | tail -n 1) >= 39))
			forget_crashes # no old one could make way
			: >"$T/expected"
			fill 20
			victim --heap 10 --random
			wait_quiet
			is "outcome ($type $mode)" "$(field .outcome)" refused
			[[ $(field .reason) == "keep_free: "*" MiB of the disk are free, and 40 MiB are to be left" ]]
			[[ -s $(newest)/maps ]]
			whole_again
			check_store
			is "refused" "$(cf status --json | jq .counters.cores_refused.keep_free)" 1
		done
	done
}

# fill_up: to the last block and the last byte of a directory, with other directories too.
fill_up() {
	fill 0 || true
	head -c 100M /dev/zero >"$T/store/filler2" 2>/dev/null || true
	mkdir -p "$T/store/filler3" 2>/dev/null || true
	for ((i = 0; i < 2000; i++)); do
		mkdir "$T/store/filler3/$i" 2>/dev/null || break
	done
}

@test "disk-full: to the last block: a crash has a record, from what was set aside, or is counted" {
	for type in tmpfs ext4; do
		disk "$type" 100
		: >"$T/expected"
		mode spool 'keep_free = 1M' 'max_use = 0'
		victim --heap 1
		wait_quiet
		is "set aside ($type)" "$(find "$T/store/reserve" -type f | wc -l)" 16
		fill_up
		is "free" "$(df --output=avail --block-size=1K "$T/store" | tail -n 1 | tr -d ' ')" 0
		for ((i = 0; i < 4; i++)); do
			victim --heap 1
			wait_quiet
			[[ $(field .outcome) == refused && $(field .reason) == "keep_free: "* ]]
		done
		is "records ($type)" "$(crash_count)" 5
		# And when nothing is left of that: it is counted and told, or there later on.
		rm -rf "$T/store/reserve"
		fill_up
		victim --heap 1
		wait_quiet
		rm -rf "$T"/store/filler*
		whole_again
		forget_unheard
		is "seen ($type)" "$(cf status --json | jq .counters.crashes_seen)" 7
		is "set aside again ($type)" "$(find "$T/store/reserve" -type f | wc -l)" 16
		check_store
	done
}

@test "disk-full: by our own cores: the oldest makes way, though there is no room to say so first" {
	disk ext4 100
	: >"$T/expected"
	mode spool 'keep_free = 0' 'max_use = 0'
	victim --heap 20 --random
	victim --heap 20 --random
	wait_quiet
	rm -rf "$T/store/reserve"
	fill_up
	mode spool 'keep_free = 20M' 'max_use = 0'
	victim --heap 1
	wait_quiet
	is "cores" "$(jq -r '.core_removed // "-"' "$T"/store/crashes/2*/crash.json | sort | uniq -c | tr -s ' ' | tr '\n' ';')" ' 1 -; 1 keep_free;'
	rm -rf "$T"/store/filler*
	whole_again
	forget_unheard
	check_store
}
