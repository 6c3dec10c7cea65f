#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The API over a store that was made up: lists, records, files, removal, events, numbers; and the commands that read the store.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	load pull
	peers_up
}
teardown_file() {
	load common
	peers_down
}
setup() {
	load common
	load pull
	rm -rf "$T/store"
}
teardown() {
	if [[ -n ${SERVER:-} && -e /proc/$SERVER ]]; then serve_no_more; fi
}

cf() {
	local command=$1
	shift
	"$T/bin/coreferry" "$command" --store "$T/store" --config "$T/conf" "$@"
}
listed() { curl -s -m 10 "$URL/cores$1" | jq -r '.cores[].id'; }

@test "api: a list: newest first, filters, pages that hold still while crashes come" {
	store --count 9 --size 100 --number 1 --age 10 >"$T/ids"
	store --count 1 --size 100 --number 20 --exe /opt/x/other --container two --signal 6 >>"$T/ids"
	serve 'scope = any'
	tac "$T/ids" | diff - <(listed '')
	is "by program" "$(listed '?exe=oth*')" "$(tail -n 1 "$T/ids")"
	is "by path" "$(listed '?exe=%2Fopt%2F*')" "$(tail -n 1 "$T/ids")"
	is "by container" "$(listed '?container=tw%6F')" "$(tail -n 1 "$T/ids")"
	is "by signal" "$(listed '?signal=SIGABRT')" "$(tail -n 1 "$T/ids")"
	is "by pid" "$(listed '?pid=1003')" "$(sed -n 3p "$T/ids")"
	is "since" "$(listed '?since=5s')" "$(tail -n 1 "$T/ids")"
	is "until" "$(listed '?until=5s' | wc -l)" 9
	is "none" "$(curl -s "$URL/cores?exe=nothing" | jq -c '[.cores, .next]')" '[[],null]'
	# Pages of 3, and a crash between each.
	cursor=
	for i in 1 2 3 4; do
		page=$(curl -s "$URL/cores?limit=3${cursor:+&cursor=$cursor}")
		jq -r '.cores[].id' <<<"$page"
		cursor=$(jq -r '.next // ""' <<<"$page")
		store --size 0 --number $((100 + i)) >/dev/null
	done >"$T/paged"
	is "the end" "$cursor" ""
	tac "$T/ids" | diff - "$T/paged"
	for query in 'limit=0' 'limit=1001' 'cursor=x' 'since=x' 'signal=NONE' 'other=1' 'exe=%' 'exe' 'exe=*********'; do
		is "status of $query" "$(get "/cores?$query")" 400
		[[ -s $T/body ]]
	done
}

@test "api: a record, its files, never the environment; what is root's alone is known to exist, and no more" {
	id=$(store --size 5000)
	root=$(store --size 5000 --number 2 --root-only)
	none=$(store --size 0 --number 3)
	serve 'scope = any'
	is record "$(get "/cores/$id")" 200
	cmp "$T/body" "$T/store/crashes/$id/crash.json"
	is maps "$(get "/cores/$id/maps")" 200
	cmp "$T/body" "$T/store/crashes/$id/maps"
	is type "$(header Content-Type)" 'text/plain; charset=utf-8'
	is nosniff "$(header X-Content-Type-Options)" nosniff
	is log "$(get "/cores/$id/log")" 200
	is "its text" "$(cat "$T/body")" 'pushed <b>'
	is "no such file" "$(get "/cores/$id/limits")" 404
	for part in environ crash.json core.zst.new ../x '%2e%2e' maps/ .; do
		is "$part" "$(get "/cores/$id/$part" --path-as-is)" 404
	done
	is "no core" "$(get "/cores/$none/core")" 404
	is "of root: record" "$(get "/cores/$root")" 200
	is "of root: its fields" "$(jq -r 'keys | join(" ")' "$T/body")" 'id root_only time'
	for part in core core.zst maps log; do
		is "of root: $part" "$(get "/cores/$root/$part")" 403
	done
	is "of root: not by its program" "$(listed '?exe=*' | grep -c "$root")" 0
	is "HEAD" "$(get "/cores/$id" -I)" 200
	is "PUT" "$(get "/cores/$id" -X PUT)" 405
	is "Allow" "$(header Allow)" 'GET, HEAD, DELETE'
	is "a body" "$(get "/cores/$id" -X GET -d x)" 400
	is "metrics of a server that serves" "$(get /metrics)" 200
}

@test "api: DELETE takes a token with that right; the crash is gone for all at once, and for good when root keeps house" {
	id=$(store --size 100)
	kept=$(store --size 100 --number 2)
	for name in reader remover; do
		head -c 24 /dev/urandom | base64 | tr -d '\n' >"$T/$name"
	done
	printf '%s %s %s\n' reader read "$(sha "$T/reader")" remover read,delete "$(sha "$T/remover")" >"$T/tokens"
	chgrp "$GID" "$T/tokens"
	chmod 0640 "$T/tokens"
	serve "tokens_file = $T/tokens"
	reader="Authorization: Bearer $(<"$T/reader")" remover="Authorization: Bearer $(<"$T/remover")"
	is "nobody sees" "$(get "/cores/$id")" 404
	is "a reader sees" "$(get "/cores/$id" -H "$reader")" 200
	is "a wrong token" "$(get "/cores/$id" -H "${reader}x")" 404
	is "nobody removes" "$(get "/cores/$id" -X DELETE)" 403
	is "a reader does not remove" "$(get "/cores/$id" -X DELETE -H "$reader")" 403
	is "a remover does" "$(get "/cores/$id" -X DELETE -H "$remover")" 202
	is "gone" "$(get "/cores/$id" -H "$reader")" 404
	is "again" "$(get "/cores/$id" -X DELETE -H "$remover")" 404
	is "unknown" "$(get /cores/20261121T023753.123456Z-4166-9f3c -X DELETE -H "$remover")" 404
	is "a part" "$(get "/cores/$kept/maps" -X DELETE -H "$remover")" 405
	[[ -d $T/store/crashes/$id && -e $T/store/removals/$id ]]
	serve_no_more
	serve "tokens_file = $T/tokens"
	is "gone after a restart" "$(get "/cores/$id" -H "$reader")" 404
	# What is no id there does nothing; any of root's commands that removes does what was asked for.
	ln -s /etc "$T/store/removals/x"
	touch "$T/store/removals/..data"
	run cf rm 20200101T000000.000000Z-1-0000
	[[ ! -e $T/store/crashes/$id && ! -e $T/store/removals/$id && -d $T/store/crashes/$kept && -d /etc ]]
}

@test "api: events as crashes are published, in order; behind Last-Event-ID; one that has gone is no reason to stop" {
	store --size 100 --number 1 >"$T/ids"
	serve 'scope = any'
	curl -sN -m 20 "$URL/events" >"$T/events" 3>&- &
	wait_until 5 grep -q '^:' "$T/events"
	for i in 2 3 4; do
		store --size 100 --number "$i" >>"$T/ids"
	done
	wait_until 5 events_are "$T/events" 3
	diff <(sed 1d "$T/ids") <(sed -n 's/^id: //p' "$T/events")
	is "data" "$(sed -n 's/^data: //p' "$T/events" | jq -r .id | tail -n 1)" "$(tail -n 1 "$T/ids")"
	curl -sN -m 20 -H "Last-Event-ID: $(sed -n 2p "$T/ids")" "$URL/events" >"$T/again" 3>&- &
	wait_until 5 events_are "$T/again" 2
	is "behind the second" "$(sed -n 's/^id: //p' "$T/again")" "$(tail -n 2 "$T/ids")"
	is "no id" "$(get /events -H 'Last-Event-ID: x')" 400
	is "POST" "$(get /events -X POST)" 405
	# No more than 64 at once; and those that leave make room.
	python3 -S - "$PORT" <<-'END'
		import socket, sys, time
		def follow():
		    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		    s.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
		    s.settimeout(5)
		    return s, s.recv(100)
		open_ones = [follow() for _ in range(70)]
		busy = sum(b" 503 " in head for _, head in open_ones)
		assert busy == 8, busy
	END
	serve_no_more
}
events_are() { [[ $(grep -c '^event: crash' "$1") -ge $2 ]]; }

@test "api: metrics as an independent parser reads them, and healthz" {
	store --count 3 --size 100000
	serve 'scope = any'
	is healthz "$(get /healthz)" 200
	is metrics "$(get /metrics)" 200
	/usr/bin/python3 -c '
import sys
from prometheus_client.parser import text_string_to_metric_families as parse
text = sys.stdin.read()
names = {f.name for f in parse(text)}
assert all(f.documentation and f.type in ("counter", "gauge", "histogram") for f in parse(text))
assert {"coreferry_store_crashes", "coreferry_core_pattern_registered", "coreferry_server_requests"} <= names, names
' <"$T/body"
	grep -qx 'coreferry_store_crashes 3' "$T/body"
	(($(sed -n 's/^coreferry_store_cores_bytes //p' "$T/body") > 3 * 10000))
}

@test "api: list, rm and watch on the same store" {
	store --count 5 --size 100 --number 1 --age 10 >"$T/ids"
	store --count 1 --size 100 --number 20 --exe /opt/x/other --container two --signal 6 >>"$T/ids"
	serve 'scope = any'
	names() { cf list "$@" | sed 1d | awk '{ print $2 }'; }
	tac "$T/ids" | diff - <(names)
	diff "$T/ids" <(names -r)
	is newest "$(names -1)" "$(tail -n 1 "$T/ids")"
	is "newest of a program" "$(names -1 --exe 'osmo-*')" "$(sed -n 5p "$T/ids")"
	is "by signal" "$(names --signal ABRT)" "$(tail -n 1 "$T/ids")"
	is "by pid" "$(names --pid 1002)" "$(sed -n 2p "$T/ids")"
	is "since" "$(names --since 5s)" "$(tail -n 1 "$T/ids")"
	is "as JSON" "$(cf list --json -r --container made-up | jq -r '.[].id' | tail -n 1)" "$(sed -n 5p "$T/ids")"
	run ! cf list --since yesterday
	run ! cf list -1 -r
	"$T/bin/coreferry" watch --store "$T/store" --config "$T/conf" -1 --json >"$T/watched" 3>&- &
	wait_until 5 watches "$!"
	new=$(store --size 100 --number 30)
	wait_until 5 test -s "$T/watched"
	is watched "$(jq -r .id "$T/watched")" "$new"
	is "its index, too" "$(get "/cores/$new")" 200
	is "rm of one" "$(cf rm "$new")" "$new removed"
	is "unknown by now" "$(get "/cores/$new")" 404
	run ! cf rm "$new"
	run ! cf rm
	is "rm of some" "$(cf rm --exe 'osmo-*' --until 6s | wc -l)" 5
	is "what is left" "$(names)" "$(tail -n 1 "$T/ids")"
	is "none of that kind" "$(cf rm --exe nothing)" "there are no such crashes"
	# Not root: asks; and who cannot even do that is told.
	run ! setpriv --reuid 61191 --regid 61191 --clear-groups "$T/bin/coreferry" rm --store "$T/store" --config "$T/conf" last
	chmod 0711 "$T"
	setpriv --reuid 61191 --regid "$GID" --clear-groups "$T/bin/coreferry" rm --store "$T/store" --config "$T/conf" last
	[[ -e $T/store/removals/$(tail -n 1 "$T/ids") ]]
}
watches() { [[ $(find "/proc/$1/fd" -lname 'anon_inode:inotify' 2>/dev/null) ]]; }

# pull_on PATH FILE: goes on where FILE ends until all is there; so many times it was broken off.
pull_on() {
	local broken=0 status
	for (( ; ; )); do
		status=0
		curl -sf -m 30 --limit-rate 40M -C - -o "$2" "$(<"$T/url")$1" || status=$?
		case $status in
		0) break ;;
		7 | 18 | 52 | 56) broken=$((broken + 1)) ;; # no server; a part; nothing; a reset
		*) echo "curl: $status" && return 1 ;;
		esac
		((broken < 1000)) || return 1
		sleep 0.05
	done
	echo "$broken" >"$2.broken"
}

@test "api: the server is killed while cores are pulled: each client gets a part that it goes on from, and then all" {
	local n clients=()
	store --count 1 --size 60000000 >"$T/ids"
	serve 'scope = any'
	echo "$URL" >"$T/url"
	rm -f "$T"/pulled.*
	for n in 1 2; do
		pull_on "/cores/$(<"$T/ids")/core" "$T/pulled.raw.$n" &
		clients+=("$!")
	done
	pull_on "/cores/$(<"$T/ids")/core.zst" "$T/pulled.zst" &
	clients+=("$!")
	for n in 1 2 3 4 5 6 7 8; do
		sleep "0.$(printf '%03d' $((50 + RANDOM % 200)))"
		kill -KILL "$SERVER"
		wait_until 10 gone "$SERVER"
		serve 'scope = any'
		echo "$URL" >"$T/url.new"
		mv "$T/url.new" "$T/url"
	done
	for n in "${clients[@]}"; do
		wait "$n"
	done
	echo "# broken off: $(cat "$T"/pulled.*.broken | xargs)"
	(($(awk '{ n += $1 } END { print n }' "$T"/pulled.*.broken) >= 3))
	for n in 1 2; do
		is "digest of the raw core" "$(sha "$T/pulled.raw.$n")" "$(jq -r .core.raw_sha256 "$T/store/crashes/$(<"$T/ids")/crash.json")"
	done
	is "digest of the stored one" "$(sha "$T/pulled.zst")" "$(sha "$T/store/crashes/$(<"$T/ids")/core.zst")"
	rm "$T"/pulled.*
}
