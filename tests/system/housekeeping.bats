#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Housekeeping of the store: what a killed helper left is recovered by the next crash, what is over a limit makes way,
# and nobody loses a core that is being read.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up 'push = no'
	cp "$T/tests/crasher" "$T/tests/other"
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

# crashes PROGRAM MIB [COUNT]: one after the other, each with so much in its core that cannot be compressed.
crashes() {
	for ((i = 0; i < ${3:-1}; i++)); do
		crash "$T/tests/$1" --heap "$2" --random || return 1
		wait_quiet
	done
}

# kept: a letter for each crash, oldest first: "#": has its core; "x": it was removed, and the record says so.
kept() {
	local id dir line=
	for id in $(crash_ids); do
		dir=$T/store/crashes/$id
		if [[ $(field .core.file "$dir") == core.zst && -s $dir/core.zst ]]; then
			line+='#'
		elif [[ $(field .core_removed "$dir") != null && ! -e $dir/core && ! -e $dir/core.zst ]]; then
			line+=x
		else
			line+='?'
		fi
	done
	printf '%s\n' "$line"
}

# is_locked DIR: somebody works on the crash, or reads it.
is_locked() { ! flock --nonblock --exclusive "$1" true; }

helper_pids() { pgrep -f "^$T/bin/coreferry-helper"; }

# kill_helper: with its children, if it has any.
kill_helper() {
	local pids
	mapfile -t pids < <(helper_pids)
	kill -9 "${pids[@]}" 2>/dev/null || true # the children end with the helper
	wait_quiet
}

partial() { compgen -G "$T/store/crashes/.*.partial"; }
partial_has() { compgen -G "$T/store/crashes/.*.partial/$1" >/dev/null && [[ -s $(partial)/$1 ]]; }

@test "housekeeping: a core that made way: list, info and dump say so" {
	crashes crasher 1
	dir=$(newest)
	id=$(basename "$dir")
	check_core
	rm "$dir/core.zst"
	jq 'del(.core.file) | .core_removed = "max_use"' "$dir/crash.json" >"$dir/crash.json.edited"
	mv "$dir/crash.json.edited" "$dir/crash.json"
	run -0 cf list
	[[ ${lines[1]} == *" removed "*stored* ]]
	run -0 cf info "$id"
	[[ $output == *removed*max_use* ]]
	[[ $output == *"none any more"* ]]
	run -69 cf dump "$id" --force -o "$T/core"
	[[ $output == *"$id has no core any more: it was removed: max_use"* ]]
	run -0 --separate-stderr cf info --json "$id"
	is core_removed "$(jq -r .core_removed <<<"$output")" max_use
}

@test "housekeeping: a crash is locked while its helper lives, and no longer" {
	cf_pattern '--pipe -s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g' # takes many seconds
	"$T/tests/crasher" --map 40000 --heap 10 3>&- &
	wait_until 10 partial_has core.zst
	dir=$(partial)
	is_locked "$dir"
	kill_helper
	wait || true
	run ! is_locked "$dir"
}

@test "housekeeping: a core that is read is locked" {
	crashes crasher 8
	dir=$(newest)
	run ! is_locked "$dir"
	mkfifo "$T/fifo"
	cf dump last -o - >"$T/fifo" 3>&- &
	dump=$!
	exec 5<"$T/fifo"
	wait_until 10 is_locked "$dir"
	is "digest of what came" "$(sha256sum <&5 | cut -d' ' -f1)" "$(field .core.raw_sha256 "$dir")"
	exec 5<&-
	wait "$dump"
	rm "$T/fifo"
	run ! is_locked "$dir"
}

@test "housekeeping: max_use: the oldest core of the largest group goes, its record stays" {
	cf_config 'push = no' 'max_use = 11M'
	crashes crasher 4 1
	crashes other 1 1
	crashes crasher 4 1
	is "all fit" "$(kept)" '###'
	crashes other 1 1
	crashes crasher 4 1
	is "the oldest of the largest" "$(kept)" 'x####'
	first=$T/store/crashes/$(crash_ids | head -n 1)
	is core_removed "$(field .core_removed "$first")" max_use
	is outcome "$(field .outcome "$first")" stored
	[[ -s $first/maps ]]
	(($(du -s --block-size=1 "$T/store/crashes" | cut -f1) < 12 * 1048576))
	check_core
	run -69 cf dump "$(basename "$first")" --force -o "$T/core"
}

@test "housekeeping: max_use: a core that is being read is passed by" {
	crashes crasher 4 1
	first=$(newest)
	mkfifo "$T/fifo"
	cf dump last -o - >"$T/fifo" 3>&- &
	dump=$!
	exec 5<"$T/fifo"
	wait_until 10 is_locked "$first"
	cf_config 'push = no' 'max_use = 6M'
	crashes crasher 4 2
	is "the reader's, and no other's" "$(kept)" '#xx'
	is "digest of what came" "$(sha256sum <&5 | cut -d' ' -f1)" "$(field .core.raw_sha256 "$first")"
	exec 5<&-
	wait "$dump"
	rm "$T/fifo"
	crashes crasher 4 1
	is "no longer" "$(kept)" 'xxx#'
}

@test "housekeeping: max_per_signature and max_per_container: the newest stay" {
	cf_config 'push = no' 'max_per_signature = 2'
	crashes crasher 0 1
	crashes other 0 1
	crashes crasher 0 3
	is "2 of each kind" "$(kept)" 'x#x##'
	is core_removed "$(field .core_removed "$T/store/crashes/$(crash_ids | head -n 1)")" max_per_signature
	cf_config 'push = no' 'max_per_container = 2'
	crashes other 0 1
	is "2 of the host" "$(kept)" 'xxxx##'
}

@test "housekeeping: a helper killed while it copies memory: a part, with the next crash" {
	"$T/tests/crasher" --heap 1500 --random 3>&- &
	wait_until 20 partial_has core
	kill_helper
	wait || true
	is "published" "$(crash_count)" 0
	crashes other 1
	is "published" "$(crash_count)" 2
	run ! partial
	dir=$T/store/crashes/$(crash_ids | head -n 1)
	is exe "$(field .exe "$dir")" "$T/tests/crasher"
	is outcome "$(field .outcome "$dir")" truncated
	[[ $(field .reason "$dir") == *"was stopped before"* ]]
	file=$dir/$(field .core.file "$dir")
	is mode "$(stat -c %a "$file")" 640
	is "size" "$(stat -c %s "$file")" "$(field .core.stored_size "$dir")"
	run -0 cf dump "$(basename "$dir")" --force -o "$T/core"
	[[ $output == *"only a part of the core"* ]]
	check_core "$(newest)"
}

@test "housekeeping: a helper killed while it reads the pipe: the whole frames stay, and can be read" {
	cf_pattern '--pipe -s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g' # takes many seconds
	"$T/tests/crasher" --map 40000 --heap 30 --random 3>&- &
	wait_until 10 partial_has core.zst
	kill_helper
	wait || true
	crashes other 1
	dir=$T/store/crashes/$(crash_ids | head -n 1)
	is outcome "$(field .outcome "$dir")" truncated
	zstd -qt "$dir/core.zst"
	is "size" "$(zstd -qdc "$dir/core.zst" | wc -c)" "$(field .core.size "$dir")"
	(($(field .core.size "$dir") > 0))
	cf dump "$(basename "$dir")" --force -o "$T/core"
}

@test "housekeeping: 20 helpers killed: with the next crash all are there, each once" {
	for ((i = 0; i < 20; i++)); do
		"$T/tests/crasher" --heap 60 --random 3>&- &
	done
	wait_until 20 partial
	kill_helper
	wait || true
	crashes other 0 1
	# Also those that were killed before they had a record.
	run ! partial
	for id in $(crash_ids); do
		dir=$T/store/crashes/$id
		is id "$(field .id "$dir")" "$id"
		case $(field .outcome "$dir") in
		stored | truncated) cf dump "$id" --force -o "$T/core" ;;
		failed) is file "$(field .core.file "$dir")" null ;;
		*) false ;;
		esac
	done
	is "nothing unfinished" "$(find "$T/store/crashes" -mindepth 2 -name '.*' | wc -l)" 0
}

is_published() { [[ -n $(crash_ids) ]]; }

@test "housekeeping: a helper killed after the publication: a later one compresses the core, and takes its digests" {
	"$T/tests/crasher" --heap 500 --random 3>&- &
	wait_until 20 is_published
	kill_helper
	wait || true
	dir=$T/store/crashes/$(crash_ids | head -n 1)
	is file "$(field .core.file "$dir")" core
	is outcome "$(field .outcome "$dir")" stored
	is digest "$(field .core.sha256 "$dir")" null
	crashes other 1
	is file "$(field .core.file "$dir")" core.zst
	[[ ! -e $dir/core ]]
	check_core "$dir"
}

@test "housekeeping: a helper killed while it compresses: what it left over is removed" {
	crashes crasher 1
	dir=$(newest)
	head -c 100000 /dev/urandom >"$dir/core"
	head -c 100000 /dev/urandom >"$dir/.core.zst.new"
	crashes other 0 1
	is "left over" "$(find "$dir" -name core -o -name '.*.new' | wc -l)" 0
	check_core "$dir"
}
