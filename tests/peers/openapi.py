#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""openapi.py SPECIFICATION URL TOKEN: holds the server at URL to docs/openapi.yaml.

Asks each operation in every way that it describes and some that it does not, and checks of each answer that its status,
type, headers and body are described. At the end every status that is described has been seen, but for those that take a
server in trouble. A token may read and delete.
"""
import json, sys, urllib.error, urllib.request
import jsonschema, yaml

spec = yaml.safe_load(open(sys.argv[1]))
url, token = sys.argv[2], sys.argv[3]
seen = set()
NOT_SEEN = {("delete", "/cores/{id}", "503"), ("get", "/events", "503"), ("get", "/healthz", "503")}
resolver = jsonschema.RefResolver("", spec)


def follow(node):
    while isinstance(node, dict) and "$ref" in node:
        node = resolver.resolve(node["$ref"])[1]
    return node


def validate(value, schema):
    jsonschema.Draft202012Validator(schema, resolver=resolver).validate(value)


def check(method, path, status, headers, body):
    operation = spec["paths"][path][method if method != "head" else "get"]
    described = operation["responses"].get(str(status))
    assert described, f"{method} {path}: {status} is not described: {body[:200]!r}"
    described = follow(described)
    if method != "head":
        seen.add((method, path, str(status)))
    for name, header in described.get("headers", {}).items():
        header = follow(header)
        assert headers.get(name) or not header.get("required"), f"{method} {path}: {status} without {name}"
        if headers.get(name):
            validate(headers[name], header["schema"])
    content = described.get("content")
    if not content or method == "head":
        assert not body, f"{method} {path}: {status} has a body"
        return
    kind = headers["Content-Type"].split(";")[0]
    assert kind in content, f"{method} {path}: {status} is {kind}"
    text = body.decode("utf-8", "replace")
    validate(json.loads(text) if kind == "application/json" else text, content[kind]["schema"])


def ask(method, path, status, query="", id=None, file=None, auth=True, **headers):
    real = path.replace("{id}", id or "").replace("{file}", file or "") + query
    request = urllib.request.Request(url + real, method=method.upper())
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    if auth:
        request.add_header("Authorization", "Bearer " + token)
    try:
        answer = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as e:
        answer = e
    with answer:
        body = answer.readline() if path == "/events" else answer.read()
        assert answer.status == status, f"{method} {real}: {answer.status}, should be {status}: {body[:200]!r}"
        check(method, path, answer.status, answer.headers, body)
        return answer.headers, body


_, body = ask("get", "/cores", 200)
page = json.loads(body)
plain = [c["id"] for c in page["cores"] if not c["root_only"] and "core" in c]
root = [c["id"] for c in page["cores"] if c["root_only"]]
bare = [c["id"] for c in page["cores"] if not c["root_only"] and "core" not in c]
assert len(plain) >= 2 and root and bare
unknown = "20200101T000000.000000Z-1-0000"

for query in ("?limit=1", "?limit=1&cursor=" + plain[0], "?since=10min&until=@4294967295&signal=SEGV&pid=7&exe=a*&container=b"):
    ask("get", "/cores", 200, query)
for query in ("?limit=0", "?limit=x", "?cursor=x", "?signal=x", "?pid=-1", "?since=x", "?exe=", "?x=1", "?limit"):
    ask("get", "/cores", 400, query)
for path, id in (("/core", None), ("/cores/{id}/core", plain[0]), ("/cores/{id}/core.zst", plain[0])):
    headers, body = ask("get", path, 200, id=id)
    ask("head", path, 200, id=id)
    assert len(body) == int(headers["Content-Length"])
    _, part = ask("get", path, 206, id=id, Range="bytes=3-9")
    assert part == body[3:10]
    ask("get", path, 304, id=id, If_None_Match=headers["ETag"])
    ask("get", path, 200, id=id, Range="bytes=3-9", If_Range='"other"')
    ask("get", path, 206, id=id, Range="bytes=3-9", If_Range=headers["ETag"])
    ask("get", path, 416, id=id, Range="bytes=999999999-")
    ask("get", path, 400, id=id, Range="bytes=9-3")
    if path != "/cores/{id}/core.zst":
        headers, packed = ask("get", path, 200, id=id, Accept_Encoding="zstd")
        assert headers["Content-Encoding"] == "zstd" and packed[:4] == b"\x28\xb5\x2f\xfd"
for path in ("/cores/{id}/core", "/cores/{id}/core.zst"):
    ask("get", path, 403, id=root[0])
    ask("get", path, 404, id=bare[0])
    ask("get", path, 404, id=unknown)
    ask("get", path, 404, id=plain[0], auth=False)
ask("get", "/core", 400, "?wait=x")
ask("get", "/core", 404, "?wait=0", auth=False)
ask("get", "/cores/{id}", 200, id=plain[0])
ask("get", "/cores/{id}", 200, id=root[0])
ask("get", "/cores/{id}", 404, id=unknown)
ask("get", "/cores/{id}", 404, id=plain[0], auth=False)
for file in ("maps", "log"):
    ask("get", "/cores/{id}/{file}", 200, id=plain[0], file=file)
for file in spec["paths"]["/cores/{id}/{file}"]["parameters"][1]["schema"]["enum"]:
    ask("get", "/cores/{id}/{file}", 403, id=root[0], file=file)
    ask("get", "/cores/{id}/{file}", 404, id=unknown, file=file)
ask("get", "/events", 200)
ask("get", "/events", 200, Last_Event_ID=plain[0])
ask("get", "/events", 400, Last_Event_ID="x")
ask("get", "/healthz", 200, auth=False)
ask("head", "/healthz", 200, auth=False)
ask("get", "/metrics", 200)
ask("get", "/metrics", 403, auth=False)
ask("delete", "/cores/{id}", 403, id=plain[1], auth=False)
ask("delete", "/cores/{id}", 202, id=plain[1])
ask("delete", "/cores/{id}", 404, id=plain[1])

described = {
    (method, path, status)
    for path, item in spec["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
    for status in operation["responses"]
}
missing = described - seen - NOT_SEEN
assert not missing, f"described, and not seen: {sorted(missing)}"
print(f"{len(seen)} answers, all as they are described")
