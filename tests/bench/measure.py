#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# measure: makes one crash (or many at once) and prints what it cost, as one line of runs.tsv. Input: the command line
# of tests/bench/bench, the kernel's accounting, and what the handlers stored. It must do nothing while a victim is
# waited for.
#
# The handler is a child of the kernel, so nobody can ask for its rusage. The kernel's exit records (taskstats) say for
# each thread that ends which program it was (inode of the executable), its CPU time in ns, and the peak of its memory:
# nothing is sampled, and nothing stands between kernel and handler. Every handler's programs are copies that nothing
# else runs. See: Documentation/accounting/taskstats.rst
import argparse
import json
import mmap
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

COLUMNS = ["case", "round", "handler", "crashes", "reap_us", "victim_cpu_us", "handler_cpu_us", "rss_kib", "disk_bytes",
           "stored", "done_us"]
TASKSTATS_BYTES = 400  # up to and with ac_exe_inode, which Linux 5.19 added (version 12)
TASKSTATS_BROKEN = 15  # a version whose fields stand elsewhere (Linux 6.13 and some after it)
RECEIVE_BYTES = 64 << 20
QUIET_S = 0.06
DRAIN_NS = 50_000_000  # the records of processes that have ended are there already, behind those of others
START_S = 3.0  # how long a handler that hands over to another program may take to start that
DONE_S = 300.0
NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 16, 16, 3, 1, 2
TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK = 1, 3
TASKSTATS_TYPE_STATS, TASKSTATS_TYPE_AGGR_PID = 3, 4


def attribute(kind, value):
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def attributes(data):
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield kind & 0x3FFF, data[at + 4:at + length]
        at += (length + 3) & ~3


class Exits:
    """The kernel's exit records of all threads, collected until they are asked for."""

    def __init__(self):
        self.records = []
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.socket.bind((0, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, RECEIVE_BYTES)  # SO_RCVBUFFORCE
        family = self.ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, attribute(CTRL_ATTR_FAMILY_NAME, b"TASKSTATS\0"))
        self.family = struct.unpack("=H", dict(attributes(family[20:]))[CTRL_ATTR_FAMILY_ID])[0]
        with open("/sys/devices/system/cpu/possible", "rb") as cpus:
            mask = attribute(TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, cpus.read().strip() + b"\0")
        self.ask(self.family, TASKSTATS_CMD_GET, mask)
        self.socket.settimeout(0.02)
        self.stop_ns = None
        self.thread = threading.Thread(target=self.collect, daemon=True)
        self.thread.start()

    def ask(self, family, command, body):
        message = struct.pack("=BBH", command, 1, 0) + body
        # NLM_F_REQUEST | NLM_F_ACK: a refusal is an answer, too.
        self.socket.send(struct.pack("=IHHII", 16 + len(message), family, 5, 1, 0) + message)
        answer = b""
        while True:
            got = self.socket.recv(65536)
            if struct.unpack_from("=H", got, 4)[0] != 2:  # NLMSG_ERROR, also of success
                answer = got
                continue
            error = struct.unpack_from("=i", got, 16)[0]
            if error:
                sys.exit(f"measure: the kernel gives no exit records (CONFIG_TASKSTATS): {os.strerror(-error)}")
            return answer

    def collect(self):
        while self.stop_ns is None or time.monotonic_ns() < self.stop_ns:
            try:
                message = self.socket.recv(65536)
                self.records.append((time.monotonic_ns(), message))
            except TimeoutError:
                pass

    def of(self, programs):
        """Ends the collecting. (time in ns, tgid, CPU in ns, peak RSS in KiB) of each thread of these programs."""
        self.stop_ns = time.monotonic_ns() + DRAIN_NS
        self.thread.join()
        files = {(os.major(s.st_dev), os.minor(s.st_dev), s.st_ino)
                 for s in (os.stat(p) for p in pathlib.Path(programs).iterdir())}
        for when, message in self.records:
            if struct.unpack_from("=H", message, 4)[0] != self.family:
                continue
            for kind, value in attributes(message[20:]):
                if kind != TASKSTATS_TYPE_AGGR_PID:
                    continue
                stats = dict(attributes(value))[TASKSTATS_TYPE_STATS]
                version = struct.unpack_from("=H", stats)[0]
                if len(stats) < TASKSTATS_BYTES or version == TASKSTATS_BROKEN:
                    sys.exit(f"measure: exit records of version {version} are of no use")
                device, inode = struct.unpack_from("=QQ", stats, 384)  # ac_exe_dev, ac_exe_inode
                if ((device >> 8) & 0xFFF, device & 0xFF | (device >> 12) & 0xFFF00, inode) in files:
                    yield (when, struct.unpack_from("=I", stats, 368)[0],  # ac_tgid
                           struct.unpack_from("=Q", stats, 72)[0],  # cpu_run_virtual_total
                           struct.unpack_from("=Q", stats, 200)[0])  # hiwater_rss


def running(programs):
    """True while any process runs a program of that directory."""
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                if os.readlink(f"/proc/{pid}/exe").startswith(programs + "/"):
                    return True
            except OSError:
                pass
    return False


def stored(handler, out):
    """How many cores are there, whole."""
    if handler == "ours":
        records = out.glob("crashes/2*/crash.json")
        return sum(json.loads(r.read_text())["outcome"] == "stored" for r in records)
    return sum(f.is_file() and f.stat().st_size > 0 and not f.name.startswith(".") for f in out.rglob("*"))


def wait_done(arguments, out):
    """Until the handler's programs have ended, and those too that they hand over to."""
    deadline = time.monotonic() + DONE_S
    quiet_since = time.monotonic()
    while True:
        now = time.monotonic()
        if running(arguments.programs):
            quiet_since = now
        elif now - quiet_since > QUIET_S and (arguments.handler != "systemd" or now - quiet_since > START_S
                                              or stored("systemd", out) >= arguments.count):
            return
        if now > deadline:
            sys.exit(f"measure: {arguments.handler} has not ended after {DONE_S:.0f} s")
        time.sleep(0.02)


def crash_one(arguments):
    """(time-to-reap, CPU of the victim from the crash on), in us."""
    line = subprocess.run([arguments.reaper, *arguments.victim], stdout=subprocess.PIPE, check=True, text=True).stdout
    values = dict(word.split("=") for word in line.split())
    if values["core"] != "1":
        sys.exit(f"measure: {arguments.handler}: no core was dumped: {line}")
    return int(values["us"]), int(values["cpu_us"])


def crash_many(arguments):
    """The same for many at once: from the first signal to the last reap, and the sum of their CPU."""
    victims, cpu_ns, dumped = [], 0, 0
    for _ in range(arguments.count):
        read_fd, write_fd = os.pipe()
        environ = dict(os.environ, CRASHER_FD=str(write_fd))
        victim = subprocess.Popen([*arguments.victim, "--crash", "none"], env=environ, pass_fds=[write_fd])
        victims.append((victim, read_fd))
        os.close(write_fd)
    for _, read_fd in victims:
        cpu_ns -= struct.unpack("=QQ", os.read(read_fd, 16))[1]
    start = time.monotonic_ns()
    for victim, _ in victims:
        os.kill(victim.pid, signal.SIGSEGV)
    for victim, _ in victims:
        _, status, usage = os.wait4(victim.pid, 0)
        victim.returncode = status
        cpu_ns += round((usage.ru_utime + usage.ru_stime) * 1e9)
        dumped += os.WCOREDUMP(status)
    if not dumped:
        sys.exit(f"measure: {arguments.handler}: no core was dumped")
    return (time.monotonic_ns() - start) // 1000, cpu_ns // 1000


def touch(mib):
    """Takes so much memory and gives it back, and ends the writing of what was before.

    A virtual machine may have given free memory back to its host (free page reporting), and then whoever takes a page
    waits for the host, seconds for a GiB: that would be measured, and by chance for one handler or another.
    """
    os.sync()
    with open("/proc/meminfo", encoding="ascii") as lines:
        free_mib = int(dict(line.split(":") for line in lines)["MemFree"].split()[0]) >> 10
    if mib:
        populate = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x8000  # MAP_POPULATE
        mmap.mmap(-1, min(mib, free_mib // 2) << 20, flags=populate).close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--reaper", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--touch", type=int, default=0)
    parser.add_argument("case")
    parser.add_argument("round", type=int)
    parser.add_argument("handler")
    parser.add_argument("victim", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    out = pathlib.Path(arguments.out)
    touch(arguments.touch)
    exits = Exits()
    reap_us, victim_cpu_us = (crash_many if arguments.count > 1 else crash_one)(arguments)
    reaped = time.monotonic_ns()
    wait_done(arguments, out)
    cpu_ns, peaks, done = 0, {}, reaped
    for when, tgid, cpu, rss in exits.of(arguments.programs):
        cpu_ns += cpu
        peaks[tgid] = max(peaks.get(tgid, 0), rss)
        done = max(done, when)
    if arguments.handler != "file" and not peaks:
        sys.exit(f"measure: {arguments.handler}: the kernel ran nothing of it")
    disk = sum(f.lstat().st_blocks * 512 for f in out.rglob("*") if not f.is_dir())
    cores = stored(arguments.handler, out)
    values = [arguments.case, arguments.round, arguments.handler, arguments.count, reap_us, victim_cpu_us,
              cpu_ns // 1000, sum(peaks.values()) // (cores or arguments.count), disk, cores,
              reap_us + (done - reaped) // 1000]
    print(*values, sep="\t")


main()
