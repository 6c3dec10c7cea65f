#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""load.py URL STORE MAKE_STORE SERVER_PID: 500 clients pull at once while 50 crashes come in; 1,000 others say nothing, or drip.

Prints one line of JSON: what was wrong, the delays of /healthz, of a pull beside the silent ones, and the server's memory.
"""
import asyncio, hashlib, json, os, resource, subprocess, sys, time
from urllib.parse import urlparse

url = urlparse(sys.argv[1])
store, make_store, server_pid = sys.argv[2], sys.argv[3], int(sys.argv[4])
CLIENTS, COMING, SILENT = 500, 50, 1000
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))


async def get(path, slow=False, source=None):
    """(status, SHA-256 of the body, length)"""
    reader, writer = await asyncio.open_connection(url.hostname, url.port, local_addr=source and (source, 0))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    digest, n = hashlib.sha256(), 0
    while True:
        part = await reader.read(1 << 18)
        if not part:
            break
        digest.update(part)
        n += len(part)
    writer.close()
    return int(head.split()[1]), digest.hexdigest(), n


def memory_kib():
    for line in open(f"/proc/{server_pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])


# /healthz is asked by a process of its own: what is measured is the server, not this one's other work.
PROBE = r"""
import http.client, sys, time
end, delays = time.monotonic() + float(sys.argv[3]), []
while time.monotonic() < end:
    t = time.monotonic()
    c = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=20, source_address=("127.0.9.9", 0))
    c.request("GET", "/healthz")
    assert c.getresponse().read() == b"ok\n"
    delays.append((time.monotonic() - t) * 1000)
    time.sleep(0.01)
print(" ".join(f"{d:.2f}" for d in delays))
"""


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


async def pulls(ids):
    wrong, peak = [], 0

    async def one(i):
        id, sha = ids[i % len(ids)]
        # One address may have 256 connections.
        status, digest, _ = await get(f"/cores/{id}/core", source=f"127.0.{1 + i // 200}.1")
        if status != 200 or digest != sha:
            wrong.append((i, status))

    async def watch():
        nonlocal peak
        while True:
            peak = max(peak, memory_kib())
            await asyncio.sleep(0.05)

    idle = memory_kib()
    watcher = asyncio.create_task(watch())
    probe = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", "-S", "-c", PROBE, url.hostname, str(url.port), "6", stdout=subprocess.PIPE)
    coming = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", "-S", make_store, store, "--count", str(COMING), "--size", "2000000", "--number", "5000",
        stdout=subprocess.DEVNULL)
    started = time.monotonic()
    await asyncio.gather(*(one(i) for i in range(CLIENTS)))
    took = time.monotonic() - started
    await coming.wait()
    delays = [float(d) for d in (await probe.communicate())[0].split()]
    watcher.cancel()
    status, _, _ = await get("/cores?limit=1000")
    return {
        "wrong": wrong, "pulls_s": round(took, 2), "idle_kib": idle, "peak_kib": peak,
        "healthz_p50_ms": percentile(delays, 50), "healthz_p99_ms": percentile(delays, 99), "healthz_count": len(delays),
    }


async def silent(ids):
    """A pull beside many that never end their request."""
    id, sha = ids[0]

    async def pull_ms():
        t = time.monotonic()
        status, digest, _ = await get(f"/cores/{id}/core", source="127.0.8.8")
        assert (status, digest) == (200, sha), status
        return (time.monotonic() - t) * 1000

    alone = [await pull_ms() for _ in range(10)]
    others = []
    for i in range(SILENT):
        try:
            r, w = await asyncio.open_connection(url.hostname, url.port, local_addr=(f"127.0.{20 + i // 200}.1", 0))
        except OSError:
            break
        if i % 2:
            w.write(b"GET /cores HTTP/1.1\r\nHost: x\r\nX-Drip: ")
        others.append(w)
    done = False

    async def drip():
        while not done:
            for w in others[1::2]:
                w.write(b"x")
            await asyncio.sleep(1)

    dripping = asyncio.create_task(drip())
    await asyncio.sleep(0.5)
    beside = [await pull_ms() for _ in range(20)]
    done = True
    await dripping
    peak = memory_kib()
    for w in others:
        w.close()
    return {"silent": len(others), "pull_alone_ms": percentile(alone, 50), "pull_beside_ms": percentile(beside, 50),
            "pull_beside_max_ms": max(beside), "silent_kib": peak}


async def main():
    _, _, _ = await get("/healthz")
    ids = []
    for id in sorted(os.listdir(f"{store}/crashes"))[:8]:
        ids.append((id, json.load(open(f"{store}/crashes/{id}/crash.json"))["core"]["raw_sha256"]))
    result = await pulls(ids)
    result.update(await silent(ids))
    result["after_kib"] = memory_kib()
    print(json.dumps(result))


asyncio.run(main())
