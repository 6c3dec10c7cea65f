#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""peak-memory.py COMMAND...: runs it, and prints the most memory that it had, in KiB (VmHWM). Its status is the command's."""
import subprocess
import sys
import time

process = subprocess.Popen(sys.argv[1:])
peak = 0
while process.poll() is None:
    try:
        with open(f"/proc/{process.pid}/status") as f:
            fields = dict(line.split(":", 1) for line in f)
        # Of what it became, not of the fork that was to become it.
        if "VmHWM" in fields and "python" not in fields["Name"]:
            peak = max(peak, int(fields["VmHWM"].split()[0]))
    except OSError:
        pass
    time.sleep(0.002)
print(peak)
sys.exit(process.returncode)
