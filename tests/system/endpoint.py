#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""endpoint.py ADDR PORT DIR: an HTTP endpoint that fails as it is told to.

The URL to push below is /NAME/PLAN: the n-th PUT below it gets the n-th word of PLAN (commas between), and all that
follow the last one: a status, "503r2" (with Retry-After: 2), "hang", "cut" (closed in the middle of the body),
"slow" (takes 1 MB/s).  What is taken (2xx) stands in DIR/NAME.  DIR/log has one line for each PUT: when it began (s),
NAME, the word.
"""
import collections
import http.server
import os
import sys
import threading
import time

ADDR, PORT, DIR = sys.argv[1], int(sys.argv[2]), sys.argv[3]
counts = collections.Counter()
lock = threading.Lock()


class Endpoint(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        name, plan = self.path.split("/")[1:3]
        words = plan.split(",")
        with lock:
            n = counts[name]
            counts[name] += 1
            word = words[min(n, len(words) - 1)]
            with open(f"{DIR}/log", "a") as log:
                print(f"{time.time():.3f} {name} {word}", file=log)
        if word == "hang":
            time.sleep(3600)
        self.answer(name, word)

    def answer(self, name, word):
        left = int(self.headers["Content-Length"])
        if word == "cut":
            self.rfile.read(left // 2)
            self.close_connection = True
            return
        with open(f"{DIR}/.{name}", "wb") as out:
            while left > 0:
                data = self.rfile.read(min(left, 1 << 18))
                if not data:
                    return
                out.write(data)
                left -= len(data)
                if word == "slow":
                    time.sleep(0.25)
        status, _, after = word.partition("r")
        status = 201 if word == "slow" else int(status)
        if status < 300:
            os.rename(f"{DIR}/.{name}", f"{DIR}/{name}")
        self.send_response(status)
        if after:
            self.send_header("Retry-After", after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer.daemon_threads = True
http.server.ThreadingHTTPServer((ADDR, PORT), Endpoint).serve_forever()
