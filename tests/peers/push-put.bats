#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The agent's PUT to nginx (WebDAV), which is not ours: over TLS, HTTP/2, IPv6, a Unix socket, a proxy (tinyproxy). As root the
# agent is started as the helper does it: it enters for a process that stands there in the place of one that crashed, takes that
# one's rights (uid 65534) and is confined by its seccomp filter.
# shellcheck disable=SC2030,SC2031 # each test sets its own status and report

load common
# shellcheck source=tests/peers/peers.bash
source "$TOP/tests/peers/peers.bash"

ID=20261121T023753.123456Z-4166-9f3c

setup_file() {
	((EUID == 0)) || skip "needs root"
	peers_up
	install -m 0755 "$BUILD/tests/enter-agent" "$T/bin"
	core_file "$T/core" 8
	HTTP=$(free_port) TLS=$(free_port) MUTUAL=$(free_port) PROXY=$(free_port)
	export HTTP TLS MUTUAL PROXY
	make_certificates
	start_nginx
	start_proxy
	mkdir -p "$T/etc/coreferry"
	echo "Bearer s3cret and more" >"$T/token"
	chmod 0644 "$T/token" "$T"/*.pem "$T"/*.key
}

teardown_file() { peers_down; }

# sign NAME SUBJECT EXTENSION: a certificate by our authority.
sign() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" -keyout "$T/$1.key" -out "$T/$1.csr"
	openssl x509 -req -in "$T/$1.csr" -CA "$T/ca.pem" -CAkey "$T/ca.key" -days 2 -out "$T/$1.pem" -extfile <(echo "$3")
}

make_certificates() {
	for ca in ca other-ca; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$ca" \
			-keyout "$T/$ca.key" -out "$T/$ca.pem"
	done 2>/dev/null
	sign server /CN=endpoint 'subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost' 2>/dev/null
	sign client /CN=agent 'extendedKeyUsage=clientAuth' 2>/dev/null
}

start_nginx() {
	mkdir -p "$T/nginx/files" "$T/nginx/tmp"
	chown -R nobody "$T/nginx"
	cat >"$T/nginx.conf" <<-END
		daemon off;
		pid $T/nginx/pid;
		error_log $T/nginx/error.log;
		user nobody nogroup;
		events {}
		http {
			log_format all '\$request_method \$uri \$server_protocol \$status \$remote_addr';
			access_log $T/nginx/access.log all;
			client_body_temp_path $T/nginx/tmp;
			client_max_body_size 0;
			server {
				listen 127.0.0.1:$HTTP;
				listen [::1]:$HTTP;
				listen unix:$T/nginx.sock;
				listen 127.0.0.1:$TLS ssl http2;
				listen [::1]:$TLS ssl http2;
				ssl_certificate $T/server.pem;
				ssl_certificate_key $T/server.key;
				root $T/nginx/files;
				location / { dav_methods PUT; create_full_put_path on; }
				location /moved/ { return 307 https://127.0.0.1:$TLS/there/; }
				location /insecure/ { return 307 http://127.0.0.1:$HTTP/there/; }
				location /put-moved/ {
					if (\$request_method = PUT) { return 307 /there\$uri; }
				}
				location /secret/ {
					if (\$http_authorization != "Bearer s3cret and more") { return 401; }
					dav_methods PUT;
					create_full_put_path on;
				}
			}
			server {
				listen 127.0.0.1:$MUTUAL ssl http2;
				ssl_certificate $T/server.pem;
				ssl_certificate_key $T/server.key;
				ssl_client_certificate $T/ca.pem;
				ssl_verify_client on;
				root $T/nginx/files;
				location / { dav_methods PUT; create_full_put_path on; }
			}
		}
	END
	spawn "$T/nginx.log" nginx -c "$T/nginx.conf"
	wait_port 127.0.0.1 "$HTTP"
	chmod 0777 "$T/nginx.sock"
}

start_proxy() {
	cat >"$T/proxy.conf" <<-END
		Port $PROXY
		Listen 127.0.0.1
		Timeout 60
		LogFile "$T/proxy.log"
		LogLevel Connect
		MaxClients 20
		BasicAuth us3r pr0xy
		ConnectPort $TLS
		Allow 127.0.0.1
	END
	spawn "$T/proxy.out" tinyproxy -d -c "$T/proxy.conf"
	wait_port 127.0.0.1 "$PROXY"
}

# victim [LINE OF agent.conf]...: a process that nobody is, with that file; its pid is $VICTIM. MOUNTS are done for it.
victim() {
	rm -f "$T/etc/coreferry/agent.conf" "$T/ready"
	(($# == 0)) || printf '%s\n' "$@" >"$T/etc/coreferry/agent.conf"
	spawn "$T/victim.out" unshare -m sh -c "mount -t overlay overlay -o lowerdir=$T/etc:/etc /etc; ${MOUNTS:-:}
		touch $T/ready; exec setpriv --reuid 65534 --regid 65534 --clear-groups sleep 1000"
	wait_until 10 test -e "$T/ready"
	VICTIM=$SPAWNED_PID
	wait_until 10 is_nobody
}
is_nobody() { grep -q '^Uid:.65534' "/proc/$VICTIM/status"; }

# push_to URL [VARIABLE=VALUE]...: entered and confined; $status, $report, $T/said.
push_to() {
	local url=$1
	shift
	status=0
	: >"$T/nginx/access.log"
	report=$(timeout 60 "$T/bin/enter-agent" "$T/bin/coreferry-agent" "$VICTIM" CORE_ID="$ID" CORE_ENCODING=zstd \
		CORE_SIZE="$(stat -c %s "$T/core.zst")" CORE_SHA256="$(sha "$T/core.zst")" CORE_RAW_SIZE="$(stat -c %s "$T/core")" \
		CORE_RAW_SHA256="$(sha "$T/core")" COREFERRY_URL="$url" "$@" 2>"$T/said" < <(exec cat "$T/core.zst") | tail -n 1
		exit "${PIPESTATUS[0]}") || status=$?
}

# arrives DIR URL [VARIABLE=VALUE]...: whole.
arrives() {
	local dir=$T/nginx/files/$1
	rm -rf "$dir"
	shift
	push_to "$@"
	if [[ $status != 0 ]]; then
		cat "$T/said" "$T/nginx/error.log" "$T/proxy.log"
		return 1
	fi
	is "digest there" "$(sha "$dir/$ID.core.zst")" "$(sha "$T/core.zst")" || return 1
	is "verified" "$(report_field .verified)" size
}

# fails STATUS-PATTERN TEXT URL [VARIABLE=VALUE]...: with nothing to be found there.
fails() {
	local want=$1 text=$2
	shift 2
	rm -rf "$T"/nginx/files/*
	push_to "$@"
	is "files" "$(find "$T/nginx/files" -type f | wc -l)" 0 || return 1
	# shellcheck disable=SC2053 # a pattern
	[[ $status == $want && $report == *"$text"* ]] || { cat "$T/said"; echo "$status: $report"; return 1; }
}

# protocols: of all requests of the last push.
protocols() { awk '{ print $1, $3, $4 }' "$T/nginx/access.log" | tr '\n' ' '; }

@test "push, PUT: IPv4, IPv6, a name with both, a Unix socket; unpacked" {
	victim
	for url in "http://127.0.0.1:$HTTP/a" "http://[::1]:$HTTP/a/" "http://localhost:$HTTP/a" \
		"http+unix://${T//\//%2F}%2Fnginx.sock/a"; do
		arrives a "$url"
		is "requests" "$(protocols)" "OPTIONS HTTP/1.1 405 PUT HTTP/1.1 201 HEAD HTTP/1.1 200 "
		is "url" "$(report_field .url)" "${url%/}/$ID.core.zst"
	done
	push_to "http://127.0.0.1:$HTTP/raw" CORE_DEFAULT_ENCODING=identity
	is "status" "$status" 0
	is "digest there" "$(sha "$T/nginx/files/raw/$ID.core")" "$(sha "$T/core")"
	fails 75 onnect "http+unix://%2Fnowhere%2Fx.sock/a"
}

@test "push, PUT: TLS with an authority that agent.conf or the environment names, or the host lends; HTTP/2" {
	victim "ca_file = $T/ca.pem"
	for url in "https://127.0.0.1:$TLS/t" "https://[::1]:$TLS/t" "https://localhost:$TLS/t"; do
		arrives t "$url"
		is "requests" "$(protocols)" "OPTIONS HTTP/2.0 405 PUT HTTP/2.0 201 HEAD HTTP/2.0 200 "
	done
	push_to "https://127.0.0.1:$TLS/raw" CORE_DEFAULT_ENCODING=identity
	is "digest there" "$(sha "$T/nginx/files/raw/$ID.core")" "$(sha "$T/core")"
	victim "ca_file = $T/other-ca.pem"
	fails 77 certificate "https://127.0.0.1:$TLS/t"
	victim
	fails 77 certificate "https://127.0.0.1:$TLS/t"
	arrives t "https://127.0.0.1:$TLS/t" SSL_CERT_FILE="$T/ca.pem"
	# The container's own; and a FIFO in its place, which nobody waits for.
	MOUNTS="mount --bind $T/ca.pem /etc/ssl/certs/ca-certificates.crt" victim
	arrives t "https://127.0.0.1:$TLS/t"
	mkfifo "$T/fifo"
	MOUNTS="mount --bind $T/fifo /etc/ssl/certs/ca-certificates.crt" victim
	fails 77 certificate "https://127.0.0.1:$TLS/t"
}

@test "push, PUT: the host's certificates for a container without; and for one that has no say" {
	mkdir -p "$T/nothing"
	hide="mount --bind $T/nothing /etc/ssl"
	mv "$T/bin/enter-agent" "$T/bin/enter-agent.real"
	printf '#!/bin/sh\nexec unshare -m sh -c '\''mount --bind %s /etc/ssl/certs/ca-certificates.crt; exec "$@"'\'' - %s "$@"\n' \
		"$T/ca.pem" "$T/bin/enter-agent.real" >"$T/bin/enter-agent"
	chmod 0755 "$T/bin/enter-agent"
	MOUNTS=$hide victim
	arrives t "https://127.0.0.1:$TLS/t"
	# With a say it trusts its own, which is not ours; its agent.conf and proxy are not looked at.
	victim "url = http://127.0.0.1:1/" "ca_file = $T/other-ca.pem" "authorization_file = /dev/zero"
	fails 78 authorization_file "https://127.0.0.1:$TLS/t"
	arrives t "http://127.0.0.1:1/" CORE_TRUST_URL=no CORE_DEFAULT_URL="https://127.0.0.1:$TLS/t" \
		https_proxy=http://127.0.0.1:1 SSL_CERT_FILE="$T/other-ca.pem"
	fails 78 'says that no other counts' "http://127.0.0.1:$HTTP/t" CORE_TRUST_URL=no
	mv "$T/bin/enter-agent.real" "$T/bin/enter-agent"
}

@test "push, PUT: a client's certificate, by HTTP/2" {
	victim "ca_file = $T/ca.pem"
	fails 76 '400' "https://127.0.0.1:$MUTUAL/m"
	victim "ca_file = $T/ca.pem" "client_cert = $T/client.pem" "client_key = $T/client.key"
	arrives m "https://127.0.0.1:$MUTUAL/m"
	is "requests" "$(protocols)" "OPTIONS HTTP/2.0 405 PUT HTTP/2.0 201 HEAD HTTP/2.0 200 "
	cat "$T/client.pem" "$T/client.key" >"$T/both.pem"
	victim "ca_file = $T/ca.pem" "client_cert = $T/both.pem"
	arrives m "https://127.0.0.1:$MUTUAL/m"
	# The key of another, one with a passphrase: nobody is asked for that.
	victim "ca_file = $T/ca.pem" "client_cert = $T/client.pem" "client_key = $T/server.key"
	fails 77 '' "https://127.0.0.1:$MUTUAL/m"
	openssl ec -aes128 -passout pass:x -in "$T/client.key" -out "$T/locked.key" 2>/dev/null
	chmod 0644 "$T/locked.key"
	victim "ca_file = $T/ca.pem" "client_cert = $T/client.pem" "client_key = $T/locked.key"
	fails 77 '' "https://127.0.0.1:$MUTUAL/m"
}

@test "push, PUT: Authorization from a file" {
	victim
	fails 77 401 "http://127.0.0.1:$HTTP/secret/"
	victim "authorization_file = $T/token"
	arrives secret "http://127.0.0.1:$HTTP/secret/"
	[[ $report != *s3cret* ]]
	is "secrets in messages" "$(grep -c s3cret "$T/said")" 0
	# What the crashed process may not read, its agent may not.
	chmod 0600 "$T/token"
	fails 78 'Permission denied' "http://127.0.0.1:$HTTP/secret/"
	chmod 0644 "$T/token"
}

@test "push, PUT: proxies of the environment" {
	victim "ca_file = $T/ca.pem" "authorization_file = $T/token"
	proxy=http://us3r:pr0xy@127.0.0.1:$PROXY
	arrives p "http://127.0.0.1:$HTTP/p" http_proxy="$proxy"
	grep -q "Request (file descriptor [0-9]*): PUT http://127.0.0.1:$HTTP/p/$ID.core.zst" "$T/proxy.log"
	arrives p "https://127.0.0.1:$TLS/p" https_proxy="$proxy"
	grep -q "Request (file descriptor [0-9]*): CONNECT 127.0.0.1:$TLS" "$T/proxy.log"
	count=$(wc -l <"$T/proxy.log")
	arrives p "http://127.0.0.1:$HTTP/p" http_proxy="$proxy" no_proxy=127.0.0.1
	arrives p "http+unix://${T//\//%2F}%2Fnginx.sock/p" http_proxy="$proxy" all_proxy="$proxy"
	is "requests to the proxy" "$(wc -l <"$T/proxy.log")" "$count"
	fails 77 407 "http://127.0.0.1:$HTTP/p" http_proxy="http://127.0.0.1:$PROXY"
	fails 75 onnect "http://127.0.0.1:$HTTP/p" http_proxy=http://127.0.0.1:1
	is "secrets in messages" "$(grep -c pr0xy "$T/said")" 0
}

@test "push, PUT: redirects, before a byte of the core is sent" {
	victim "ca_file = $T/ca.pem"
	arrives there "http://127.0.0.1:$HTTP/moved/"
	# (A server that takes its time to say so gets some of it; then it is the next attempt that goes there.)
	wait_until 20 arrives there/put-moved "http://127.0.0.1:$HTTP/put-moved/"
	is "requests" "$(awk '{ print $1, $4 }' "$T/nginx/access.log" | tr '\n' ' ')" "OPTIONS 405 PUT 307 PUT 201 HEAD 200 "
	fails 76 'leads out of TLS' "https://127.0.0.1:$TLS/insecure/"
}

@test "push: a URL that names a file of the host: with the crashed process's rights, nothing" {
	victim
	before=$(stat -c '%i %s %Y %Z' /etc/shadow)
	for url in file:///etc/shadow file:/etc/shadow file:///proc/self/mem file:///dev/sda; do
		fails '[!0]*' '"error"' "$url"
	done
	is "/etc/shadow" "$(stat -c '%i %s %Y %Z' /etc/shadow)" "$before"
}

@test "push, PUT: memory stays below 16 MiB, whatever the core, packed or not, with TLS" {
	python3 -Sc '
import os, sys
block = os.urandom(1 << 20)
with open(sys.argv[1], "wb") as core:
    for i in range(96):
        core.write(block[i:] + block[:i])' "$T/large"
	zstd -q -1 -f "$T/large" -o "$T/large.zst"
	size=$(stat -c %s "$T/large.zst") raw_size=$(stat -c %s "$T/large")
	# All authorities that Debian knows, besides ours: they take the most.
	cat /etc/ssl/certs/ca-certificates.crt "$T/ca.pem" >"$T/bundle.pem"
	for encoding in zstd identity; do
		python3 "$BATS_TEST_DIRNAME/peak-memory.py" env -i CORE_ID="$ID" CORE_ENCODING=zstd \
			CORE_SIZE="$size" CORE_RAW_SIZE="$raw_size" CORE_DEFAULT_ENCODING="$encoding" \
			SSL_CERT_FILE="$T/bundle.pem" COREFERRY_URL="https://127.0.0.1:$TLS/large" "$T/bin/coreferry-agent" \
			<"$T/large.zst" 2>"$T/said" >"$T/peak"
		echo "$encoding: $(tail -n 1 "$T/peak") KiB"
		(($(tail -n 1 "$T/peak") < 16 << 10))
	done
	is "digest there" "$(sha "$T/nginx/files/large/$ID.core")" "$(sha "$T/large")"
}
