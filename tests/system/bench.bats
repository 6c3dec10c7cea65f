#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The benchmark runs, measures every handler it names, and leaves the machine as it was. How fast anything is, is not
# tested here.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	RESULTS=$(mktemp -d "$BATS_FILE_TMPDIR/bench.XXXXXX")
	export RESULTS
	make -C "$TOP" --no-print-directory BUILD="$BUILD" BENCH_DIR="$RESULTS" ROUNDS=1 CASES=tiny bench \
		>"$RESULTS/out" 2>&1 || {
		cat "$RESULTS/out"
		return 1
	}
}
setup() { load common; }

nothing_left() {
	! compgen -G '/var/lib/cfb.*' >/dev/null && ! grep -q cfb /proc/sys/kernel/core_pattern &&
		! grep -qs ' /run/systemd/coredump$' /proc/net/unix && [[ ! -e /run/systemd/coredump ]]
}

# row HANDLER: its fields in table.tsv.
row() { awk -F'\t' -v name="$1" '$2 == name' "$RESULTS/table.tsv"; }

# check_measured HANDLER LABEL CORES: five runs, whose numbers are those of a real crash.
check_measured() {
	row "$2" | grep -qP '^1 MiB\t[^\t]*\t[0-9.]+ m?s\t[0-9.]+\t' || { row "$2" && return 1; }
	awk -F'\t' -v handler="$1" -v cores="$3" '
		$1 == "tiny" && $3 == handler {
			runs++
			if ($5 < 50 || $5 > 60e6 || $6 < 10 || (handler != "file" && ($7 < 50 || $8 < 100)) ||
			    (cores && $9 < 4096) || $10 != cores || $11 < $5)
				bad = 1
		}
		END { exit bad || runs != 5 }' "$RESULTS/runs.tsv" || { cat "$RESULTS/runs.tsv" && return 1; }
}

@test "bench: each handler is measured" {
	check_measured ours coreferry 1
	check_measured cat 'cat >/dev/null' 0
	check_measured file 'kernel to a file' 1
	check_measured zstd 'zstd -1 >file' 1
}

@test "bench: systemd-coredump is measured" {
	why=$(awk -F'\t' '$1 == "systemd" { print $2 }' "$RESULTS/absent.tsv")
	if [[ -n $why ]]; then
		[[ $(row systemd-coredump) == *"n/a: $why"* ]]
		skip "systemd-coredump: $why"
	fi
	check_measured systemd systemd-coredump 1
}

@test "bench: the table, the bars and the chart" {
	is rows "$(wc -l <"$RESULTS/table.tsv")" 6
	[[ $(<"$RESULTS/out") == *"$(<"$RESULTS/table.md")"* ]]
	grep -qE '^- 1 MiB: time to reap, coreferry / cat >/dev/null: [0-9.]+, median of 5 \(bar: 0.7\): (met|NOT MET)$' \
		"$RESULTS/table.md"
	grep -q '^- 1 GiB: time to reap, coreferry / cat >/dev/null: not measured' "$RESULTS/table.md"
	run -0 python3 -c 'import sys, xml.dom.minidom as x
print(len(x.parse(sys.argv[1]).getElementsByTagName("text")))' "$RESULTS/chart.svg"
	((output >= 12))
}

@test "bench: wrong words are refused" {
	for wrong in ROUNDS=0 ROUNDS=x CASES=huge HANDLERS=apport; do
		run env "$wrong" "$TOP/tests/bench/bench" "$BUILD" "$BATS_TEST_TMPDIR/none"
		is "status of $wrong" "$status" 1
		[[ $output == *"${wrong%=*}"* ]]
	done
	[[ ! -e $BATS_TEST_TMPDIR/none ]]
}

@test "bench: nothing is left behind, even by one that was killed" {
	wait_until 10 nothing_left
	env CASES=tiny "$TOP/tests/bench/bench" "$BUILD" "$BATS_TEST_TMPDIR/killed" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	bench=$!
	wait_until 700 grep -qs . "$BATS_TEST_TMPDIR/killed/runs.tsv" || { cat "$BATS_TEST_TMPDIR/out" && return 1; }
	run ! nothing_left
	kill -KILL "$bench"
	wait_until 30 nothing_left
}
