#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The kernel that Debian 12 has itself: 6.1, without PAGEMAP_SCAN and much else that newer ones have; with AppArmor or SELinux
# in force, and cgroup v2 alone. Real crashes in a virtual machine (init); what they wrote of their rights is compared out
# here.
bats_require_minimum_version 1.5.0

setup_file() {
	load ../peers/common
	load vm
	peers_up
	vm_kernel "$BUILD/vm"
	vm_root "$T/root" "$BUILD" "$TOP"
}
teardown_file() {
	load ../peers/common
	peers_down
}
setup() {
	load ../peers/common
	load vm
}

# in_there LSM: each test in there has passed; and of each pair of a victim's and a delegate's rights the delegate's are no more.
in_there() {
	local planned before after pairs=0
	vm_run "$BUILD/vm/vmlinuz" "$T/root" "$1" 300 >"$T/console"
	cut -c -1000 "$T/console"
	run ! grep '^not ok' "$T/console"
	planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$T/console")
	((planned >= 5)) || return 1
	is "tests" "$(grep -c '^ok ' "$T/console")" "$planned" || return 1
	sed -n 's/^# BEFORE //p' "$T/console" >"$T/before"
	sed -n 's/^# AFTER //p' "$T/console" >"$T/after"
	while read -r before <&5 && read -r after <&6; do
		base64 -d <<<"$before" >"$T/b"
		base64 -d <<<"$after" >"$T/a"
		grep -qE 'cf-victim|victim_t:s0:c1' "$T/a" || return 1
		python3 "$TOP/tests/system/rights-compare.py" delegate "$T/b" "$T/a" || return 1
		pairs=$((pairs + 1))
	done 5<"$T/before" 6<"$T/after"
	is "pairs of rights" "$pairs" 2
}

@test "vm: Debian's kernel 6.1, AppArmor" { in_there apparmor; }

@test "vm: Debian's kernel 6.1, SELinux" { in_there selinux; }
