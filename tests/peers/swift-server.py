#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""OpenStack Swift (Debian's python3-swift) with its S3 interface, whole in one process: a real S3 peer for the tests.

usage: swift-server.py DIR [KEY=VALUE of s3api]...

Listens on free ports of 127.0.0.1 only, keeps everything in DIR (a file system with user xattrs), and writes the port
of its S3 interface to DIR/port once it answers. Access key test:tester, secret key testing, region us-east-1. No
replication, no background daemons: what they would do no test needs.
"""

import eventlet

eventlet.patcher.monkey_patch(all=False, socket=True, select=True, thread=True)
import array
import os
import sys

from eventlet import wsgi
from swift.common import ring, utils
from swift.common.storage_policy import StoragePolicy, StoragePolicyCollection
from swift.common import storage_policy

PROXY = """
[DEFAULT]
swift_dir = {dir}
log_level = ERROR
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 60
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
{s3api}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:slo]
use = egg:swift#slo
"""


class Cache:
    """What memcached would be: tempauth asks for one. Nothing here lives long enough to expire."""

    def __init__(self):
        self.values = {}

    def get(self, key, **_):
        return self.values.get(key)

    def set(self, key, value, **_):
        self.values[key] = value

    def incr(self, key, delta=1, **_):
        self.values[key] = self.values.get(key, 0) + delta
        return self.values[key]

    def delete(self, key, **_):
        self.values.pop(key, None)


def with_cache(app):
    cache = Cache()

    def call(environ, start_response):
        environ["swift.cache"] = cache
        return app(environ, start_response)

    return call


def write_ring(directory, name, port):
    device = {
        "id": 0, "region": 1, "zone": 1, "weight": 1.0, "device": "d",
        "ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port,
    }
    data = ring.RingData([array.array("H", [0] * 256)], [device], 24)
    data.save(os.path.join(directory, name + ".ring.gz"))


def main():
    directory, options = sys.argv[1], sys.argv[2:]
    os.makedirs(os.path.join(directory, "devices", "d"))
    utils.HASH_PATH_SUFFIX = utils.HASH_PATH_PREFIX = b"coreferry"
    utils.SWIFT_CONF_FILE = os.path.join(directory, "swift.conf")
    with open(utils.SWIFT_CONF_FILE, "w") as f:
        f.write("[swift-hash]\nswift_hash_path_suffix = coreferry\n")
    sockets = {name: eventlet.listen(("127.0.0.1", 0), backlog=128) for name in ("account", "container", "object", "proxy")}
    for name in ("account", "container", "object"):
        write_ring(directory, name, sockets[name].getsockname()[1])
    storage_policy._POLICIES = StoragePolicyCollection([StoragePolicy(0, "default", True)])

    # After the name of the configuration is known, for they read it.
    from swift.account import server as account
    from swift.common.wsgi import SwiftHttpProtocol, loadapp
    from swift.container import server as container
    from swift.obj import server as obj

    conf = {
        "devices": os.path.join(directory, "devices"), "swift_dir": directory, "mount_check": "false",
        "disable_fallocate": "true", "log_level": "ERROR",
    }
    apps = {
        "account": account.app_factory(conf), "container": container.app_factory(conf), "object": obj.app_factory(conf),
    }
    proxy_conf = os.path.join(directory, "proxy.conf")
    with open(proxy_conf, "w") as f:
        f.write(PROXY.format(dir=directory, s3api="\n".join(options)))
    apps["proxy"] = with_cache(loadapp(proxy_conf, global_conf={"log_name": "swift"}))
    pool = eventlet.GreenPool(2000)
    for name, app in apps.items():
        eventlet.spawn(wsgi.server, sockets[name], app, log_output=False, protocol=SwiftHttpProtocol, custom_pool=pool)
    with open(os.path.join(directory, "port.new"), "w") as f:
        f.write("%d\n" % sockets["proxy"].getsockname()[1])
    os.rename(os.path.join(directory, "port.new"), os.path.join(directory, "port"))
    eventlet.event.Event().wait()


main()
