#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""faulty-server.py PORT LOG: an HTTP server that does what the first part of the path says: it fails, lies, or never ends.

LOG gets a line of JSON for each request: method, path, headers, and how many bytes of the body came.
"""
import base64
import hashlib
import http.server
import json
import sys
import threading

PORT, LOG = int(sys.argv[1]), sys.argv[2]
lock = threading.Lock()
uploads = {}


def digest(data):
    return "sha-256=:" + base64.b64encode(hashlib.sha256(data).digest()).decode() + ":"


class Faulty(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def take(self):
        """The body, unless it is refused before."""
        left, data = int(self.headers.get("Content-Length", 0)), b""
        while left > 0:
            piece = self.rfile.read(min(left, 1 << 18))
            if not piece:
                break
            data += piece
            left -= len(piece)
        return data

    def note(self, data):
        with lock, open(LOG, "a") as log:
            json.dump({"method": self.command, "path": self.path, "headers": dict(self.headers.items()), "body": len(data)}, log)
            log.write("\n")

    def say(self, status, text=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def pour(self, what):
        """Without end, until nobody takes any more."""
        self.close_connection = True
        try:
            while True:
                self.wfile.write(what)
        except OSError:
            pass

    def handle_expect_100(self):
        return True if self.path.split("/")[1] in ("early413", "later307") else super().handle_expect_100()

    def answer(self):
        word = self.path.split("/")[1]
        method = self.command
        if word == "early413" and method == "PUT":
            self.note(b"")
            self.close_connection = True
            return self.say(413, b"too large for us")
        if word == "later307" and method == "PUT":
            data = self.rfile.read(1000000)
            self.note(data)
            self.say(307, Location="/ok/" + self.path.split("/")[2])
            self.close_connection = True
            while self.rfile.read1(1 << 18):
                pass
            return None
        data = self.take()
        self.note(data)
        if word.startswith("tus"):
            return self.tus(word, data)
        if word == "options503" and method == "OPTIONS":
            return self.say(503, b"later", Retry_After="7")
        if word.startswith("loop"):
            return self.say(307, Location=f"/loop{len(self.path)}/x" + self.path)
        if word.startswith("to") and method == "OPTIONS":
            return self.say(307, Location=self.headers["X-None"] or WHERE[word])
        if word == "header" and method == "PUT":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * (1 << 20) + b"\r\n\r\n")
            self.close_connection = True
            return None
        if word == "headers" and method == "PUT":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            return self.pour(b"X-A: " + b"a" * 1000 + b"\r\n")
        if word == "interim" and method == "PUT":
            return self.pour(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        if word == "body" and method == "PUT":
            self.wfile.write(b"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n")
            return self.pour(b"x" * 65536)
        if word == "bomb":
            self.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n")
            return self.pour(base64.b64decode("H4sIAAAAAAAAA+3BMQEAAADCoPVPbQsvoAAAAAAAAAAA") * 1000)
        if method == "PUT":
            return self.put(word, data)
        if method == "HEAD":
            return self.head(word)
        return self.say(405)

    def put(self, word, data):
        if word == "digest":
            return self.say(201, Repr_Digest=digest(data))
        if word == "baddigest":
            return self.say(201, Repr_Digest=digest(data + b"x"))
        if word == "bodydigest":
            return self.say(201, b"taken", Repr_Digest=digest(b"taken"))
        if word.isdigit() or word[:3].isdigit() and word[3] == "r":
            after = {"Retry_After": word[4:]} if len(word) > 3 else {}
            return self.say(int(word[:3]), b"it is so\r\nX: y\x1b[31m", **after)
        if word == "cut":
            self.close_connection = True
            return None
        return self.say(201)

    def head(self, word):
        with lock, open(LOG) as log:
            sent = [r for r in map(json.loads, log) if r["path"] == self.path and r["method"] == "PUT"][-1]
        if word == "shorter":
            return self.say(200, Content_Length=str(sent["body"] - 1))
        if word == "ok":
            return self.say(200, Content_Length=str(sent["body"]))
        if word == "headdigest":
            return self.say(200, Content_Length="0", Repr_Digest=sent["headers"]["Repr-Digest"])
        return self.say(405)

    def tus(self, word, data):
        method, tus = self.command, {"Tus_Resumable": "1.0.0"}
        if method == "OPTIONS":
            return self.say(204, Tus_Version="1.0.0", Tus_Extension="creation", **tus)
        if method == "POST":
            if word == "tusnowhere":
                return self.say(201, **tus)
            if word == "tus413":
                return self.say(413, b"no", **tus)
            return self.say(201, Location=WHERE.get(word, f"/{word}/upload"), **tus)
        if method == "HEAD":
            offset = {"tusback": 5, "tus409": 7}.get(word, uploads.get(self.path, 0))
            return self.say(200, Upload_Offset=str(offset), **tus)
        start, end = int(self.headers["Upload-Offset"]), int(self.headers["Upload-Offset"]) + len(data)
        if word == "tusgone":
            return self.say(410, **tus)
        if word == "tuselsewhere":
            return self.say(307, Location="/tusok/upload", **tus)
        if word == "tusok":
            uploads[self.path] = end
            return self.say(204, Upload_Offset=str(end), **tus)
        if word == "tus409":
            return self.say(409, **tus)
        offset = {"tusbeyond": 1 << 60, "tusback": start - 1, "tusnan": "0x10", "tusminus": "-1", "tusmore": end + 1,
                  "tuszero": 0, "tusliar": end, "tusdigest": end}[word]
        extra = {"Repr_Digest": digest(data + b"x")} if word == "tusdigest" else {}
        return self.say(204, Upload_Offset=str(offset), **tus, **extra)

    do_OPTIONS = do_PUT = do_HEAD = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *args):
        pass


WHERE = {
    "tofile": "file:///nonexistent/core", "togopher": "gopher://127.0.0.1:70/x", "todict": "dict://127.0.0.1:70/x",
    "touser": "http://user:secret@127.0.0.1/", "tojunk": "http://a b\tc/", "toother": f"http://localhost:{PORT}/ok",
    "tus2file": "file:///nonexistent/core", "tus2long": "/" + "a" * 5000,
}
http.server.ThreadingHTTPServer.daemon_threads = True
http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Faulty).serve_forever()
