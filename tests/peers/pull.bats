#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# GET /core over a store that was made up: ranges, forms, waiting, who may see what; clients are curl and Python's urllib.
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

raw() { zstd -qdc "$T/store/crashes/$1/core.zst"; }
raw_sha() { raw "$1" | sha256sum | cut -d' ' -f1; }

@test "pull: the newest matching crash: headers, HEAD, ranges, ETag, and the stored form for who takes zstd" {
	id=$(store --count 3 --size 3500000 | tail -n 1)
	store --exe /usr/bin/other --number 9 >"$T/ids"
	serve 'scope = any' 'pull_window = 1h'
	is status "$(get /core)" 200
	is digest "$(sha "$T/body")" "$(raw_sha "$id")"
	is id "$(header X-Core-Id)" "$id"
	is exe "$(header X-Executable-Path)" /usr/bin/osmo-bsc
	is length "$(header Content-Length)" 3500000
	is "the digest's header" "$(header X-Core-Sha256)" "$(raw_sha "$id")"
	tag=$(header ETag)
	is "status of HEAD" "$(get /core -I)" 200
	is "length of HEAD" "$(header Content-Length)" 3500000
	is "same ETag" "$(get /core -H "If-None-Match: $tag")" 304
	is "another ETag" "$(get /core -H 'If-None-Match: "x", W/"y"')" 200
	raw "$id" >"$T/raw"
	for range in 0-0 0-99 1048570-1048580 3499999- -100 3400000-9999999999999999999999; do
		is "status of $range" "$(get /core -r "$range")" 206
		first=${range%-*} last=${range#*-}
		[[ -n $first ]] || { first=$((3500000 - last)) last=; }
		((${#last} < 8)) || last=
		last=${last:-3499999}
		is "Content-Range of $range" "$(header Content-Range)" "bytes $first-$last/3500000"
		cmp "$T/body" <(tail -c +$((first + 1)) "$T/raw" | head -c $((last - first + 1)))
	done
	is "If-Range that holds" "$(get /core -r 0-9 -H "If-Range: $tag")" 206
	is "If-Range that does not" "$(get /core -r 0-9 -H 'If-Range: "x"')" 200
	is "beyond the end" "$(get /core -r 3500000-)" 416
	is "Content-Range of it" "$(header Content-Range)" 'bytes */3500000'
	is "no range at all" "$(get /core -H 'Range: bytes=x')" 400
	is "two ranges" "$(get /core -r 0-1,5-6)" 200
	is "zstd" "$(get /core -H 'Accept-Encoding: gzip, zstd')" 200
	is "its encoding" "$(header Content-Encoding)" zstd
	cmp "$T/body" "$T/store/crashes/$id/core.zst"
	[[ $(header ETag) != "$tag" ]]
	is "its Repr-Digest" "$(header Repr-Digest)" "sha-256=:$(openssl dgst -sha256 -binary "$T/body" | base64):"
	is "zstd refused" "$(get /core -H 'Accept-Encoding: zstd;q=0')" 200
	is "then" "$(header Content-Encoding)" ""
	is "a part of the stored form" "$(get "/cores/$id/core.zst" -r 100-299)" 206
	cmp "$T/body" <(tail -c +101 "$T/store/crashes/$id/core.zst" | head -c 200)
	# A download that broke off goes on, as curl does it.
	head -c 1000000 "$T/raw" >"$T/partly"
	curl -s -m 20 -C - -o "$T/partly" "$URL/core"
	cmp "$T/partly" "$T/raw"
}

@test "pull: none: 404; for root only, too old, another program: 404; wait that is no number: 400" {
	store --count 1 --root-only --number 1
	store --count 1 --age 100 --number 2
	store --count 1 --exe /bin/osmo/other --number 3
	serve 'scope = any' 'pull_window = 30s'
	is status "$(get /core)" 404
	is text "$(cat "$T/body")" "no recent core"
	for wait in x -1 61 1.5 ''; do
		is "wait=$wait" "$(get "/core?wait=$wait")" 400
	done
	is "wait=0" "$(get '/core?wait=0')" 404
}

@test "pull: a capture under way is waited for, as long as the client says; the answer comes within 20 ms of its publication" {
	serve_store
	store --delay 1 --size 1000 >"$T/late" 3>&- &
	wait_until 5 partial_there
	is "wait=0" "$(get '/core?wait=0')" 404
	# curl's time of the answer, the publication's by the record: both of this machine's clock.
	is "status" "$(get '/core?wait=10')" 200
	now_us=$(date +%s%6N)
	wait
	published=$(jq .published_us "$T/store/crashes/$(<"$T/late")/crash.json")
	echo "answered $(((now_us - published) / 1000)) ms after the publication, curl's start and end included"
	((now_us - published < 200000))
	# One that never comes.
	mkdir "$T/store/crashes/.20261121T023753.123456Z-4166-9f3c.partial"
	rm -rf "$T/store/crashes/$(<"$T/late")"
	SECONDS=0
	is "status" "$(get '/core?wait=1')" 404
	((SECONDS >= 1 && SECONDS <= 4))
}
serve_store() {
	mkdir -p "$T/store/crashes"
	chgrp "$GID" "$T/store/crashes"
	chmod 0750 "$T/store/crashes"
	serve 'scope = any' 'pull_window = 1h'
}
partial_there() { compgen -G "$T/store/crashes/.*.partial" >/dev/null; }

# --- who may see what: two containers on one bridge, in a network of our own ---

# inside NAME COMMAND...
inside() {
	local name=$1
	shift
	nsenter -t "${!name}" -n "$@"
}

# container NAME ADDRESS: a namespace with a link to the bridge; LINK_NAME: the host's end.
container() {
	spawn "$T/ns.log" unshare -n sleep 1000
	printf -v "$1" %s "$SPAWNED_PID"
	wait_until 5 apart "$SPAWNED_PID"
	inside HOST ip link add "v$1" type veth peer name eth0 netns "$SPAWNED_PID"
	inside HOST ip link set "v$1" master br0 up
	address "$1" "$2"
	printf -v "LINK_$1" %s "$(inside HOST cat "/sys/class/net/v$1/ifindex" 2>/dev/null || inside HOST ip -j link show "v$1" | jq '.[0].ifindex')"
}
apart() { [[ $(readlink "/proc/$1/ns/net") != "$(readlink /proc/self/ns/net)" ]]; }
address() {
	inside "$1" ip link set lo up
	inside "$1" ip address flush dev eth0
	inside "$1" ip link set eth0 up
	inside "$1" ip address add "$2/24" dev eth0
}

# network: HOST with a bridge at 10.77.0.1, A and B on it, a server.
network() {
	spawn "$T/ns.log" unshare -n sleep 1000
	HOST=$SPAWNED_PID
	wait_until 5 apart "$HOST"
	inside HOST ip link set lo up
	inside HOST ip link add br0 type bridge
	inside HOST ip link set br0 up
	inside HOST ip address add 10.77.0.1/24 dev br0
	container A 10.77.0.2
	container B 10.77.0.3
	printf '%s\n' "store = $T/store" "pull_window = 1h" >"$T/conf"
	spawn "$T/server.log" nsenter -t "$HOST" -n "$T/bin/coreferryd" --config "$T/conf" --listen 10.77.0.1:8042 \
		--user "$GID:$GID"
	SERVER=$SPAWNED_PID
	wait_until 10 listens
}
listens() { inside HOST curl -s -m 5 -o /dev/null http://10.77.0.1:8042/healthz; }

# from NAME PATH [CURL OPTION]...: the status.
from() {
	local name=$1 path=$2
	shift 2
	inside "$name" curl -s -m 10 -o "$T/body" -w '%{http_code}' "$@" "http://10.77.0.1:8042$path"
}

@test "pull: two containers on one bridge see their own crashes only, by whatever address, header or id" {
	mkdir -p "$T/store/crashes"
	chgrp -R "$GID" "$T/store"
	chmod 0750 "$T/store/crashes"
	network
	a=$(store --address 10.77.0.2 --link "$LINK_A" --container a --size 1000 --number 1)
	b=$(store --address 10.77.0.3 --link "$LINK_B" --container b --size 1000 --number 2)
	wait_until 5 sees_own
	is "A's core" "$(from A /core)" 200
	is "A's digest" "$(sha "$T/body")" "$(raw_sha "$a")"
	is "B's core" "$(from B /core)" 200
	is "B's digest" "$(sha "$T/body")" "$(raw_sha "$b")"
	is "what B lists" "$(from B /cores >/dev/null; jq -r '.cores[].id' "$T/body")" "$b"
	# Ids of others are as unknown as made-up ones, in every word.
	unknown=$(from B /cores/20261121T023753.123456Z-4166-9f3c; cat "$T/body")
	for part in '' /core /core.zst /maps /log; do
		is "B asks for A's $part" "$(from B "/cores/$a$part"; cat "$T/body")" "$unknown"
		is "A asks for its own $part" "$(from A "/cores/$a$part")" 200
	done
	is "B with X-Forwarded-For" "$(from B "/cores/$a" -H 'X-Forwarded-For: 10.77.0.2' -H 'Forwarded: for=10.77.0.2')" 404
	is "B removes A's" "$(from B "/cores/$a" -X DELETE)" 403
	is "metrics" "$(from A /metrics)" 403
	# The host itself is no container.
	is "from the host" "$(from HOST /core)" 404
	is "a list for the host" "$(from HOST /cores >/dev/null; jq -r '.cores | length' "$T/body")" 0
	# Python's urllib, as testenv has it.
	inside A python3 -Sc '
import urllib.request
with urllib.request.urlopen("http://10.77.0.1:8042/core") as r:
    assert dict(r.headers.items())["X-Executable-Path"] == "/usr/bin/osmo-bsc"
    assert len(r.read()) == 1000'

	# B takes A's address, and then its hardware address, too: A is gone, or still there.
	mac=$(inside A cat /sys/class/net/eth0/address 2>/dev/null || inside A ip -j link show eth0 | jq -r '.[0].address')
	inside A ip link set eth0 down
	address B 10.77.0.2
	is "B as A" "$(from B /core)" 404
	is "B as A, by id" "$(from B "/cores/$a")" 404
	mac=$(inside A ip -j link show eth0 | jq -r '.[0].address')
	inside B ip link set eth0 address "$mac"
	inside HOST ip neigh flush dev br0
	is "B as A in all" "$(from B /core)" 404
	is "its own crash, too, is another address's" "$(from B "/cores/$b")" 404
	address B 10.77.0.3
	inside HOST ip neigh flush dev br0
	is "B is B again" "$(from B "/cores/$b")" 200
	# A's link is a new one after a restart: what the old one had is not for whoever has the address now.
	inside HOST ip link del vA
	inside HOST ip link add vA type veth peer name eth0 netns "$A"
	inside HOST ip link set vA master br0 up
	address A 10.77.0.2
	is "A with another link" "$(from A "/cores/$a")" 404
}
sees_own() { [[ $(from A /cores >/dev/null; jq '.cores | length' "$T/body") == 1 ]]; }

@test "pull: an address that was recorded without a link is nobody's; an older boot's links are nobody's; IPv6 is as good" {
	mkdir -p "$T/store/crashes"
	chgrp -R "$GID" "$T/store"
	chmod 0750 "$T/store/crashes"
	network
	without=$(store --address 10.77.0.2 --container a --size 1000 --number 1)
	old=$(store --address 10.77.0.2 --link "$LINK_A" --container a --size 1000 --number 2)
	good=$(store --address fd77::2 --link "$LINK_A" --container a --size 1000 --number 3)
	serve_no_more
	sed -i 's/"boot_id": "[0-9a-f]*/"boot_id": "00000000/' "$T/store/crashes/$old/crash.json"
	inside HOST ip address add fd77::1/64 dev br0 nodad
	inside A ip address add fd77::2/64 dev eth0 nodad
	spawn "$T/server.log" nsenter -t "$HOST" -n "$T/bin/coreferryd" --config "$T/conf" --listen '[::]:8042' --user "$GID:$GID"
	SERVER=$SPAWNED_PID
	wait_until 10 listens
	is "without a link" "$(from A "/cores/$without")" 404
	is "of an older boot" "$(from A "/cores/$old")" 404
	is "IPv6" "$(inside A curl -s -m 10 -o /dev/null -w '%{http_code}' "http://[fd77::1]:8042/cores/$good")" 200
	is "the same by IPv4" "$(from A "/cores/$good")" 404
}

@test "pull: through a Unix socket root and the store's group see all, and root removes; another user sees nothing" {
	id=$(store --size 1000)
	mkdir -m 0777 "$T/run" 2>/dev/null || true
	printf '%s\n' "store = $T/store" 'pull_window = 1h' >"$T/conf"
	spawn "$T/server.log" "$T/bin/coreferryd" --config "$T/conf" --listen "unix:$T/run/s,mode=0666" --user "$GID:$GID"
	SERVER=$SPAWNED_PID
	wait_until 10 test -S "$T/run/s"
	through() { "${@:3}" curl -s -m 10 -o /dev/null -w '%{http_code}' --unix-socket "$T/run/s" -X "$1" "http://x$2"; }
	is "root" "$(through GET /core)" 200
	is "the group" "$(through GET /core setpriv --reuid 61191 --regid 61191 --groups "$GID")" 200
	is "another" "$(through GET /core setpriv --reuid 61191 --regid 61191 --clear-groups)" 404
	is "another, by id" "$(through GET "/cores/$id" setpriv --reuid 61191 --regid 61191 --clear-groups)" 404
	is "metrics for the group" "$(through GET /metrics setpriv --reuid 61191 --regid 61191 --groups "$GID")" 200
	is "the group does not remove" "$(through DELETE "/cores/$id" setpriv --reuid 61191 --regid 61191 --groups "$GID")" 403
	is "root does" "$(through DELETE "/cores/$id")" 202
	is "gone" "$(through GET /core)" 404
}
