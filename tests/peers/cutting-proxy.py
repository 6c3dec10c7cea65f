#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cutting-proxy.py PORT TARGET-PORT CUTS [LOG]: passes connections of loopback on, and cuts them.

CUTS is a file with a number in each line. Each connection takes the first line that is left: when it has passed on so many
bytes towards the target, it is cut (reset) on both sides; if it ends before, the next connection has that line. "1000000/s"
in the place of a number makes the connection slow instead: so many bytes in a second. When there is no line left a
connection goes through. LOG gets a line for each connection that was cut: how many bytes.
"""
import select
import socket
import struct
import sys
import threading
import time

port, target, cuts_file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
log = sys.argv[4] if len(sys.argv) > 4 else None
lock = threading.Lock()


def next_cut():
    with lock:
        with open(cuts_file) as f:
            lines = f.read().split()
        if not lines:
            return None
        with open(cuts_file, "w") as f:
            f.write("\n".join(lines[1:]))
        return lines[0]


def put_back(line):
    with lock:
        with open(cuts_file) as f:
            lines = f.read().split()
        with open(cuts_file, "w") as f:
            f.write("\n".join([line] + lines))


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def pass_on(client):
    cut = next_cut()
    rate = int(cut[:-2]) if cut and cut.endswith("/s") else None
    left = int(cut) if cut and not rate else None
    passed, start = 0, time.monotonic()
    try:
        server = socket.create_connection(("127.0.0.1", target))
    except OSError:
        reset(client)
        return
    try:
        while True:
            for s in select.select([client, server], [], [])[0]:
                want = 65536 if left is None or s is server else min(65536, left - passed)
                data = s.recv(want)
                if not data:
                    return
                (server if s is client else client).sendall(data)
                if s is server:
                    continue
                passed += len(data)
                if rate:
                    time.sleep(max(0, passed / rate - (time.monotonic() - start)))
                if left is not None and passed >= left:
                    if log:
                        with lock, open(log, "a") as f:
                            f.write(f"{passed}\n")
                    return
    except OSError:
        pass
    finally:
        if left is not None and passed < left:
            put_back(cut)
        reset(client)
        reset(server)


listener = socket.create_server(("127.0.0.1", port), backlog=128)
while True:
    threading.Thread(target=pass_on, args=(listener.accept()[0],), daemon=True).start()
