#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Many at once: pulls while crashes come in, silent and dripping connections, a large store. The figures are printed; what is
# asked of them leaves room for whatever else this machine does.
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

memory() { awk '/^VmRSS/ { print $2 }' "/proc/$SERVER/status"; }

@test "load: 500 pulls at once while 50 crashes come in: all right, /healthz answers, below 64 MiB; 1,000 silent ones delay no pull" {
	store --count 8 --size 4000000 >/dev/null
	serve 'scope = any'
	/usr/bin/python3 -S "$BATS_TEST_DIRNAME/load.py" "$URL" "$T/store" "$TOP/tests/peers/make-store.py" "$SERVER" | tee "$T/figures" | sed 's/^/# /' >&3
	jq -e '.wrong == [] and .silent == 1000' "$T/figures"
	jq -e '.idle_kib < 8192 and .peak_kib < 65536 and .silent_kib < 65536' "$T/figures"
	jq -e '.healthz_p99_ms < 200 and .healthz_count > 20' "$T/figures"
	jq -e '.pull_beside_ms < .pull_alone_ms + 100' "$T/figures"
}

@test "load: 10,000 crashes: idle below 8 MiB, /core right after the publication, listed at once" {
	store --count 10000 --size 1000 >/dev/null
	serve 'scope = any'
	is health "$(get /healthz)" 200
	echo "# idle with 10,000 crashes: $(memory) KiB" >&3
	(($(memory) < 8192))
	/usr/bin/python3 -S - "$PORT" "$T/store" "$TOP/tests/peers/make-store.py" <<-'END' >"$T/delays"
		import http.client, os, sys, threading, time
		sys.path.insert(0, sys.argv[3].rsplit("/", 1)[0])
		make = __import__("importlib").import_module("make-store")
		class O: pass
		o = O(); o.dir = sys.argv[2]; o.container = "x"; o.address = []; o.link = []; o.exe = "/bin/osmo-new"
		o.signal = 11; o.root_only = False; o.gid = 61190
		raw = make.raw_core(1, 1000)
		core = (raw, make.seekable(raw))
		delays = []
		for i in range(30):
		    answer = {}
		    def pull():
		        c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
		        c.request("GET", "/core?wait=10")
		        r = c.getresponse()
		        answer["at"], answer["id"] = time.monotonic(), r.headers["X-Core-Id"]
		        assert len(r.read()) == 1000
		    t = threading.Thread(target=pull)
		    rename, published = make.os.rename, {}
		    def timed(a, b):
		        t.start()
		        time.sleep(0.05) # the request is there, and waits
		        rename(a, b)
		        published["at"] = time.monotonic()
		    make.os.rename = timed
		    id = make.publish(o, 30000 + i, time.time_ns() // 1000, core)
		    make.os.rename = rename
		    t.join()
		    assert answer["id"] == id, (answer, id)
		    delays.append((answer["at"] - published["at"]) * 1000)
		    # The next one is not to be answered with this one.
		    os.rename(f"{o.dir}/crashes/{id}", f"{o.dir}/crashes/.{id}.removed")
		    time.sleep(0.02)
		delays.sort()
		print(f"{delays[15]:.2f} {delays[-1]:.2f}")
	END
	echo "# /core after the publication, 10,000 crashes: median and worst of 30: $(<"$T/delays") ms" >&3
	awk '{ exit !($1 < 20) }' "$T/delays"
	TIMEFORMAT=%R
	time=$({ time "$T/bin/coreferry" list --store "$T/store" --config "$T/conf" >"$T/list"; } 2>&1)
	is lines "$(wc -l <"$T/list")" 10001
	echo "# coreferry list of 10,000: $time s" >&3
	awk -v t="$time" 'BEGIN { exit !(t < 1) }'
}
