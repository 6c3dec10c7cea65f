# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# push.bash: where the tests' containers push to: coreferryd --receive on the host, and nginx (WebDAV PUT), which is
# nobody's of ours. Both listen on an address that the container reaches.

# receiver_up ADDR: coreferryd --receive on ADDR:28043, files in $T/received.
receiver_up() {
	mkdir -p "$T/received"
	chown 61190:61190 "$T/received"
	spawn "$T/receiver.log" "$T/bin/coreferryd" --receive "$T/received" --listen "$1:28043" --user 61190:61190
	wait_port "$1" 28043
}

# nginx_up ADDR: nginx on ADDR:28080, and with TLS on 28443 (its CA: $T/ca.pem), files in $T/nginx/files.
nginx_up() {
	mkdir -p "$T/nginx/files" "$T/nginx/tmp"
	chown -R nobody "$T/nginx"
	openssl req -x509 -newkey ed25519 -nodes -days 2 -subj '/CN=coreferry test CA' -keyout "$T/ca.key" -out "$T/ca.pem" 2>/dev/null
	openssl req -newkey ed25519 -nodes -subj '/CN=endpoint' -keyout "$T/tls.key" -out "$T/tls.csr" 2>/dev/null
	openssl x509 -req -in "$T/tls.csr" -CA "$T/ca.pem" -CAkey "$T/ca.key" -days 2 -out "$T/tls.pem" \
		-extfile <(echo "subjectAltName=IP:$1") 2>/dev/null
	cat >"$T/nginx.conf" <<-END
		daemon off;
		pid $T/nginx/pid;
		error_log $T/nginx/error.log;
		user nobody nogroup;
		events {}
		http {
			access_log $T/nginx/access.log;
			client_body_temp_path $T/nginx/tmp;
			client_max_body_size 0;
			server {
				listen $1:28080;
				listen $1:28443 ssl;
				ssl_certificate $T/tls.pem;
				ssl_certificate_key $T/tls.key;
				root $T/nginx/files;
				location /denied/ { deny all; }
				location / { dav_methods PUT; create_full_put_path on; }
			}
		}
	END
	spawn "$T/nginx.log" nginx -c "$T/nginx.conf"
	wait_port "$1" 28080
}

# check_received [DIR]: the newest crash arrived at the receiver, whole.
check_received() {
	local dir=${1:-$(newest)} id
	id=$(basename "$dir")
	is delegation "$(field .delegation.status "$dir")" "done" || return 1
	is "digest at the receiver" "$(sha "$T/received/$id/core")" "$(field .core.raw_sha256 "$dir")" || return 1
	is "exe at the receiver" "$(jq -r .exe "$T/received/$id/crash.json")" "$(field .exe "$dir")" || return 1
	is "whose file" "$(stat -c %u "$T/received/$id/core")" 61190
}
