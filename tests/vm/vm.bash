# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# vm.bash: a virtual machine with Debian's own kernel, whose memory holds our programs and what they need. It is emulated
# (QEMU without KVM), so nothing that it measures counts. Input: Debian's packages. It writes below the directories that it
# is given, and nothing else.

# vm_kernel DIR: Debian's kernel 6.1 in DIR/vmlinuz. It is not installed, only unpacked.
vm_kernel() {
	local package
	[[ ! -e $1/vmlinuz ]] || return 0
	mkdir -p "$1"
	package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-6\.1[^ ]*\)$/\1/p' | head -n 1)
	[[ $package ]] || { echo 'no kernel 6.1 among the packages: is this Debian 12, and has "apt-get update" run?'; return 1; }
	(cd "$1" && apt-get -q -o APT::Sandbox::User=root download "$package") || return 1
	dpkg-deb --fsys-tarfile "$1/$package"_*.deb | tar -x -C "$1" --wildcards './boot/vmlinuz-*' &&
		mv "$1"/boot/vmlinuz-* "$1/vmlinuz" && rm -rf "${1:?}/boot" "$1"/*.deb
}

# vm_copy ROOT PROGRAM...: with the libraries that each needs.
vm_copy() {
	local root=$1 program file
	shift
	for program in "$@"; do
		program=$(type -P "$program") || return 1
		{ echo "$program" && { ldd "$program" 2>/dev/null || true; } | grep -o '/[^ ]*'; } | while read -r file; do
			[[ -e $root$file ]] || install -D -m 0755 "$file" "$root$file"
		done
	done
}

# vm_root ROOT BUILD TOP: the file system.
vm_root() {
	local root=$1 build=$2 top=$3 name
	mkdir -p "$root"/{proc,sys,dev,tmp,etc,run,usr/bin,usr/sbin,usr/lib,usr/lib64,t}
	ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root"
	install -m 0755 "$(type -P busybox)" "$root/usr/bin/busybox"
	for name in $(busybox --list); do
		[[ $name == busybox ]] || ln -s busybox "$root/usr/bin/$name"
	done
	rm -f "$root"/usr/bin/{unshare,setpriv,pgrep}
	vm_copy "$root" bash pgrep unshare setpriv zstd jq apparmor_parser || return 1
	mkdir -p "$root/etc/apparmor"
	touch "$root/etc/apparmor/parser.conf"
	cp -r /etc/apparmor.d "$root/etc/apparmor.d"
	make -s -C "$top" BUILD="$build" DESTDIR="$root" install || return 1
	for name in "$root"/usr/local/{bin,sbin,lib/coreferry}/coreferry*; do
		{ ldd "$name" 2>/dev/null || true; } | grep -o '/[^ ]*'
	done | sort -u | while read -r name; do
		[[ -e $root$name ]] || install -D -m 0755 "$name" "$root$name"
	done
	install -m 0755 "$build/tests/crasher-static" "$root/usr/local/bin/crasher-static"
	install -m 0755 "$build/tests/rights-static" "$root/usr/local/bin/rights"
	install -m 0755 "$top/tests/vm/init" "$root/init"
	cp "$top/tests/vm/profiles" "$root/profiles"
	secilc -c 33 -o "$root/policy" -f /dev/null "$top/tests/vm/policy.cil"
}

# vm_run KERNEL ROOT LSM SECONDS: boots it; what it says on its console.
vm_run() {
	(cd "$2" && find . | LC_ALL=C cpio -o -H newc --quiet) >"$2.cpio"
	timeout "$4" qemu-system-x86_64 -machine q35 -cpu max -accel tcg,thread=multi -smp 2 -m 1024 -nographic -no-reboot \
		-nic none -kernel "$1" -initrd "$2.cpio" -append 'console=ttyS0 quiet panic=-1 rdinit=/init'" security=$3" \
		</dev/null | tr -d '\r'
}
