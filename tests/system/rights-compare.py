#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lays what a victim could see of its rights beside what was started for it afterwards.

usage: rights-compare.py delegate BEFORE AFTER     what tests/programs/rights.c wrote, twice
       rights-compare.py agent BEFORE PID CRASH    the agent as the host sees it, beside the snapshot of the crash

Nothing may be more than before, and nothing other, but for the differences that are named here (and in
docs/THREAT-MODEL.md). Everything that is wrong is printed, one line each; the exit status says whether there was any.
"""
import json
import os
import re
import sys

# The named differences: what is less than the victim had, always.
NICE_LEAST, OOM_SCORE_ADJ, UMASK, BEST_EFFORT_7 = 10, 1000, 0o077, (2 << 13) | 7
RLIMIT_CORE = 4
REFUSED = {"EPERM", "ENOSYS", "EACCES"}
ENVIRONMENT = re.compile(
    r"(CORE_[A-Z0-9_]+|PATH|COREFERRY_URL|https?_proxy|HTTPS_PROXY|all_proxy|ALL_PROXY|no_proxy|NO_PROXY"
    r"|COREFERRY_ENCODING|SSL_CERT_FILE|AWS_[A-Z0-9_]+)$"
)
wrong = []


def check(what, right, text):
    if not right:
        wrong.append(f"{what}: {text}")


def same(what, before, after):
    check(what, before == after, f"was {before!r}, is {after!r}")


def status_of(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def compare_status(before, after):
    for key in ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Cpus_allowed", "Mems_allowed"):
        same(key, before.get(key, "").strip(), after.get(key, "").strip())
    same("NoNewPrivs", "1", after["NoNewPrivs"])
    check("Seccomp", int(after["Seccomp"]) >= int(before["Seccomp"]), f"was {before['Seccomp']}, is {after['Seccomp']}")
    same("Umask", f"{UMASK:04o}", after["Umask"])
    for key in ("SigBlk", "SigIgn"):
        same(key, "0" * 16, after[key])


def compare_environment(names):
    for name in names:
        check("environment", ENVIRONMENT.match(name), f"holds {name}")


def compare_calls(before, after):
    """How system calls are refused: by the filter and by capabilities alike."""
    had_filter = status_of(before["status"])["Seccomp"] != "0"
    for name, was in before["calls"].items():
        now = after["calls"][name]
        # Its pid namespace belongs to its user namespace, as one that the victim made would: reboot(2) ends that, and
        # would be let through to look at its arguments.
        if name == "reboot" and now == "EINVAL":
            continue
        if was in REFUSED:
            check(f"call {name}", now in REFUSED, f"was {was}, is {now}")
        elif not had_filter:
            same(f"call {name}", was, now)


def compare_delegate(before, after):
    compare_status(status_of(before["status"]), status_of(after["status"]))
    # Its own, below the victim's: what it starts ends with it.
    check("pid namespace", after["namespaces"]["pid"] != before["namespaces"]["pid"], "is the victim's")
    same("namespaces", before["namespaces"] | {"pid": ""}, after["namespaces"] | {"pid": ""})
    for key in ("cgroup", "mountinfo", "uid_map", "root", "cwd", "label", "personality", "securebits", "timerslack_ns"):
        same(key, before[key], after[key])
    for i, (was, now) in enumerate(zip(before["limits"], after["limits"], strict=True)):
        same(f"limit {i}", [1, 1] if i == RLIMIT_CORE else was, now)
    same("nice", max(NICE_LEAST, before["nice"]), after["nice"])
    same("I/O priority", BEST_EFFORT_7, after["ioprio"])
    same("scheduler", 0, after["scheduler"])
    same("oom_score_adj", OOM_SCORE_ADJ, int(after["oom_score_adj"]))
    same("descriptors", {"0": "pipe", "1": "pipe", "2": "pipe"}, after["descriptors"])
    same("signals", {""}, set(after["signals"]))
    same("controlling terminal", 0, after["controlling terminal"])
    check("session", after["session"] != before["session"] or before["session"] == 0, "is the victim's")
    compare_environment(entry.split("=")[0] for entry in after["environment"])
    compare_calls(before, after)


def read(path):
    with open(path, errors="surrogateescape") as file:
        return file.read()


def limits_of(text):
    return {line[:26].strip(): line[26:].split()[:2] for line in text.splitlines()[1:]}


def place_of(path):
    st = os.stat(path)
    return f"{st.st_dev:x}:{st.st_ino}"


def compare_agent(before, pid, crash):
    proc = f"/proc/{pid}/"
    status, was = status_of(read(proc + "status")), status_of(read(crash + "/status"))
    compare_status(was, status)
    same("Seccomp", "2", status["Seccomp"])
    same("namespaces", before["namespaces"] | {"pid": os.readlink("/proc/self/ns/pid")},
         {name: os.readlink(f"{proc}ns/{name}") for name in before["namespaces"]})
    same("cgroup", read(crash + "/cgroup"), read(proc + "cgroup"))
    limits = limits_of(read(crash + "/limits")) | {"Max core file size": ["1", "1"]}
    same("limits", limits, limits_of(read(proc + "limits")))
    for name in ("root", "cwd"):
        same(name, before[name], place_of(proc + name))
    same("mountinfo", before["mountinfo"], read(proc + "mountinfo"))
    same("oom_score_adj", OOM_SCORE_ADJ, int(read(proc + "oom_score_adj")))
    fields = read(proc + "stat").rpartition(")")[2].split()
    same("nice", max(NICE_LEAST, before["nice"]), int(fields[16]))
    same("scheduler", 0, int(fields[38]))
    same("session", int(pid), int(fields[3]))
    descriptors = {int(fd): os.readlink(f"{proc}fd/{fd}").split(":")[0] for fd in os.listdir(proc + "fd")}
    same("standard descriptors", ["pipe"] * 3, [descriptors.pop(i, None) for i in range(3)])
    check("descriptors", set(descriptors.values()) <= {"socket", "anon_inode"}, f"are {descriptors}")
    # Undumpable: its files are those of the host's root, whoever it is.
    same("owner of /proc/PID/environ", 0, os.lstat(proc + "environ").st_uid)
    compare_environment(entry.split("=")[0] for entry in read(proc + "environ").split("\0") if entry)


with open(sys.argv[2]) as file:
    first = json.load(file)
if sys.argv[1] == "delegate":
    with open(sys.argv[3]) as file:
        compare_delegate(first, json.load(file))
else:
    compare_agent(first, sys.argv[3], sys.argv[4])
for line in wrong:
    print(line)
sys.exit(bool(wrong))
