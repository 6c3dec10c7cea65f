# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# hostile-container.bash: a container whose root does what it can: it plants files at every name that is looked up, and
# attacks every process that it sees (tests/programs/burglar.c). And what must be true afterwards: on the host nothing has
# changed, and nothing of the host is in what the container has collected.

# shellcheck source=tests/system/common.bash

# hostile_up: what all tests of the file need. A secret of the host's is in a file, in the helper's configuration, and in
# its environment.
hostile_up() {
	local name
	mkdir -m 0755 "$T/evil"
	mkdir -m 1777 "$T/out"
	for name in burglar witness; do
		install -m 0755 "$BUILD/tests/$name-static" "$T/tests/$name"
	done
	head -c 32 /dev/urandom | sha256sum | cut -d' ' -f1 >"$T/canary"
	chmod 0600 "$T/canary"
	printf '#!/bin/sh\nexport CANARY=%s\nexec %s -C %s "$@"\n' "$(<"$T/canary")" "$T/bin/coreferry-helper" "$T/conf" >"$T/bin/h"
	chmod 0755 "$T/bin/h"
	cat >"$T/evil/evil.c" <<-'END'
		/* What some program loads, or runs, that should not. */
		#include <fcntl.h>
		#include <stdio.h>
		#include <unistd.h>
		__attribute__((constructor)) static void run(void)
		{
			char text[100];
			int fd = open("/out/loaded", O_CREAT | O_WRONLY | O_APPEND, 0666);
			int n = snprintf(text, sizeof(text), "pid %d uid %d\n", getpid(), getuid());
			(void)!write(fd, text, (size_t)n);
			close(fd);
		}
		int main(void) { return 0; }
	END
	gcc -shared -fPIC -o "$T/evil/evil.so" "$T/evil/evil.c"
	gcc -static -o "$T/evil/evil" "$T/evil/evil.c"
	mkdir "$T/evil/gconv"
	printf 'module\t%s//\tINTERNAL\t/evil/evil\t1\nmodule\tINTERNAL\t%s//\t/evil/evil\t1\n' \
		UTF-8 UTF-8 ANSI_X3.4-1968 ANSI_X3.4-1968 ISO-8859-1 ISO-8859-1 >"$T/evil/gconv/gconv-modules"
	iconvconfig -o "$T/evil/gconv/gconv-modules.cache" --nostdlib "$T/evil/gconv"
	hostile_plant_script >"$T/evil/plant.sh"
}

# hostile_config [LINE]...: with the secret.
hostile_config() { cf_config "# $(<"$T/canary")" "$@"; }

# hostile_pattern ARGS...: the wrapper with the secret in its environment.
hostile_pattern() { kernel_settings_set core_pattern "|$T/bin/h $*"; }

# To be run in the container, as its root. Each name is one that a program of ours, or a library of it, looks up on the host
# before it enters (strace), or that such libraries are known to look up in one case or another.
hostile_plant_script() {
	cat <<-END
		put() { mkdir -p "\${2%/*}" && rm -rf "\$2" && cp "\$1" "\$2" && chmod 0755 "\$2"; }
		for d in /lib /lib64 /usr/lib /lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu /usr/local/lib; do
			for l in ld-linux-x86-64.so.2 libc.so.6 libcurl.so.4 libssl.so.3 libcrypto.so.3 libzstd.so.1 libidn2.so.0 \\
				libgcc_s.so.1 libresolv.so.2 libseccomp.so.2 libjansson.so.4 libcap-ng.so.0 libgssapi_krb5.so.2 \\
				libnss_evil.so.2 libnss_files.so.2 libnss_dns.so.2 libnss_compat.so.2 libnss_myhostname.so.2 \\
				libnss_mdns4_minimal.so.2 libnss_resolve.so.2 libnss_systemd.so.2; do
				put /evil/evil.so \$d/\$l
			done
			for l in gconv/UTF-8.so gconv/ISO8859-1.so gconv/evil.so sasl2/libevil.so sasl2/libplain.so \\
				ossl-modules/legacy.so engines-3/evil.so krb5/plugins/preauth/evil.so krb5/plugins/authdata/evil.so \\
				pkcs11/p11-kit-trust.so; do
				put /evil/evil.so \$d/\$l
			done
			put /evil/gconv/gconv-modules \$d/gconv/gconv-modules
			put /evil/gconv/gconv-modules.cache \$d/gconv/gconv-modules.cache
		done
		echo /evil/evil.so >/etc/ld.so.preload
		head -c 1000 /dev/urandom >/etc/ld.so.cache
		printf '%s: evil files dns\n' hosts passwd group services protocols networks >/etc/nsswitch.conf
		mkdir -p /etc/gss/mech.d /etc/ssl /usr/lib/ssl /etc/gnutls /etc/pkcs11/modules /etc/coreferry /usr/lib/locale
		echo 'evil 1.3.6.1.4.1.99999.1 /evil/evil.so <interposer>' >/etc/gss/mech.d/evil.conf
		printf '%s\n' 'openssl_conf = a' '[a]' 'providers = b' 'engines = e' '[b]' 'evil = c' '[c]' 'module = /evil/evil.so' \\
			'activate = 1' '[e]' 'evil = f' '[f]' 'dynamic_path = /evil/evil.so' 'init = 1' >/etc/ssl/openssl.cnf
		cp /etc/ssl/openssl.cnf /usr/lib/ssl/openssl.cnf
		echo 'module: /evil/evil.so' >/etc/pkcs11/modules/evil.module
		printf '[overrides]\ndefault-priority-string = NONE\n' >/etc/gnutls/config
		printf '[libdefaults]\nplugin_base_dir = /evil\n' >/etc/krb5.conf
		for d in / /root/; do
			echo 'proxy = http://192.0.2.1:1' >\${d}.curlrc
			echo 'default login evil password evil' >\${d}.netrc
		done
		printf 'store = /out/stolen\nagent = /evil/evil\nurl = http://192.0.2.1:1/\nfallback_core = yes\n' >/etc/coreferry/coreferry.conf
		for f in $T/bin/coreferry-agent $T/bin/coreferry-helper /usr/local/lib/coreferry/coreferry-agent; do
			put /evil/evil \$f
		done
		mkdir -p $T/store/crashes
		ln -sf /evil/evil.so /usr/lib/locale/locale-archive
		ln -sf /evil/evil.so /etc/localtime
		ln -sf /out /var/lib/coreferry
	END
}

# host_state: what must be the same afterwards. Names, owners, modes, sizes, times and changes of what is root's, the kernel's
# settings, the mount table; and the programs' own bytes.
host_state() {
	find /etc /usr/local /opt /boot /root/.ssh "$T"/* -xdev \( -path "$T/store" -o -path "$T/core" -o -path "$T/out" -o -path "$T/received" \
		-o -path "$T/nginx" -o -path /etc/docker -o -name '*.log' -o -name conf \) -prune -o \
		-printf '%p %u:%g %m %s %T@ %C@\n' 2>/dev/null | LC_ALL=C sort || true # some of them need not be there
	ls -d /tmp/core /tmp/core.* /core /core.* /var/tmp/core.* /var/lib/coreferry 2>/dev/null || true
	kernel_settings_read
	head -n 99 /proc/sys/kernel/{modprobe,hostname,domainname,randomize_va_space,sysrq,pid_max,panic} \
		/proc/sys/net/ipv4/ip_forward /proc/sys/vm/overcommit_memory /sys/kernel/uevent_helper 2>/dev/null || true
	awk '{ print $4, $5, $6 }' /proc/self/mountinfo | LC_ALL=C sort
	sha256sum "$T"/bin/* "$T/canary"
}

host_is() { host_state >"$COREFERRY_SESSION/state"; }
host_is_unchanged() { diff "$COREFERRY_SESSION/state" <(host_state); }

# nothing_leaked: the secret is nowhere in what the container has collected, which is all that it could read. With SYS_PTRACE it
# sees the delegate before it is one: that holds pipes, and a program that cannot be written, and is in the container's
# namespaces (or in one that is below them). Of who makes that one it sees a socket, which leads to a process that believes nobody.
nothing_leaked() {
	run ! grep -raF -e "$(<"$T/canary")" "$T/out"
	run ! grep -E '^(canary|written)' "$T/out/found"
	run ! grep -vE '^fd .* (pipe:.*|socket:.*|/memfd:.*|/dev/null|/tmp/l0)$|^(namespace .* ns/pid)$|^(seen|killed|stopped|traced|mem|getfd|exe) ' "$T/out/found"
}
