#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# store-check: whether a store that nobody works on keeps its promises, crash by crash. Input: the store that a test has
# made; the cores in it are of the test's own victims. It only reads, takes each lock once, and prints what is wrong, one
# line a finding, then one line of what there is: "OUTCOME N ..., undigested N". Exit status: 1 where anything is wrong.
#
# usage: store-check.py [--expect FILE] [--killed] [--random MIB] STORE
#   --expect  a line "PID" for each crash that must be there, "PID ?" for one that may; no others may be there. "PID" once
#             is one record, and never two
#   --killed  helpers were killed, or had no room: what they had captured may be without digests, and raw
#   --random  each victim was "crasher --heap MIB --random": what its core must hold, or a part of it must begin with, is
#             known from its pid
import argparse
import collections
import concurrent.futures
import fcntl
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys

STORE_NAMES = {"crashes", "slots", "counters", "rates", "deliveries", "removals", "housekeeping.lock", "begin.lock", "finish.lock", "reserve", "lost+found"}
CRASH_NAMES = {"crash.json", "core", "core.zst", "maps", "limits", "cgroup", "status", "mountinfo", "environ"}
OUTCOMES = ("stored", "truncated", "refused", "failed")
PAGE = 4096
PIECE = 1 << 20
MASK = (1 << 64) - 1


class Wrong(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Wrong(what)


def is_free(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def expected_size(head):
    """What a core's own headers say of its size: the end of its last segment. See: elf(5)."""
    expect(head[:7] == b"\x7fELF\x02\x01\x01" and struct.unpack_from("<H", head, 16)[0] == 4, "no ELF core of 64 bits")
    start = struct.unpack_from("<Q", head, 32)[0]
    size, count = struct.unpack_from("<HH", head, 54)
    ends = [sum(struct.unpack_from("<Q16xQ", head, start + i * size + 8)) for i in range(count)]
    return max(ends)


def next_word(state):
    """As crasher fills its memory."""
    state ^= state << 13 & MASK
    state ^= state >> 7
    return state ^ (state << 17 & MASK)


def check_random(core, pid, mib, whole):
    """The first words, and from page to page: what was lost, moved or another's cannot go on as it began. Of a part it
    holds up to its end, but for a last page of which there is less."""
    words = [next_word(0x9e3779b97f4a7c15 ^ pid)]
    for _ in range(7):
        words.append(next_word(words[-1]))
    start = core.find(struct.pack("<8Q", *words))
    expect(start >= 0, "its memory is not in it")
    end = start + (mib << 20)
    expect(end <= len(core) or not whole, "its memory ends early")
    for page in range(start + PAGE, min(end, len(core) - 8), PAGE):
        last, first = struct.unpack_from("<QQ", core, page - 8)
        expect(next_word(last) == first, f"its memory does not go on at {page}")


def read_raw(directory, name):
    """The core's bytes, a piece at a time; by zstd's own program where it is compressed."""
    if name == "core":
        with open(directory / name, "rb") as file:
            while piece := file.read(PIECE):
                yield piece
        return
    with subprocess.Popen(["zstd", "-qdc", str(directory / name)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as zstd:
        while piece := zstd.stdout.read(PIECE):
            yield piece
        expect(zstd.wait() == 0, f"zstd: {zstd.stderr.read()!r}")


def check_core(directory, record, options):
    core, name = record["core"], record["core"]["file"]
    expect(name in ("core", "core.zst"), f"core.file is {name}")
    expect((directory / name).stat().st_size == core["stored_size"], "stored_size is not the file's")
    expect(not {"core", "core.zst"} - {name} & set(os.listdir(directory)), "two cores")
    digest, length, head, whole = hashlib.sha256(), 0, b"", []
    for piece in read_raw(directory, name):
        digest.update(piece)
        length += len(piece)
        head = head if len(head) >= PIECE else head + piece
        if options.random:
            whole.append(piece)
    expect(length == core["size"], f"{length} bytes, and core.size says {core['size']}")
    if record["outcome"] == "stored":
        expect(expected_size(head) == length, f"{length} bytes, and its headers say {expected_size(head)}")
    # Where the time was over, what had not been reached is missing or zeros.
    if options.random and not record.get("reason", "").startswith("max_block"):
        check_random(b"".join(whole), record["pid"], options.random, record["outcome"] == "stored")
    if not core.get("sha256"):
        expect(options.killed, "no digest")
        return 1
    with open(directory / name, "rb") as file:
        expect(hashlib.file_digest(file, "sha256").hexdigest() == core["sha256"], "core.sha256 is wrong")
    expect(digest.hexdigest() == core.get("raw_sha256"), "core.raw_sha256 is wrong")
    expect(options.killed or name == "core.zst", "not compressed")
    return 0


def check_crash(directory, options):
    names = set(os.listdir(directory))
    expect(not names - CRASH_NAMES, f"left over: {sorted(names - CRASH_NAMES)}")
    expect(is_free(directory), "its lock is held")
    record = json.loads((directory / "crash.json").read_text())
    outcome = record.get("outcome")
    expect(record["version"] == 1 and record["id"] == directory.name, "the record is another's")
    expect(record["pid"] == int(directory.name.split("-")[1]), "the pid is another's")
    expect(outcome in OUTCOMES, f"outcome {outcome}")
    expect((outcome == "stored") == (not record.get("reason")), f"{outcome}, reason {record.get('reason')}")
    expect(record["published_us"] > 0, "no published_us")
    undigested = 0
    if record.get("core", {}).get("file"):
        expect(outcome in ("stored", "truncated"), f"{outcome}, with a core")
        undigested = check_core(directory, record, options)
    else:
        expect(outcome in ("refused", "failed") or record.get("core_removed"), f"{outcome}, without a core")
        expect(not names & {"core", "core.zst"}, "a core that the record does not name")
    return record["pid"], outcome, undigested


def check_pids(file, pids):
    lines = [line.split() for line in pathlib.Path(file).read_text().splitlines()]
    must = {int(line[0]) for line in lines if len(line) == 1}
    may = must | {int(line[0]) for line in lines}
    yield from (f"pid {pid}: no record" for pid in sorted(must - set(pids)))
    yield from (f"pid {pid}: a record of a crash that there was not" for pid in sorted(set(pids) - may))
    yield from (f"pid {pid}: {count} records" for pid, count in pids.items() if count > 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--expect")
    parser.add_argument("--killed", action="store_true")
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("store", type=pathlib.Path)
    options = parser.parse_args()
    wrong, found, pids = [], collections.Counter(), collections.Counter()

    def check(directory):
        try:
            return directory, check_crash(directory, options), None
        except (Wrong, OSError, ValueError, KeyError, struct.error) as error:
            return directory, None, f"{type(error).__name__}: {error}"

    crashes = options.store / "crashes"
    wrong += [f"left over in the store: {name}" for name in sorted(set(os.listdir(options.store)) - STORE_NAMES)]
    wrong += [f"left over in crashes: {name}" for name in sorted(os.listdir(crashes)) if name.startswith(".")]
    for lock in [*options.store.glob("slots/*"), *options.store.glob("*.lock")]:
        if not is_free(lock):
            wrong.append(f"still held: {lock}")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for directory, result, error in pool.map(check, sorted(crashes.glob("2*"))):
            if error:
                record = directory / "crash.json"
                wrong.append(f"{directory.name}: {error}\n  {record.read_text() if record.exists() else 'no record'}")
                pids[int(directory.name.split("-")[1])] += 1
                continue
            pid, outcome, undigested = result
            pids[pid] += 1
            found[outcome] += 1
            found["undigested"] += undigested
    if options.expect:
        wrong += check_pids(options.expect, pids)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(*(f"{name} {found[name]}" for name in (*OUTCOMES, "undigested")), sep=", ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
