#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An engine that is none: listens at a Unix socket, and answers each question in its own way.

usage: fake-engine.py SOCKET KIND ID
"""
import json
import os
import socket
import sys
import time

path, kind, container = sys.argv[1:]
good = json.dumps({"Id": container, "Name": "/fake", "Image": "sha256:1", "Config": {"Image": "fake:1", "Labels": {}}})


def answer(status, body, extra=""):
    return (f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def chunked(body):
    parts = "".join(f"{len(c):x}\r\n{c}\r\n" for c in (body[i:i + 7] for i in range(0, len(body), 7)))
    return f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{parts}0\r\n\r\n".encode()


ANSWERS = {
    "good": answer(200, good),
    "chunked": chunked(good),
    "garbage": bytes(range(256)) * 8,
    "empty": b"",
    "not-found": answer(404, '{"message":"No such container"}'),
    "error": answer(500, good),
    "other-id": answer(200, good.replace(container, "c" * 64)),
    "no-json": answer(200, good[:-1]),
    "deep": answer(200, "[" * 100000),
    "endless-body": b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (1 << 20),
    "endless-headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (1 << 18),
    "redirect": answer(302, "", "Location: http://127.0.0.1:1/\r\n"),
    "smuggled": answer(200, '{"x":"\\n\\u0000HTTP/1.1 200 OK"}') + answer(200, good),
}

listener = socket.socket(socket.AF_UNIX)
os.umask(0o117)
listener.bind(path)
listener.listen()
while True:
    peer, _ = listener.accept()
    question = peer.recv(4096)
    assert question.startswith(f"GET /containers/{container}/json HTTP/1.1\r\n".encode()), question
    try:
        if kind == "slow":
            for byte in ANSWERS["good"]:
                peer.send(bytes([byte]))
                time.sleep(0.1)
        elif kind == "hang":
            time.sleep(3600)
        else:
            peer.sendall(ANSWERS[kind])
    except OSError:
        pass
    peer.close()
