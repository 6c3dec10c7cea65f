#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program of the container that is not done when its time is over: what it started is to be gone with it.

usage: evil-delegate.py MARK WAY [ARG]: MARK is how the test finds what is left, in any process's command line
"""
import ctypes
import os
import signal
import sys
import time

PTRACE_TRACEME, PTRACE_SEIZE = 0, 0x4206


def sleep():
    while True:
        time.sleep(1000)


def detach():
    """As daemons do it: fork, setsid, fork, no descriptor left. True in the daemon."""
    if os.fork() > 0:
        return False
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    os.chdir("/")
    os.closerange(0, 100)
    return True


def refuse():
    """Every signal that can be."""
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass


def daemon():
    if detach():
        refuse()
        sleep()


def daemons():
    """Those that are asked to end leave another one behind, in a session of its own."""
    for _ in range(20):
        if os.fork() == 0:
            while True:
                if os.fork() > 0:
                    os._exit(0)
                os.setsid()
                time.sleep(0.05)
    sleep()


def children():
    """Those of which each refuses; the first one waits."""
    refuse()
    for _ in range(500):
        if os.fork() == 0:
            os.setsid()
            sleep()
    print("500 children", flush=True)
    sleep()


def term():
    refuse()
    sleep()


def stop():
    if os.fork() == 0:
        os.setsid()
        os.kill(os.getpid(), signal.SIGSTOP)
        sleep()
    os.kill(os.getpid(), signal.SIGSTOP)
    sleep()


def trace():
    """One that is traced stops at each signal, and its tracer does not let it go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    child = os.fork()
    if child == 0:
        libc.ptrace(PTRACE_TRACEME, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        sleep()
    os.waitpid(child, os.WUNTRACED)
    refuse()
    print("tracing", flush=True)
    # The init is not for us to trace.
    print("init:", libc.ptrace(PTRACE_SEIZE, 1, 0, 0), flush=True)
    sleep()


def flood():
    line = b"\x1b[2J" + b"flood" * 13107 + b"\n"
    for _ in range(2**30 // len(line) + 1):
        os.write(1, line)


def noread():
    sleep()


def close():
    os.close(0)
    time.sleep(1)
    print("closed and lived on")


def half():
    print(len(os.read(0, 4096)))


def slow():
    """Reads all of it, but not at once."""
    size = len(os.read(0, 4096))
    print("begun", flush=True)
    time.sleep(1)
    while data := os.read(0, 1 << 20):
        size += len(data)
    print(size == int(os.environ["CORE_SIZE"]))


def group():
    if os.fork() == 0:
        os.setpgid(0, 0)
        if os.fork() == 0:
            os.setsid()
        refuse()
        sleep()
    refuse()
    sleep()


def pipe():
    """Leaves one behind that has the pipe to the record, and ends."""
    if os.fork() == 0:
        os.setsid()
        refuse()
        print("left behind", flush=True)
        sleep()
    time.sleep(0.5)


def parent():
    """Everything that it can reach: init, parent, group, all; by the host's numbers too, which it may have guessed."""
    if os.fork() == 0:
        os.setsid()
        sleep()
    print("parent:", os.getppid(), "self:", os.getpid() < 10, flush=True)
    for pid in [1] + [int(p) for p in sys.argv[3:]] + [-1]:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError as error:
            print(f"kill: {error.strerror}", flush=True)
    print("still there", flush=True)
    os.kill(0, signal.SIGKILL)


if __name__ == "__main__":
    globals()[sys.argv[2]]()
