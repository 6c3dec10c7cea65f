#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Between an S3 client and a real S3 endpoint: everything goes through, but what the rules name fails.

usage: s3-proxy.py PORT TARGET-PORT DIR

DIR/rules has lines "REGEX ACTION [ARGUMENT]"; a request whose "METHOD /path?query" the regex is found in takes the first such
line, once:
  cut BYTES       the connection is reset after so many bytes of the body
  fail CODE NAME  an error of S3, of that HTTP status; with a third word: its Retry-After
  late-fail NAME  the same, but as CompleteMultipartUpload does it: with status 200
  lose            it is done, but the answer is lost
  etag TEXT       it is done, and the answer has this ETag
  hang            nothing, for ever
  size BYTES      it is done, and the answer says this Content-Length
DIR/requests gets a JSON object for each request: what, its headers, and what was done with it. Requests are served one after
another on a connection each.
"""
import json
import re
import socket
import struct
import sys
import threading
import time

port, target, directory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
lock = threading.Lock()


def take_rule(request):
    with lock:
        with open(f"{directory}/rules") as f:
            rules = f.read().splitlines()
        for i, rule in enumerate(rules):
            words = rule.split()
            if words and re.search(words[0], request):
                with open(f"{directory}/rules", "w") as f:
                    f.write("".join(f"{r}\n" for r in rules[:i] + rules[i + 1 :]))
                return words[1:]
    return ["pass"]


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def read_head(f):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = f.readline(65536)
        if not line:
            return None
        head += line
    return head


def error(status, code, retry_after=None):
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>made up</Message></Error>".encode()
    wait = f"Retry-After: {retry_after}\r\n" if retry_after else ""
    return (
        f"HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: application/xml\r\n{wait}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def forward(head, f, length):
    with socket.create_connection(("127.0.0.1", target)) as server:
        lines = [l for l in head.split(b"\r\n") if not re.match(rb"(expect|connection):", l, re.I)]
        server.sendall(b"\r\n".join([lines[0], b"Connection: close"] + lines[1:]))
        while length > 0:
            data = f.read(min(length, 1 << 16))
            if not data:
                return None
            length -= len(data)
            try:
                server.sendall(data)
            except OSError:  # it has answered without waiting for all of it
                f.read(length)
                length = 0
        answer = b""
        while data := server.recv(1 << 16):
            answer += data
    return answer


def serve(client):
    f = client.makefile("rb")
    head = read_head(f)
    if not head:
        client.close()
        return
    lines = head.decode("latin-1").split("\r\n")
    request = lines[0].rsplit(" ", 1)[0]
    headers = {k.lower(): v.strip() for k, v in (l.split(":", 1) for l in lines[1:] if ":" in l)}
    length = int(headers.get("content-length", 0))
    action, *arguments = take_rule(request)
    with lock, open(f"{directory}/requests", "a") as log:
        log.write(json.dumps({"request": request, "headers": headers, "action": action, "time": time.time()}) + "\n")
    if action == "hang":
        time.sleep(3600)
    if "expect" in headers:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if action in ("fail", "late-fail", "cut"):
        f.read(int(arguments[0]) if action == "cut" else length)
        if action == "cut":
            return reset(client)
        client.sendall(error(*arguments) if action == "fail" else error(200, *arguments))
    else:
        answer = forward(head, f, length)
        if answer is None or action == "lose":
            return reset(client)
        if action == "etag":
            answer = re.sub(rb"(?im)^etag: .*\r$", f'ETag: "{arguments[0]}"\r'.encode(), answer, count=1)
        if action == "size":
            answer = re.sub(rb"(?im)^content-length: .*\r$", f"Content-Length: {arguments[0]}\r".encode(), answer, count=1)
        client.sendall(answer)
    client.shutdown(socket.SHUT_WR)
    f.read()
    client.close()


def run(client):
    try:
        serve(client)
    except OSError:
        client.close()


with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
    while True:
        threading.Thread(target=run, args=(listener.accept()[0],), daemon=True).start()
