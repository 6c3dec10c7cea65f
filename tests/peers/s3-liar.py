#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An S3 endpoint that is none: the bucket's name says what it answers to everything.  usage: s3-liar.py PORT"""
import http.server
import sys

ID = "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>"
DOCTYPE = "<!DOCTYPE a [<!ENTITY b '%s'>]>" % ("b" * 1000)


class Liar(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        what = self.path.split("/")[1]
        body = {
            "text": "all is well",
            "doctype": DOCTYPE + "<InitiateMultipartUploadResult><UploadId>&b;</UploadId></InitiateMultipartUploadResult>",
            "newline": ID % "a&#10;X-Evil: 1",
            "header": ID % ("x" * 1025),
        }.get(what, "")
        self.send_response(307 if what == "redirect" else 200)
        if what == "redirect":
            self.send_header("Location", "file:///etc/shadow")
        if what == "endless":
            self.end_headers()
            self.wfile.write(b"<Error>")
            while True:
                self.wfile.write(b"<a>" + b"b" * 65536 + b"</a>")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET = do_HEAD = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Liar).serve_forever()
