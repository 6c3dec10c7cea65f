#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# victims: crashes at moments that a shell cannot hit: many at once, or one whose helper, helper's child, or own life is
# ended at a random moment. Input: the command line of a test of ours. It signals nothing but its own victims, and
# processes of the helper's program that were started after the victim.
#
# usage: victims.py storm COUNT PROGRAM [ARG]...
#            starts them (crasher --crash none), and when all are ready ends all by SIGSEGV; prints a line for each:
#            "PID SIGNAL DUMPED MS", MS from the signal to its end
#        victims.py kill [--seed N] [--signal NAME] [--early] --helper PATH --store DIR TARGET COUNT PROGRAM [ARG]...
#            COUNT victims, one after the other; TARGET, "helper", "child", "children" (each one that there is from then
#            on) or "victim", gets the signal (KILL) at a random moment between the helper's start and its end, as long
#            as one that was left alone took; --early: in the first tenth of its capture. Prints a line for each: "PID" or
#            "PID ?" (there was no directory yet), then "# HIT DELAY_MS LIFE_MS ..."; HIT: "hit", or "late": the target
#            had ended
import argparse
import os
import pathlib
import random
import re
import select
import signal
import subprocess
import sys
import time

READY_S = 120
END_S = 90  # longer than any max_block here: a victim that is there then is held for ever
POLL_S = 0.0001


class Victim:
    def __init__(self, command):
        self.ready, child = os.pipe()
        self.process = subprocess.Popen(command, pass_fds=[child], env={**os.environ, "CRASHER_FD": str(child)},
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(child)
        self.pid = self.process.pid

    def wait_ready(self):
        if not select.select([self.ready], [], [], READY_S)[0] or not os.read(self.ready, 1):
            sys.exit(f"victim {self.pid} did not become ready")
        os.close(self.ready)

    def crash(self):
        os.kill(self.pid, signal.SIGSEGV)


def storm(options):
    victims = {}
    for _ in range(options.count):
        victim = Victim(options.command)
        victims[victim.pid] = victim
    for victim in victims.values():
        victim.wait_ready()
    started = time.monotonic()
    for victim in victims.values():
        victim.crash()
    while victims:
        pid, status = os.wait()
        if victims.pop(pid, None):
            print(pid, os.WTERMSIG(status), int(os.WCOREDUMP(status)), int((time.monotonic() - started) * 1000))


def processes():
    return {int(name) for name in os.listdir("/proc") if name.isdecimal()}


def is_alive(pid):
    """Not gone, and no zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def find_helper(path, known, victim):
    """The kernel starts it a moment after the crash; its children come later. None: it has ended already."""
    while True:
        ended = victim.process.poll() is not None
        for pid in sorted(processes() - known):
            try:
                if os.readlink(f"/proc/{pid}/exe") == path:
                    return pid
            except OSError:
                pass
        if ended:
            return None


def children(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def send(pid, number):
    if not is_alive(pid):
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def hit(options, victim, helper):
    if options.target == "victim":
        return send(victim.pid, options.number)
    if options.target == "helper":
        return send(helper, options.number)
    struck = False
    while is_alive(helper):
        for child in children(helper):
            struck = send(child, options.number) or struck
        if struck and options.target == "child":
            break
    return struck


def has_directory(store, pid):
    """Only one that was made has to be there afterwards."""
    pattern = re.compile(rf"\.?\d+T\d+\.\d+Z-{pid}-[0-9a-f]{{4}}(\.partial)?")
    try:
        return any(pattern.fullmatch(name) for name in os.listdir(f"{store}/crashes"))
    except FileNotFoundError:
        return False


def one(options, delay_s):
    """Times in s after the helper was seen: when the victim was gone, and when the helper was."""
    victim = Victim(options.command)
    victim.wait_ready()
    known = processes()
    victim.crash()
    helper = find_helper(options.helper, known, victim)
    started = time.monotonic()
    result, reaped = "late" if helper is None else "alone", None
    if helper and delay_s is not None:
        while time.monotonic() - started < delay_s:
            time.sleep(POLL_S)
        result = "hit" if hit(options, victim, helper) else "late"
    while reaped is None or helper and is_alive(helper):
        if reaped is None and victim.process.poll() is not None:
            reaped = time.monotonic() - started
        if time.monotonic() - started > END_S:
            sys.exit(f"victim {victim.pid}: {'held' if reaped is None else 'its helper runs'} after {END_S} s")
        time.sleep(POLL_S)
    return victim.pid, result, reaped, time.monotonic() - started


def kill(options):
    options.number = signal.Signals["SIG" + options.signal]
    chance = random.Random(options.seed)
    pid, _, held, life = one(options, None)
    print(f"{pid}\n# alone 0 {life * 1000:.1f} held {held * 1000:.1f}", flush=True)
    for _ in range(options.count):
        # The capture is short, and the more delicate part.
        delay = chance.uniform(0, held if options.target == "victim" or chance.random() < 0.5 else life)
        if options.early:
            delay = chance.uniform(0, held / 10)
        pid, result, reaped, _ = one(options, delay)
        mark = "" if options.target != "helper" or has_directory(options.store, pid) else " ?"
        print(f"{pid}{mark}\n# {result} {delay * 1000:.1f} {life * 1000:.1f} reaped {reaped * 1000:.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("storm")
    verb.set_defaults(run=storm)
    verb.add_argument("count", type=int)
    verb.add_argument("command", nargs=argparse.REMAINDER)
    verb = verbs.add_parser("kill")
    verb.set_defaults(run=kill)
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--signal", default="KILL")
    verb.add_argument("--early", action="store_true")
    verb.add_argument("--helper", required=True)
    verb.add_argument("--store", required=True)
    verb.add_argument("target", choices=["helper", "child", "children", "victim"])
    verb.add_argument("count", type=int)
    verb.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
