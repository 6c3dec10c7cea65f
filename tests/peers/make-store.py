#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make-store.py DIR [--count N] [--size BYTES] [--address A --link N]... : a store with crashes that never happened.

Cores are in the zstd seekable format, as the helper writes them, of bytes that differ from crash to crash.  With --add
one more crash is published as the helper does it: built in .ID.partial, and shown by one rename.
"""
import argparse, datetime, hashlib, json, os, struct, subprocess, sys, time

FRAME = 1 << 20


def seekable(raw):
    """zstd frames of 1 MiB and a table of them."""
    frames = []
    for at in range(0, len(raw), FRAME):
        part = raw[at : at + FRAME]
        packed = subprocess.run(["zstd", "-q", "-1", "-c", "--no-check"], input=part, stdout=subprocess.PIPE, check=True).stdout
        frames.append((packed, len(part)))
    table = b"".join(struct.pack("<II", len(p), n) for p, n in frames)
    footer = struct.pack("<IBI", len(frames), 0, 0x8F92EAB1)
    return b"".join(p for p, _ in frames) + struct.pack("<II", 0x184D2A5E, len(table) + len(footer)) + table + footer


def raw_core(number, size):
    """Compressible, and nowhere the same twice."""
    out = bytearray(b"\x7fELF")
    i = 0
    while len(out) < size:
        out += hashlib.sha256(f"{number} {i}".encode()).digest() * 4
        i += 1
    return bytes(out[:size])


def crash_id(time_us, pid, number):
    t = datetime.datetime.fromtimestamp(time_us // 1000000, datetime.timezone.utc)
    return f"{t:%Y%m%dT%H%M%S}.{time_us % 1000000:06d}Z-{pid}-{number & 0xFFFF:04x}"


def record(options, number, time_us, core):
    pid = 1000 + number
    t = datetime.datetime.fromtimestamp(time_us // 1000000, datetime.timezone.utc)
    container = {"runtime": "lxc", "name": options.container}
    if options.address:
        container["addresses"] = options.address
    if options.link:
        container["links"] = options.link
    r = {
        "version": 1,
        "id": crash_id(time_us, pid, number),
        "time": f"{t:%Y-%m-%dT%H:%M:%S}.{time_us % 1000000:06d}Z",
        "time_us": time_us,
        "published_us": time_us + 1000,
        "boot_id": open("/proc/sys/kernel/random/boot_id").read().strip(),
        "pid": pid, "tid": pid, "container_pid": 7, "uid": 1000, "gid": 1000,
        "signal": options.signal, "signal_name": "SIGSEGV" if options.signal == 11 else "SIG?",
        "dump_mode": 1, "rlimit_core": "unlimited", "root_only": options.root_only,
        "comm": os.path.basename(options.exe)[:15], "exe": options.exe, "cmdline": [options.exe, "-x"],
        "cwd": "/", "hostname": "made-up", "container": container, "outcome": "stored", "core": {},
        "capture": {"mode": "memory", "held_ms": 0.9, "captured_bytes": 0, "holes_bytes": 0, "truncated": False},
        "delegation": {"status": "done", "delegate": "agent", "exit_status": 0, "output": "pushed <b>\n"},
    }
    if core:
        raw, stored = core
        r["core"] = {
            "file": "core.zst", "size": len(raw), "stored_size": len(stored),
            "sha256": hashlib.sha256(stored).hexdigest(), "raw_sha256": hashlib.sha256(raw).hexdigest(),
        }
    return r


def write(path, data, options, mode=0o640):
    with open(path, "wb") as f:
        f.write(data)
    os.chown(path, -1, options.gid)
    os.chmod(path, mode)


def publish(options, number, time_us, core, delay=0.0):
    r = record(options, number, time_us, core)
    crashes = f"{options.dir}/crashes"
    partial, final = f"{crashes}/.{r['id']}.partial", f"{crashes}/{r['id']}"
    os.mkdir(partial)
    os.chown(partial, -1, options.gid)
    os.chmod(partial, 0o750)
    if delay:
        time.sleep(delay)
        r["published_us"] = time.time_ns() // 1000
    mode = 0o600 if options.root_only else 0o640
    if core:
        write(f"{partial}/core.zst", core[1], options, mode)
    write(f"{partial}/maps", b"00400000-00401000 r-xp 0 0:0 0 /bin/x\n", options, mode)
    write(f"{partial}/environ", b"SECRET=1\0", options, 0o600)
    write(f"{partial}/crash.json", json.dumps(r, indent=2).encode() + b"\n", options)
    os.rename(partial, final)
    return r["id"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("dir")
    p.add_argument("--count", type=int, default=1)
    p.add_argument("--size", type=int, default=3 << 20, help="bytes of the raw core; 0: no core")
    p.add_argument("--exe", default="/usr/bin/osmo-bsc")
    p.add_argument("--container", default="made-up")
    p.add_argument("--signal", type=int, default=11)
    p.add_argument("--address", action="append", default=[])
    p.add_argument("--link", type=int, action="append", default=[])
    p.add_argument("--root-only", action="store_true")
    p.add_argument("--gid", type=int, default=61190)
    p.add_argument("--age", type=float, default=0.0, help="seconds ago; each one is a second older than the next")
    p.add_argument("--number", type=int, default=1)
    p.add_argument("--delay", type=float, default=0.0, help="seconds from the capture's start to the publication")
    options = p.parse_args()
    os.makedirs(f"{options.dir}/crashes", mode=0o750, exist_ok=True)
    os.chown(f"{options.dir}/crashes", -1, options.gid)
    os.chmod(f"{options.dir}/crashes", 0o750)
    os.makedirs(f"{options.dir}/removals", exist_ok=True)
    os.chown(f"{options.dir}/removals", -1, options.gid)
    os.chmod(f"{options.dir}/removals", 0o770)
    now_us = time.time_ns() // 1000 - int(options.age * 1e6)
    core = None
    for i in range(options.count):
        number = options.number + i
        if options.size and (core is None or options.count <= 16):
            raw = raw_core(number, options.size)
            core = (raw, seekable(raw))
        name = publish(options, number, now_us - (options.count - 1 - i) * 1000000, core, options.delay)
        if options.count <= 16:
            print(name)


if __name__ == "__main__":
    sys.exit(main())
