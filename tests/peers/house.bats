#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Housekeeping by a timer, without a crash: coreferry-helper --keep-house, with the rights of its unit.
bats_require_minimum_version 1.5.0

load common
load receive

setup_file() {
	peers_up
	core_file "$T/core" 4
}
teardown_file() { peers_down; }

# house [OPTION]...: as coreferry-house.service starts it: root with the capabilities of its bounding set.
house() {
	local capabilities
	capabilities=$(sed -n 's/^CapabilityBoundingSet=//p' "$TOP/scripts/systemd/coreferry-house.service.in" | tr '[:upper:]' '[:lower:]' | sed 's/cap_/+/g; s/ /,/g')
	[[ $capabilities == +* ]]
	setpriv --no-new-privs --bounding-set="-all,$capabilities" "$T/bin/coreferry-helper" --keep-house "$@"
}

@test "house: what is too old goes whole, what was left raw is compressed, the rest stays; a wrong configuration removes nothing" {
	local old=20201121T023753.123456Z-4166-9f3c new
	new=$(date -u +%Y%m%dT%H%M%S).000000Z-4166-9f3c
	: >"$T/log"
	mkdir -p "$T/store"
	# What the receiver makes is what a helper leaves that was killed before it compressed: a raw core, and its record.
	mkdir -m 0750 "$T/store/crashes"
	ln -s store/crashes "$T/in"
	chown 1000:1000 "$T/store/crashes"
	receiver
	for id in "$old" "$new"; do http 201 -T "$T/core.zst" "$URL/$id.core.zst"; done
	receiver_end TERM
	rm -r "$T/store/crashes/.uploads"
	chown -R 0:0 "$T/store"

	receiver_config "store = $T/store" 'max_age = 24h' 'nonsense = 1'
	run -78 house -C "$T/conf"
	is "both stay" "$(find "$T/store/crashes" -name core | wc -l)" 2
	receiver_config "store = $T/store" 'max_age = 24h'
	run -0 house -C "$T/conf"
	echo "$output"
	is "what is left" "$(ls "$T/store/crashes")" "$new"
	is "the core" "$(zstd -qdc "$T/store/crashes/$new/core.zst" | sha256sum | cut -d' ' -f1)" "$(sha "$T/core")"
	run -64 house 1 2 3
}
