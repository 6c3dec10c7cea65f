#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# How coreferryd serves: TLS, Unix sockets, systemd's sockets, several at once, reloads, what it can no longer do, and what it
# starts when a core has arrived.
# Each test starts a server of its own, and quoted text is meant so.
# shellcheck disable=SC2016,SC2030,SC2031
bats_require_minimum_version 1.5.0

load common
load receive

setup_file() {
	peers_up
	core_file "$T/core" 4
	certificate one
	certificate two
}
teardown_file() { peers_down; }

setup() {
	: >"$T/log"
	unset PORT
}
teardown() {
	cat "$T/log"
	[[ -z ${RECEIVER:-} ]] || ! kill -0 "$RECEIVER" 2>/dev/null || receiver_end TERM
	rm -rf "$T/in" "$T/conf" "$T/sock"
}

# certificate NAME: $T/NAME.crt and .key, signed by itself.
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" -addext 'subjectAltName=IP:127.0.0.1' \
		-keyout "$T/$1.key" -out "$T/$1.crt" 2>/dev/null
	chown 1000 "$T/$1.key"
	chmod 0600 "$T/$1.key"
}

# subject: of the certificate that the server shows now.
subject() { openssl s_client -connect "127.0.0.1:$TLS_PORT" </dev/null 2>/dev/null | openssl x509 -noout -subject; }
shows() { [[ $(subject) == *"$1"* ]]; }
logged() { grep -qF -- "$1" "$T/log"; }

put() { http "$1" -T "$3" "$URL/$2.core.zst" "${@:4}"; }

@test "serving: several places at once: plain, TLS and a Unix socket with its mode and group" {
	TLS_PORT=$(free_port)
	receiver --listen "https://127.0.0.1:$TLS_PORT" --listen "unix:$T/sock,mode=0620,group=daemon" \
		--tls-certificate "$T/one.crt" --tls-key "$T/one.key"
	is socket "$(stat -c '%a %G %F' "$T/sock")" '620 daemon socket'
	put 201 "$(id 1)" "$T/core.zst"
	URL=https://127.0.0.1:$TLS_PORT
	put 201 "$(id 2)" "$T/core.zst" --cacert "$T/one.crt"
	received "$(id 2)" "$T/core"
	run -60 curl -sS --cacert "$T/two.crt" "$URL/"
	run -35 curl -sS --insecure --tls-max 1.1 "$URL/"
	URL=http://here
	put 201 "$(id 3)" "$T/core.zst" --unix-socket "$T/sock"
	logged "$(id 3).core.zst 201"
	grep -qE "PUT /$(id 3).core.zst 201 [0-9]+ bytes [0-9]+ ms unix" "$T/log"
	run -7 setpriv --reuid 1001 --regid 1001 --clear-groups curl -sS --unix-socket "$T/sock" "$URL/"
	# The next server takes the place of one that was killed; not of one that lives, or of a file.
	run -69 "$T/bin/coreferryd" --config "$T/conf" --receive "$T" --listen "unix:$T/sock" --user 1000:1000
	receiver_end KILL
	receiver --listen "unix:$T/sock"
	put 200 "$(id 3)" "$T/core.zst" --unix-socket "$T/sock"
	receiver_end TERM
	rm -f "$T/sock"
	echo mine >"$T/sock"
	run -69 "$T/bin/coreferryd" --config "$T/conf" --receive "$T" --listen "unix:$T/sock" --user 1000:1000
	is "the file" "$(<"$T/sock")" mine
}

@test "serving: what is wrong with a listener or a certificate ends the start with the reason" {
	receiver_config
	mkdir "$T/in"
	chown 1000 "$T/in"
	local start=("$T/bin/coreferryd" --config "$T/conf" --receive "$T/in" --user 1000:1000)
	run -64 "${start[@]}" --listen ftp://127.0.0.1:1
	[[ $output == *"not an address"* ]]
	run -64 "${start[@]}" --listen "unix:relative"
	run -78 "${start[@]}" --listen https://127.0.0.1:0
	[[ $output == *tls_certificate* ]]
	run -78 "${start[@]}" --listen https://127.0.0.1:0 --tls-certificate "$T/one.crt" --tls-key "$T/none"
	[[ $output == *"$T/none: cannot be read: No such file"* ]]
	run -70 "${start[@]}" --listen https://127.0.0.1:0 --tls-certificate "$T/one.crt" --tls-key "$T/two.key"
	[[ $output == *"do the certificate and the key fit"* ]]
	install -o 1000 -m 0644 "$T/one.key" "$T/open.key"
	run -78 "${start[@]}" --listen https://127.0.0.1:0 --tls-certificate "$T/one.crt" --tls-key "$T/open.key"
	[[ $output == *"everybody can read it"* ]]
	run -64 "${start[@]}" --listen 127.0.0.1:0 --exec true
	run -66 "${start[@]}" --listen 127.0.0.1:0 --exec "$T/none"
	run -71 env LISTEN_PID=$$ LISTEN_FDS=x bash -c "LISTEN_PID=\$\$ exec ${start[*]}"
	[[ $output == *LISTEN_FDS* ]]
	run -71 bash -c "exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=\$\$ exec ${start[*]}"
	[[ $output == *"not a listening stream socket"* ]]
}

@test "serving: systemd hands over the sockets: plain, TLS by its name, and a Unix socket" {
	type -P systemd-socket-activate >/dev/null || skip "systemd-socket-activate is missing: run scripts/install-deps check"
	PORT=$(free_port) TLS_PORT=$(free_port) URL=http://127.0.0.1:$PORT
	receiver_config "tls_certificate = $T/one.crt" "tls_key = $T/one.key"
	mkdir "$T/in"
	chown 1000:1000 "$T/in"
	spawn "$T/log" systemd-socket-activate -l "127.0.0.1:$PORT" -l "127.0.0.1:$TLS_PORT" -l "$T/sock" --fdname=http:https:http \
		"$T/bin/coreferryd" --config "$T/conf" --receive "$T/in" --user 1000:1000
	RECEIVER=$SPAWNED_PID
	wait_port 127.0.0.1 "$PORT"
	put 201 "$(id 1)" "$T/core.zst"
	http 404 "https://127.0.0.1:$TLS_PORT/" --cacert "$T/one.crt"
	http 404 --unix-socket "$T/sock" http://x/
	is "listening" "$(grep -c 'listening on' "$T/log")" 3
}

@test "serving: a reload takes new tokens, limits and certificates; transfers go on; a wrong one changes nothing" {
	TLS_PORT=$(free_port)
	cp -a "$T/one.crt" "$T/now.crt"
	cp -a "$T/one.key" "$T/now.key"
	(umask 077 && : >"$T/tokens")
	chown 1000 "$T/tokens"
	receiver_config "tls_certificate = $T/now.crt" "tls_key = $T/now.key" "tokens_file = $T/tokens"
	receiver --listen "https://127.0.0.1:$TLS_PORT"
	put 401 "$(id 1)" "$T/core.zst" -H 'Authorization: Bearer a-token-that-comes-later'
	shows one

	cp "$T/two.crt" "$T/now.crt"
	cp "$T/two.key" "$T/now.key"
	echo "x upload $(printf %s a-token-that-comes-later | sha256sum | cut -d' ' -f1)" >"$T/tokens"
	kill -HUP "$RECEIVER"
	wait_until 10 logged reloaded
	put 201 "$(id 1)" "$T/core.zst" -H 'Authorization: Bearer a-token-that-comes-later'
	shows two

	# Slow transfers, plain and with TLS, over three reloads; the last one takes their token away.
	curl -sS -m 60 --limit-rate 1M -T "$T/core.zst" "$URL/$(id 2).core.zst" -H 'Authorization: Bearer a-token-that-comes-later' -o /dev/null \
		-w '%{http_code}' >"$T/first" &
	local first=$!
	curl -sS -m 60 --limit-rate 1M -T "$T/core" "https://127.0.0.1:$TLS_PORT/$(id 3).core" --cacert "$T/two.crt" \
		-H 'Authorization: Bearer a-token-that-comes-later' -o /dev/null -w '%{http_code}' >"$T/second" &
	local second=$!
	wait_until 10 partials_are 2
	kill -HUP "$RECEIVER"
	wait_until 10 reloads 2
	: >"$T/tokens"
	kill -HUP "$RECEIVER"
	wait_until 10 reloads 3
	put 401 "$(id 4)" "$T/core.zst" -H 'Authorization: Bearer a-token-that-comes-later'

	echo "nonsense = 1" >>"$T/conf"
	kill -HUP "$RECEIVER"
	wait_until 10 logged 'not reloaded: what was in force stays'
	http 401 -X POST "$URL/" -H 'Tus-Resumable: 1.0.0'
	wait "$first" "$second"
	is "transfers" "$(<"$T/first") $(<"$T/second")" '201 201'
	received "$(id 2)" "$T/core"
	received "$(id 3)" "$T/core"
	# The old ones are gone then: one daemon with 8 threads and one acceptor each, and ours beside them.
	wait_until 10 threads_are_few
}
partials_are() { [[ $(partials) == "$1" ]]; }
reloads() { [[ $(grep -cF 'reloaded: configuration' "$T/log") == "$1" ]]; }
threads_are_few() { (($(find "/proc/$RECEIVER/task" -mindepth 1 -maxdepth 1 | wc -l) < 30)); }

@test "serving: it has no rights, and no system calls to get some; a reload does not change that" {
	receiver --exec /bin/true
	put 201 "$(id 1)" "$T/core.zst"
	kill -HUP "$RECEIVER"
	wait_until 10 logged reloaded
	put 201 "$(id 2)" "$T/core.zst"
	wait_until 10 threads_are_few
	local status rights seen=0
	for status in "/proc/$RECEIVER"/task/*/status; do
		rights=$(awk '/^(Uid|Gid|Groups|CapPrm|CapEff|NoNewPrivs|Seccomp):/ { print $1 $2 }' "$status" 2>/dev/null | tr '\n' ' ')
		[[ $rights ]] || continue # a thread that has ended meanwhile
		is "$status" "$rights" 'Uid:1000 Gid:1000 Groups: CapPrm:0000000000000000 CapEff:0000000000000000 NoNewPrivs:1 Seccomp:2 '
		seen=$((seen + 1))
	done
	((seen > 1))
	is "core limit" "$(awk '/^Max core file/ { print $5 $6 }' "/proc/$RECEIVER/limits")" 00
	# What starts programs has as few rights, and neither the port nor the directory.
	local runner
	runner=$(<"/proc/$RECEIVER/task/$RECEIVER/children")
	is "the other process" "$(awk '/^(Uid|CapEff|NoNewPrivs):/ { print $1 $2 }' "/proc/${runner// /}/status" | tr '\n' ' ')" \
		'Uid:1000 CapEff:0000000000000000 NoNewPrivs:1 '
	is "its descriptors" "$(find "/proc/${runner// /}/fd" -mindepth 1 -printf '%f\n' | sort | tr '\n' ' ')" '0 1 2 3 '
}

@test "serving: what is only root's cannot be opened, whatever is asked" {
	mkdir -p "$T/store/crashes/$(id 1)"
	chmod 0750 "$T/store/crashes" "$T/store/crashes/$(id 1)"
	chgrp -R 1000 "$T/store/crashes"
	install -m 0600 "$T/core" "$T/store/crashes/$(id 1)/core"
	run ! setpriv --reuid 1000 --regid 1000 --clear-groups cat "$T/store/crashes/$(id 1)/core"
	receiver_config 'pull_match = *'
	receiver --store "$T/store"
	local path
	for path in /core "/cores/$(id 1)/core" "/$(id 1)/core" "/../store/crashes/$(id 1)/core" "/%2e%2e/store/crashes/$(id 1)/core"; do
		http 404 --path-as-is "$URL$path"
	done
}

@test "serving: the unit is hardened (systemd-analyze security below 2.0), and systemd has nothing to say against the units" {
	type -P systemd-analyze >/dev/null || skip "systemd-analyze is missing: run scripts/install-deps check"
	local unit out
	mkdir -p "$T/units"
	for unit in "$TOP"/scripts/systemd/*.service.in "$TOP"/scripts/systemd/*.socket "$TOP"/scripts/systemd/*.timer; do
		[[ -e $unit ]] || continue
		sed -e 's|@S\?BINDIR@/[a-z-]*|/bin/true|' -e 's|@LIBEXECDIR@/[a-z-]*|/bin/true|' "$unit" >"$T/units/$(basename "${unit%.in}")"
	done
	systemd-analyze security --offline=yes --threshold=20 "$T/units/coreferryd.service"
	out=$(systemd-analyze verify --man=no "$T/units"/* 2>&1 | grep -F "$T/units" || true)
	is "systemd-analyze verify" "$out" ''
}

@test "serving: our agent pushes over TLS, by tus, with its token; without it, or with another certificate, it is refused" {
	TLS_PORT=$(free_port)
	(umask 077 && echo "ci upload $(printf %s token-of-the-agent | sha256sum | cut -d' ' -f1) jobs" >"$T/tokens")
	chown 1000 "$T/tokens"
	receiver --listen "https://127.0.0.1:$TLS_PORT" --tls-certificate "$T/one.crt" --tls-key "$T/one.key" --tokens "$T/tokens"
	(umask 077 && echo 'Bearer token-of-the-agent' >"$T/authorization")
	printf '%s\n' "url = https://127.0.0.1:$TLS_PORT/cores" "ca_file = $T/one.crt" "authorization_file = $T/authorization" >"$T/agent.conf"
	agent "$T/core.zst" "$(id 1)" -- --config "$T/agent.conf" >"$T/report"
	is report "$(tail -n 1 "$T/report" | jq -r '.protocol, .verified' | xargs)" 'tus digest'
	received "$(id 1)" "$T/core" jobs

	printf '%s\n' "url = https://127.0.0.1:$TLS_PORT/cores" "ca_file = $T/one.crt" >"$T/agent.conf"
	run -77 agent "$T/core.zst" "$(id 2)" -- --config "$T/agent.conf"
	printf '%s\n' "url = https://127.0.0.1:$TLS_PORT/cores" "ca_file = $T/two.crt" "authorization_file = $T/authorization" >"$T/agent.conf"
	run -77 agent "$T/core.zst" "$(id 2)" -- --config "$T/agent.conf"
	is "what is there" "$(ls "$T/in/jobs")" "$(id 1)"
}

# filter_of UNIT: the system calls that its SystemCallFilter= lets through, by systemd's own tables.
filter_of() {
	python3 -Sc '
import subprocess, sys
def group(name):
    if not name.startswith("@"):
        return {name}
    calls = set()
    for line in subprocess.check_output(["systemd-analyze", "syscall-filter", name], text=True).splitlines()[1:]:
        if line.strip() and not line.strip().startswith("#"):
            calls |= group(line.strip())
    return calls
allowed = group("@default")
for line in open(sys.argv[1]):
    if line.startswith("SystemCallFilter="):
        words = line.strip().split("=")[1]
        for word in words.lstrip("~").split():
            allowed = allowed - group(word) if words[0] == "~" else allowed | group(word)
print("\n".join(sorted(allowed)))' "$1"
}

@test "serving: the unit's filter lets through all that the server calls: start, TLS, uploads, a program on arrival, a reload" {
	type -P strace systemd-analyze >/dev/null || skip "strace or systemd-analyze is missing: run scripts/install-deps check"
	TLS_PORT=$(free_port) PORT=$(free_port) URL=http://127.0.0.1:$PORT
	receiver_config
	mkdir -p "$T/in" "$T/store/crashes"
	chown 1000:1000 "$T/in"
	chmod 0755 "$T/store/crashes"
	install -d -o 1000 "$T/trace"
	# As the unit starts it: not as root.
	spawn "$T/log" setpriv --reuid 1000 --regid 1000 --clear-groups strace -f -qq -o "$T/trace/calls" "$T/bin/coreferryd" --config "$T/conf" \
		--store "$T/store" --receive "$T/in" --listen "127.0.0.1:$PORT" --listen "https://127.0.0.1:$TLS_PORT" \
		--tls-certificate "$T/one.crt" --tls-key "$T/one.key" --exec /bin/true
	wait_until 20 logged "listening on https"
	RECEIVER=$(<"/proc/$SPAWNED_PID/task/$SPAWNED_PID/children")
	RECEIVER=${RECEIVER%% *}
	put 201 "$(id 1)" "$T/core.zst"
	tus_create "$(stat -c %s "$T/core.zst")" -H "Upload-Metadata: filename $(b64 "$(id 2).core.zst")"
	tus_patch 204 0 "$T/core.zst" -H "Upload-Checksum: sha1 $(openssl dgst -sha1 -binary "$T/core.zst" | base64)"
	http 404 "$URL/core"
	URL=https://127.0.0.1:$TLS_PORT
	put 201 "$(id 3)" "$T/core.zst" --cacert "$T/one.crt"
	kill -HUP "$RECEIVER"
	wait_until 20 logged reloaded
	receiver_end TERM
	wait_until 10 gone "$SPAWNED_PID"
	sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$T/trace/calls" | sort -u >"$T/called"
	(($(wc -l <"$T/called") > 50))
	filter_of "$TOP/scripts/systemd/coreferryd.service.in" | sort -u >"$T/allowed"
	is "called, and not let through" "$(comm -23 "$T/called" "$T/allowed" | tr '\n' ' ')" ''
	rm -r "$T/store"
}

@test "exec: each core that arrives starts it, with what was said of the core as harmless words; its output is one line each" {
	cat >"$T/hook" <<-'END'
		#!/bin/sh
		echo "path $CORE_PATH exe $CORE_EXE dir $CORE_DIRECTORY args $*"
		printf 'a\033[31mred\nforged: line\n' >&2
		ls "$CORE_PATH/core" "$CORE_PATH/crash.json" >/dev/null && env >"$CORE_PATH/environment"
		[ "$CORE_SIGNAL" != 6 ] || exit 7
	END
	chmod 0755 "$T/hook"
	LD_PRELOAD='' receiver --exec "$T/hook" 'one word' --two
	put 201 "$(id 1)" "$T/core.zst" -H 'X-Executable-Path: /bin/$(touch%20x);%0Aexec%20evil' -H 'X-Core-Signal: 6'
	wait_until 10 logged "exec $(id 1): ended with status 7"
	logged "exec $(id 1): path $T/in/$(id 1) exe /bin/\$(touch%20x);%0aexec%20evil dir  args one word --two"
	logged "exec $(id 1): a\\x1b[31mred"
	logged "exec $(id 1): forged: line"
	is "variables" "$(grep -cvE '^(CORE_[A-Z0-9_]+|PATH|PWD|_|SHLVL)=' "$T/in/$(id 1)/environment")" 0
	put 200 "$(id 1)" "$T/core.zst" # it was there: nothing starts
	tus_create "$(stat -c %s "$T/core.zst")" -H "Upload-Metadata: filename $(b64 "$(id 2).core.zst")"
	tus_patch 204 0 "$T/core.zst"
	wait_until 10 logged "exec $(id 2): done"
	is "runs" "$(grep -c ': path ' "$T/log")" 2
}

@test "exec: four at once, the others wait; a flood of output is cut; one that starts children leaves none" {
	cat >"$T/hook" <<-'END'
		#!/bin/bash
		mkdir "$CORE_PATH/run"
		if [[ $CORE_HOST_PID == 1 ]]; then
			sleep 1000 &
			echo "$!" >"$CORE_PATH/child"
			exit
		fi
		[[ $CORE_HOST_PID != 2 ]] || head -c 1000000 /dev/zero | tr '\0' 'x'
		until [[ -e $CORE_PATH/../../go ]]; do sleep 0.05; done
	END
	chmod 0755 "$T/hook"
	receiver --exec "$T/hook"
	local i
	put 201 "$(id 1)" "$T/core.zst" -H 'X-Core-Pid: 1'
	wait_until 10 logged "exec $(id 1): done"
	wait_until 10 gone "$(<"$T/in/$(id 1)/child")"
	for i in 2 3 4 5 6 7 8; do put 201 "$(id $i)" "$T/core.zst" -H "X-Core-Pid: $i"; done
	wait_until 10 logged "exec $(id 2): says more than 65536 bytes: the rest is dropped"
	(($(grep -c "exec $(id 2): x" "$T/log") <= 65))
	is "at once" "$(find "$T/in" -name run | wc -l)" 5
	touch "$T/go"
	wait_until 10 all_done 8
	rm "$T/go"
}
all_done() { [[ $(grep -c 'exec .*: done' "$T/log") == "$1" ]]; }
