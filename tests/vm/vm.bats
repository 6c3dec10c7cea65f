#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The kernel that Debian 12 has itself: 6.1, without PAGEMAP_SCAN and much else that newer ones have; with AppArmor in force,
# and cgroup v2 alone. Real crashes in a virtual machine (init); what they wrote of their rights is compared out here.
bats_require_minimum_version 1.5.0

setup_file() {
	load ../peers/common
	load vm
	peers_up
	vm_kernel "$BUILD/vm" && vm_root "$T/root" "$BUILD" "$TOP" && vm_run "$BUILD/vm/vmlinuz" "$T/root" 300 >"$T/console"
	cut -c -300 "$T/console"
}
teardown_file() {
	load ../peers/common
	peers_down
}
setup() { load ../peers/common; }

@test "vm: Debian's kernel 6.1: each test in there has passed" {
	cut -c -1000 "$T/console"
	run ! grep '^not ok' "$T/console"
	planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$T/console")
	((planned >= 8))
	is "tests" "$(grep -c '^ok ' "$T/console")" "$planned"
}

@test "vm: a delegate's rights with AppArmor and cgroup v2: the victim's, and no more" {
	sed -n 's/^# BEFORE //p' "$T/console" >"$T/before"
	sed -n 's/^# AFTER //p' "$T/console" >"$T/after"
	is "places" "$(wc -l <"$T/before")" 2
	while read -r before <&3 && read -r after <&4; do
		base64 -d <<<"$before" >"$T/b"
		base64 -d <<<"$after" >"$T/a"
		grep -q 'cf-victim' "$T/a"
		python3 "$TOP/tests/system/rights-compare.py" delegate "$T/b" "$T/a"
	done 3<"$T/before" 4<"$T/after"
}
