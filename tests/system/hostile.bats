#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The hostile container: attacks that have worked, on us or on programs like ours. Each must fail, and on the host nothing
# changes.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up
	docker_up
	BASE=$(docker_image_base base)
	DEMO=$(docker_image_demo demo)
	GATEWAY=$(docker_gateway)
	export BASE DEMO GATEWAY
	mkdir -m 0755 "$T/evil"
	mkdir -m 1777 "$T/out"
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config
	cf_default_pattern
	forget_crashes
	rm -f "$T"/out/*
}

@test "hostile: a SOCKS proxy that asks for GSSAPI, and a GSSAPI plugin of the container: not loaded" {
	cat >"$T/evil/evil.c" <<-'END'
		#include <fcntl.h>
		#include <unistd.h>
		__attribute__((constructor)) static void run(void)
		{
			close(open("/out/loaded", O_CREAT | O_WRONLY, 0666));
		}
	END
	gcc -shared -fPIC -o "$T/evil/evil.so" "$T/evil/evil.c"
	echo 'evil 1.3.6.1.4.1.99999.1 /evil/evil.so <interposer>' >"$T/evil/evil.conf"
	# It answers every greeting with "GSSAPI", and tells which ways it was offered.
	spawn "$T/socks.log" python3 -u -c "
import socket
s = socket.create_server(('$GATEWAY', 28045))
while True:
    c, a = s.accept()
    c.settimeout(2)
    try:
        print(c.recv(100).hex())
        c.sendall(b'\x05\x01')
        c.recv(100)
    except OSError: pass
    c.close()"
	wait_port "$GATEWAY" 28045
	docker_start socks -v "$T/tests:/t:ro" -v "$T/evil:/evil:ro" -v "$T/out:/out" -v "$T/evil:/etc/gss/mech.d:ro" "$DEMO" sleep 1000
	for ((i = 0; i < 10; i++)); do
		docker_exec socks --env "all_proxy=socks5://$GATEWAY:28045" --env COREFERRY_URL=http://192.0.2.1/ /t/crasher-static || true
	done
	wait_quiet
	is status "$(field .delegation.status)" failed
	is loaded "$(ls "$T/out")" ""
	is "ways that the agent offered" "$(grep -m 1 . "$T/socks.log")" 050100 # one: no authentication
	# The trap is a real one: a curl that does offer it loads the plugin.
	# (7.88 goes on only where the answer is there at once.)
	for ((i = 0; i < 100; i++)); do
		docker_exec socks curl -s -m 5 --socks5-gssapi --proxy "socks5://$GATEWAY:28045" http://192.0.2.1/ || true
		[[ ! -e $T/out/loaded ]] || break
	done
	is "loaded by curl" "$(ls "$T/out")" loaded
	docker_destroy socks
}

@test "hostile: SYS_PTRACE, and /proc/PID/exe of the delegate before it is one: the host's helper stays as it is" {
	cat >"$T/evil/thief.py" <<-'END'
		# Grabs whatever shows up in /proc before it is the container's own program, and writes to it.
		import os
		seen = set()
		open("/out/ready", "w").close()
		while True:
		    for p in os.listdir("/proc"):
		        if not p.isdigit() or int(p) == os.getpid():
		            continue
		        try:
		            exe = os.readlink(f"/proc/{p}/exe")
		            if exe in seen or "coreferry" not in exe:
		                continue
		            fd = os.open(f"/proc/{p}/exe", os.O_RDONLY)
		            open("/out/caught", "a").write(exe + "\n")
		            for how in (f"/proc/self/fd/{fd}",):
		                try:
		                    w = os.open(how, os.O_WRONLY)
		                    os.pwrite(w, b"PWNED", 0)
		                    open("/out/written", "a").write(exe + "\n")
		                    os.close(w)
		                except OSError as e:
		                    open("/out/refused", "a").write(f"{exe} {e}\n")
		            os.close(fd)
		        except OSError:
		            pass
	END
	before=$(sha "$T/bin/coreferry-helper")
	docker_start thief --cap-add SYS_PTRACE --security-opt seccomp=unconfined -v "$T/tests:/t:ro" -v "$T/evil:/evil:ro" -v "$T/out:/out" "$DEMO" sleep 1000
	# A long chain of links makes the exec slow: the window in which the process is there, and is not yet the script.
	# shellcheck disable=SC2016 # it is the container's shell that expands
	docker_exec thief sh -c 'cd /tmp; printf "#!/bin/sh\nexit 0\n" >l0; chmod 755 l0; i=0; while [ $i -lt 37 ]; do ln -s l$i l$((i+1)); i=$((i+1)); done'
	docker_spawn thief "$T/thief.log" python3 /evil/thief.py
	wait_until 10 test -e "$T/out/ready"
	cf_pattern '%P %u %g /tmp/l37'
	for ((i = 0; i < 30; i++)); do
		docker_exec thief /t/crasher-static || true
	done
	wait_quiet
	echo "caught: $(sort "$T/out/caught" 2>/dev/null | uniq -c); refused: $(sort "$T/out/refused" 2>/dev/null | uniq -c)"
	[[ ! -e $T/out/written ]]
	is helper "$(sha "$T/bin/coreferry-helper")" "$before"
	run ! grep -v '^/memfd:' "$T/out/caught"
	is "delegations" "$(for id in $(crash_ids); do field .delegation.status "$T/store/crashes/$id"; done | sort | uniq -c | xargs)" "30 done"
	docker_destroy thief
}

@test "hostile: a daemon that has dropped root, under suid_dumpable 2: root's alone, also where the line does not tell" {
	cf_config 'fallback_core = yes'
	kernel_settings_set suid_dumpable 2
	for line in '%P %u %g' '-d%d %P %u %g'; do
		forget_crashes
		cf_pattern "$line"
		perl -e '$) = "1000 1000"; $( = 1000; $< = $> = 1000; kill "SEGV", $$; sleep 5' 3>&- || true
		wait_quiet
		is uid "$(field .uid)" 1000
		is root_only "$(field .root_only)" true
		is delegation "$(field .delegation.status)" refused
	done
	kernel_settings_set suid_dumpable 0
}

@test "hostile: a dump that never ends: cut off when max_block is over" {
	cf_config 'max_block = 1s' 'push = no'
	cf_pattern '--pipe -s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g'
	SECONDS=0
	# 4 TiB, of which one page is touched: the kernel alone would need minutes to look through it.
	run "$T/tests/reaper" "$T/tests/crasher" --map 4000000
	[[ $output == *"signal=9"* ]]
	wait_quiet
	((SECONDS < 15))
	is outcome "$(field .outcome)" truncated
	[[ $(field .reason) == "max_block is over"* ]]
	held=$(field .capture.held_ms)
	awk -v h="$held" 'BEGIN { exit !(h >= 900 && h < 3000) }'
}

@test "hostile: holes of 4 TiB: their process has ended when max_block is over, whatever the kernel is at" {
	cf_config 'max_block = 3s' 'push = no'
	cf_pattern '-s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g'
	SECONDS=0
	run "$T/tests/reaper" "$T/tests/crasher" --map 4000000
	[[ $output == *"signal=9"* || $output == *"signal=11"* ]]
	((SECONDS < 10))
	wait_quiet
	is outcome "$(field .outcome)" stored
	((SECONDS < 20))
}

@test "hostile: max_block over while memory is copied: what was copied is kept, and the signal stays" {
	cf_config 'max_block = 60ms' 'push = no'
	run "$T/tests/reaper" "$T/tests/crasher" --heap 2000
	[[ $output == *"signal=11"* ]]
	wait_quiet
	is mode "$(field .capture.mode)" memory
	is outcome "$(field .outcome)" truncated
	[[ $(field .reason) == "max_block is over"* ]]
	(($(field .capture.captured_bytes) > 1048576))
	(($(field .core.size) < 2000 * 1048576))
	zstd -qt "$(newest)/core.zst"
	is digest "$(zstd -qdc "$(newest)/core.zst" | sha256sum | cut -d' ' -f1)" "$(field .core.raw_sha256)"
}

@test "hostile: a full disk and a map of 16,000 lines: the record is true" {
	mkdir -p "$T/full"
	mount -t tmpfs -o size=3m,mode=755 none "$T/full"
	cf_config "store = $T/full" 'push = no' 'keep_free = 0' 'max_use = 0'
	python3 -c '
import mmap, os, resource
resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))
maps = [mmap.mmap(-1, 4096, prot=3 if i % 2 else 1) for i in range(30000)]
for m in maps[1::2]: m[0:4096] = os.urandom(4096)
os.abort()' 3>&- || true
	wait_quiet
	dir=$(find "$T/full/crashes" -mindepth 1 -maxdepth 1)
	is outcome "$(field .outcome "$dir")" truncated
	is reason "$(field .reason "$dir")" "the disk of the store is full"
	is file "$(field .core.file "$dir")" core.zst
	is "size on disk" "$(stat -c %s "$dir/core.zst")" "$(field .core.stored_size "$dir")"
	umount "$T/full"
}

@test "hostile: hold_max counts from the capture's end, whatever is to be done" {
	cf_config 'hold_max = 200ms' 'push = yes' 'url = http://127.0.0.1:9/'
	unshare -pf --mount-proc --kill-child "$T/tests/crasher-static" --heap 400 --random 3>&- || true
	wait_quiet
	for id in $(crash_ids); do
		[[ $(field .comm "$T/store/crashes/$id") == crasher-static ]] || continue
		held=$(field .capture.held_ms "$T/store/crashes/$id")
		took=$(jq -r '(.published_us - .time_us) / 1000' "$T/store/crashes/$id/crash.json")
		echo "held $held, published after $took"
		awk -v h="$held" -v t="$took" 'BEGIN { exit !(h < t + 400) }'
	done
}
