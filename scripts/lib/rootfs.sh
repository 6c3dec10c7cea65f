# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# rootfs.sh: a root file system for test containers, made in a moment and without any image: empty folders and a
# small /etc of its own (writable, so that a test can plant hostile files there). What runs in it comes from the
# host's own /usr, which lxc.sh and docker.sh bind read-only. Input: only from root's own scripts; the container
# may write the result later, so nothing here may follow a path inside it once a container has run. It must never
# copy the host's secrets (shadow, keys, resolv.conf's search domains) into a container.

ROOTFS_UID=1000 # the ordinary user in every test container
ROOTFS_ETC=(ld.so.cache ld.so.conf ld.so.conf.d alternatives protocols services host.conf gai.conf)

# rootfs_make DIR: DIR exists and is empty. Owner and modes as in a real system; user "user" has ROOTFS_UID.
rootfs_make() {
	local dir=$1 name
	mkdir -m 0755 "$dir"/{dev,etc,home,mnt,opt,proc,run,srv,sys,usr,var}
	mkdir -m 0755 "$dir"/var/{cache,lib,log,spool}
	mkdir -m 1777 "$dir"/{tmp,var/tmp}
	mkdir -m 0700 "$dir/root" "$dir/home/user"
	chown "$ROOTFS_UID:$ROOTFS_UID" "$dir/home/user"
	ln -s ../run "$dir/var/run"
	for name in bin sbin lib lib32 lib64 libx32; do
		if [[ -L /$name ]]; then
			cp -P "/$name" "$dir/$name"
		elif [[ -d /$name ]]; then
			mkdir -m 0755 "$dir/$name"
		fi
	done
	for name in "${ROOTFS_ETC[@]}"; do
		[[ ! -e /etc/$name ]] || cp -a "/etc/$name" "$dir/etc/"
	done
	rootfs_users "$dir"
	printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$dir/etc/nsswitch.conf"
	printf '127.0.0.1 localhost\n' >"$dir/etc/hosts"
	: >"$dir/etc/resolv.conf"
}

rootfs_users() {
	cat >"$1/etc/passwd" <<-END
		root:x:0:0:root:/root:/bin/sh
		nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
		user:x:$ROOTFS_UID:$ROOTFS_UID:user:/home/user:/bin/sh
	END
	cat >"$1/etc/group" <<-END
		root:x:0:
		nogroup:x:65534:
		user:x:$ROOTFS_UID:
	END
}

# rootfs_binds: prints the host's directories that a container needs bound read-only at the same place, one per
# line.
rootfs_binds() {
	local name
	printf '/usr\n'
	for name in bin sbin lib lib32 lib64 libx32; do
		[[ -L /$name || ! -d /$name ]] || printf '/%s\n' "$name"
	done
}
