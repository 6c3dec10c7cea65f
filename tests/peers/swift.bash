# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# swift.bash: a real S3 endpoint: OpenStack Swift with s3api and tempauth (swift-server.py), on loopback, with a bucket
# "cores"; and what the tests ask it, by curl.

# swift_up [KEY=VALUE]...: SWIFT (its port); the bucket is there. Options of s3api.
swift_up() {
	mkdir "$T/swift"
	chown nobody "$T/swift"
	install -m 0644 "$TOP/tests/peers/swift-server.py" "$T" # where nobody may read it
	spawn "$T/swift.log" setpriv --reuid nobody --regid nogroup --clear-groups /usr/bin/python3 \
		"$T/swift-server.py" "$T/swift/s" "$@"
	wait_until 30 test -e "$T/swift/s/port" || {
		cat "$T/swift.log"
		return 1
	}
	SWIFT=$(<"$T/swift/s/port")
	export SWIFT
	s3_curl /cores -X PUT -f
}

# s3_curl PATH [CURL OPTION]...: a signed request to Swift itself.
s3_curl() {
	local path=$1
	shift
	curl -sS -m 60 --aws-sigv4 aws:amz:us-east-1:s3 -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@" \
		"http://test%3Atester:testing@127.0.0.1:$SWIFT$path"
}

# s3_object KEY: its SHA-256. s3_uploads: how many multipart uploads have been begun and not ended.
s3_object() { s3_curl "/cores/$1" -f | sha256sum | cut -d' ' -f1; }
s3_uploads() { s3_curl '/cores?uploads=' -f | grep -o '<UploadId>' | wc -l; }
