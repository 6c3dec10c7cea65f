# SPDX-License-Identifier: MIT
"""A victim is replaced while the helper looks at it (docs/THREAT-MODEL.md, row 1).

usage: replaced-midway.py FIRST STEP LAST HELPER OLD NEW CORE UID ARGUMENT...

In a pid namespace of its own, where nobody else takes pids: OLD crashes and is held. The helper is started for it by
ARGUMENTs (PID: its pid; FD: a pidfd of it), with CORE on stdin, and is stopped for a while at its Nth system call that
opens, reads or enters something by strace(1). Meanwhile OLD is killed, and NEW, of user UID, takes its pid, crashes as
well and is held. Then the helper goes on. For N = FIRST, FIRST + STEP, ... up to LAST. Each
says in COREFERRY_URL where its core is to go. Prints one line for each N.
"""
import os
import subprocess
import sys
import tempfile
import time

CALLS = "openat,openat2,readlinkat,newfstatat,statx,pidfd_open,pidfd_send_signal,setns,clone,clone3,fork,ioctl,close_range"
DELAY_S = 0.5


def crash(program, user, url):
    """Starts it; it is held when this returns."""
    process = subprocess.Popen([program, "crash"], user=user, group=user, extra_groups=[],
                               stdout=subprocess.DEVNULL, env={"COREFERRY_URL": url})
    end = time.time() + 10
    while "CoreDumping:\t1" not in open(f"/proc/{process.pid}/status").read():
        assert time.time() < end, "does not dump"
        time.sleep(0.005)
    return process


def take_pid(pid, program, user):
    """None if a process of the helper was quicker each time, and so took the pid itself."""
    for _ in range(5):
        open("/proc/sys/kernel/ns_last_pid", "w").write(str(pid - 1))
        new = crash(program, user, "http://127.0.0.1:28043/stolen")
        if new.pid == pid:
            return new
        new.kill()
        new.wait()
    return None


def replace_at(n, helper, old_program, new_program, core, user, arguments):
    """Prints at which call it was, if there was an nth."""
    old = crash(old_program, 1000, "http://127.0.0.1:28043/old")
    pid, pidfd = old.pid, os.pidfd_open(old.pid)
    words = [a.replace("PID", str(pid)).replace("FD", str(pidfd)) for a in arguments]
    with tempfile.NamedTemporaryFile("r") as log:
        traced = subprocess.Popen(["strace", "-qq", "-o", log.name, "-e", f"inject={CALLS}:delay_enter={int(DELAY_S * 1e6)}:when={n}",
                                   "-e", f"trace={CALLS}", helper, *words], stdin=open(core), pass_fds=[pidfd])
        time.sleep(DELAY_S / 2)
        old.kill()
        old.wait()
        new = take_pid(pid, new_program, user)
        status = traced.wait()
        delayed = [line for line in log if "DELAYED" in line]
        if new:
            new.kill()
            new.wait()
        os.close(pidfd)
    print(n, status, "replaced" if new else "missed", delayed[0].strip() if delayed else "-", flush=True)


def main():
    first, step, last, helper, old, new, core, user = sys.argv[1:9]
    for n in range(int(first), int(last) + 1, int(step)):
        replace_at(n, helper, old, new, core, int(user), sys.argv[9:])


main()
