#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# python-heap: fills an interpreter's heap as real programs do, with dictionaries, lists, strings and numbers, and
# crashes. Input: the benchmark's command line (MiB), and CRASHER_FD, as crasher.c knows it.
import os
import random
import resource
import signal
import struct
import sys
import time


def resident_mib():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096 >> 20


def record(n, rng):
    return {
        "id": n,
        "name": f"user-{rng.randrange(10**9)}",
        "mail": f"{rng.randrange(10**12):x}@example.org",
        "scores": [rng.random() for _ in range(8)],
        "tags": ["alpha", "beta", f"tag-{n % 1000}"],
        "parent": {"left": n - 1, "right": n * 7919 % 1000003},
    }


def main():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    rng = random.Random(1)
    heap = []
    while resident_mib() < int(sys.argv[1]):
        heap.extend(record(n, rng) for n in range(len(heap), len(heap) + 2000))
    stamp = struct.pack("=QQ", time.monotonic_ns(), time.process_time_ns())
    os.write(int(os.environ["CRASHER_FD"]), stamp)
    os.kill(os.getpid(), signal.SIGSEGV)


main()
