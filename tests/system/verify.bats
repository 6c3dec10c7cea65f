#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The memory taken directly is byte for byte what the kernel writes: with --verify the helper reads the kernel's stream
# as well, and compares. The victims are the zoo (tests/programs/zoo*.c), and real programs, killed at work.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	# shellcheck source=scripts/lib/kernel-memory.sh
	source "$TOP/scripts/lib/kernel-memory.sh"
	cf_up 'push = no'
	for program in "$BUILD"/tests/zoo{,32,32-static}; do
		[[ ! -e $program ]] || install -m 0755 "$program" "$T/tests"
	done
	# What was given must be used: see left_out.
	mkdir "$T/given"
	! grep -qw ospke /proc/cpuinfo || : >"$T/given/pkeys"
	memory_swap_on "$T/swap" 64 && : >"$T/given/swap"
	memory_setting_set /proc/sys/vm/nr_hugepages 6 && : >"$T/given/hugepages"
	memory_setting_set /sys/kernel/mm/ksm/run 1 && : >"$T/given/KSM"
	true
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config 'push = no'
	cf_pattern '--verify -s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g'
	forget_crashes
}

# left_out WHY: a case that this kernel, or this machine, does not give. Said aloud, but no skip: it is no tool that is
# missing. An error if it was given: what the case needs stands in brackets.
left_out() {
	local needs=${1##*(needs }
	needs=${needs%)}
	[[ $1 == zoo:*' left out: '* && ! -e $T/given/$needs ]] || {
		echo "left out though there is $needs: $1"
		return 1
	}
	echo "# $1" >&3
}

# results: a line a crash, "COMM OUTCOME MODE VERIFIED DIRECTORY".
results() {
	local dirs=("$T"/store/crashes/2*)
	jq -r '[.comm, .outcome, .capture.mode, .capture.verified // "-", input_filename] | @tsv' "${dirs[@]/%//crash.json}"
}

# marks PROGRAM CASE...: gdb finds in each core, $T/cores/CASE, what the program says there is.
marks() {
	local program=$1 name commands=(-iex 'set debuginfod enabled off')
	shift
	for name in "$@"; do
		commands+=(-ex "core-file $T/cores/$name"
			-ex "printf \"\\nmark: $name %d\\n\", *zoo_mark.where == zoo_mark.word")
	done
	gdb -nx -batch "${commands[@]}" "$program" >"$T/gdb.out" 2>&1 || true
	is "marks that gdb finds" "$(sed -n 's/^mark: //p' "$T/gdb.out" | sort)" "$(printf '%s 1\n' "$@" | sort)" || {
		tail -n 100 "$T/gdb.out"
		return 1
	}
}

# zoo PROGRAM EXPECTED CASE...: they crash, one after the other; then all records are looked at. EXPECTED is "OUTCOME
# MODE VERIFIED", a pattern.
zoo() {
	local program=$T/tests/$1 expected=$2 name status why crashed=() comm outcome mode verified file marked=()
	shift 2
	forget_crashes
	rm -rf "$T/cores"
	mkdir "$T/cores"
	for name in "$@"; do
		status=0
		(cd "$T/tests" && "$program" "$name" 2>"$T/why" 3>&-) || status=$?
		why=$(grep '^zoo:' "$T/why") || true
		case $status in
		0 | 139 | 135) crashed+=("$name") ;; # 0: its child has crashed
		77) left_out "$why" || return 1 ;;
		*) echo "zoo $name: status $status: $why" && return 1 ;;
		esac
	done
	wait_quiet
	is crashes "$(results | cut -f1 | sort | xargs)" "$(printf '%s\n' "${crashed[@]}" | sort | xargs)" || return 1
	while IFS=$'\t' read -r comm outcome mode verified file; do
		# shellcheck disable=SC2053 # a pattern
		[[ "$outcome $mode $verified" == $expected ]] || is "$comm" "$outcome $mode $verified" "$expected" || return 1
		"$program" --list | grep -q "^$comm marked " || continue
		cf dump "$(basename "$(dirname "$file")")" -o "$T/cores/$comm" >"$T/dump.out" 2>&1 || return 1
		marked+=("$comm")
	done < <(results)
	marks "$program" "${marked[@]}" || return 1
	rm -rf "$T/cores"
}

# cases BEGIN END: names of the zoo's cases, from one to another.
cases() { "$BUILD/tests/zoo" --list | cut -d' ' -f1 | sed -n "/^$1\$/,/^$2\$/p"; }

# verified COMMAND...: a crash of any program.
verified() {
	forget_crashes
	crash "$@"
	wait_quiet
	is_verified
}

is_verified() {
	is mode "$(field .capture.mode)" memory || return 1
	is verified "$(field .capture.verified)" same || return 1
	check_core || return 1
	is "nothing of the spool is left" "$(find "$(newest)" -name core -o -name '.core*' | wc -l)" 0
}

# at_work SIGNAL READY COMMAND...: kills a program once its output holds READY.
at_work() {
	local signal=$1 ready=$2
	shift 2
	forget_crashes
	: >"$T/work.log"
	spawn "$T/work.log" "$@"
	wait_until 30 grep -q "$ready" "$T/work.log" || {
		cat "$T/work.log"
		return 1
	}
	killed "$signal" "$SPAWNED_PID"
}

a_crash_is_there() { [[ -n $(crash_ids) ]]; }

# killed SIGNAL PID
killed() {
	kill -s "$1" "$2"
	wait_until 30 a_crash_is_there || return 1
	wait_quiet
	is count "$(crash_count)" 1 || return 1
	is signal "$(field .signal_name)" "SIG$1" || return 1
	is pid "$(field .pid)" "$2" || return 1
	is_verified
}

@test "verify: processes: threads, a dead leader, forks, shared memory maps, a tracer" {
	mapfile -t names < <(cases threads-64 memfd-exe)
	((${#names[@]} >= 8))
	zoo zoo 'stored memory same' "${names[@]}"
}

@test "verify: memory: untouched, protected, advised, of files, cut, at the ends of the address space" {
	mapfile -t names < <(cases untouched locked)
	((${#names[@]} >= 25))
	zoo zoo 'stored memory same' "${names[@]}"
}

@test "verify: memory: swapped, merged, huge, guarded, secret, of userfaultfd and io_uring" {
	mapfile -t names < <(cases swapped fuse)
	((${#names[@]} >= 18))
	zoo zoo 'stored memory same' "${names[@]}"
}

# What the crashed thread's protection keys close to it the kernel writes as zeros, and, where the processor has such
# keys, code that may be run but not read as well. /proc/PID/mem gives what is there.
@test "verify: protection keys: more than the kernel writes" {
	if grep -qw ospke /proc/cpuinfo; then
		zoo zoo 'stored memory differs*' exec-only pkey
	else
		zoo zoo 'stored memory same' exec-only
		left_out "$("$T/tests/zoo" pkey 2>&1)"
	fi
}

@test "verify: a difference is found, and where it is" {
	"$T/tests/zoo" shared-writer 3>&- || true
	wait_quiet
	is mode "$(field .capture.mode)" memory
	[[ $(field .capture.verified) =~ ^differs\ from\ the\ kernel\'s\ stream\ at\ byte\ ([0-9]+)$ ]]
	at=${BASH_REMATCH[1]}
	cf dump "$(basename "$(newest)")" --force -o "$T/core"
	# In the memory of 1 MiB that another process writes to.
	readelf -lW "$T/core" | awk '$1 == "LOAD" && $5 == "0x100000" { print $2 }' >"$T/segments"
	found=
	while read -r offset; do
		((at < offset || at >= offset + 0x100000)) || found=1
	done <"$T/segments"
	is "at $at" "$found" 1
}

@test "verify: 32 bits" {
	[[ -e $T/tests/zoo32 ]] || skip "there is no zoo of 32 bits: scripts/install-deps check, then make"
	for program in zoo32 zoo32-static; do
		zoo "$program" 'stored memory same' threads-64 leader-exited fork-child untouched prot-none private-file-7f \
			truncated low-and-high mremap
	done
}

@test "verify: what does not fit the spool is compressed on the way in, and the same" {
	cf_config 'push = no' 'spool_max = 1M'
	verified "$T/tests/crasher" --heap 30
	verified "$T/tests/crasher" --heap 30 --map 1200 --threads 80
	verified "$T/tests/crasher" --heap 70 --random --threads 3 --crash leader-exited
}

@test "verify: users, threads, large and sparse heaps" {
	verified "$T/tests/crasher-static"
	verified "$T/tests/crasher" --heap 40 --random --setuid 1000 --setgid 1000
	verified "$T/tests/crasher" --heap 3 --map 500
	verified "$T/tests/crasher" --threads 200 --crash thread
	verified "$T/tests/crasher" --threads 3 --crash leader-exited
}

@test "verify: python3 and perl, killed at work" {
	for signal in SEGV ABRT; do
		at_work "$signal" ready /usr/bin/python3 -c "$(
			cat <<-'END'
				import mmap, os, re, threading, zlib
				shared = mmap.mmap(-1, 1 << 20)
				def work():
				    while True: zlib.compress(os.urandom(1 << 16) * 4)
				for i in range(4): threading.Thread(target=work).start()
				words = {str(i): [i] * 5 for i in range(100000)}
				print('ready', flush=True)
				while True: re.sub('1+', lambda m: m.group() * 2, ' '.join(words))
			END
		)"
		# shellcheck disable=SC2016 # perl's variables
		at_work "$signal" ready perl -e '$| = 1; my %h = map { $_ => "x" x ($_ % 500) } 1 .. 50000; print "ready\n";
			for (;;) { my @s = sort { $h{$a} cmp $h{$b} } keys %h; delete $h{$s[0]}; $h{rand()} = "new" }'
	done
}

# It catches the other signals itself.
@test "verify: gdb, killed while it debugs" {
	at_work SYS ready gdb -nx -q -batch -iex 'set debuginfod enabled off' -ex 'break main' -ex run -ex 'echo ready\n' \
		-ex 'python while True: gdb.execute("info functions m", to_string=True)' "$T/tests/crasher"
	run gdb_of "$(command -v gdb)" "$T/core"
	[[ $output == *"terminated with signal SIGSYS"* ]]
}

@test "verify: nginx's worker, killed while it serves" {
	mkdir -p "$T/nginx" && chmod 0755 "$T/nginx"
	head -c 3000000 /dev/urandom >"$T/nginx/file" && chmod 0644 "$T/nginx/file"
	cat >"$T/nginx/conf" <<-END
		worker_processes 1;
		daemon off;
		pid $T/nginx/pid;
		error_log $T/nginx/error.log notice;
		events {}
		http {
			access_log off;
			limit_req_zone \$binary_remote_addr zone=z:5m rate=1000r/s;
			server { listen 127.0.0.1:18943; root $T/nginx; limit_req zone=z burst=1000; }
		}
	END
	spawn "$T/work.log" nginx -c "$T/nginx/conf" -p "$T/nginx" -e "$T/nginx/error.log"
	wait_port 127.0.0.1 18943
	for ((i = 0; i < 5; i++)); do
		curl -sSf -o "$T/got" "http://127.0.0.1:18943/file"
	done
	worker=$(pgrep -P "$SPAWNED_PID")
	killed SEGV "$worker"
	is comm "$(field .comm)" nginx
	kill -QUIT "$SPAWNED_PID"
}

@test "verify: node, killed at work, where there is one" {
	command -v node >/dev/null || {
		echo "# zoo: node: left out: it is not installed, and tests do not install it" >&3
		return 0
	}
	at_work SEGV ready node -e 'const m = new Map();
		for (let i = 0; i < 1e5; i++) m.set("k" + i, { i, s: "x".repeat(i % 99) });
		console.log("ready"); for (;;) [...m.keys()].sort().reverse()'
}

# postgres_bin: the folder of PostgreSQL's programs, or fails.
postgres_bin() {
	local dirs=(/usr/lib/postgresql/*/bin)
	[[ -x ${dirs[-1]}/initdb ]] && printf '%s\n' "${dirs[-1]}"
}

# A single-user backend: in others' shared memory somebody may write between the two readings.
@test "verify: postgres, killed in a query, where there is one" {
	bin=$(postgres_bin) || {
		echo "# zoo: postgres: left out: it is not installed, and tests do not install it" >&3
		return 0
	}
	mkdir -p "$T/pg" && chown 1000:1000 "$T/pg"
	setpriv --reuid 1000 --regid 1000 --clear-groups "$bin/initdb" -N -A trust -U test -D "$T/pg/data" \
		>"$T/initdb.out" 2>&1
	printf '%s\n' 'select 1 as ready' 'select count(*), sum(random()) from generate_series(1, 1000000000)' >"$T/pg/query"
	at_work SEGV ready setpriv --reuid 1000 --regid 1000 --clear-groups sh -c \
		"exec '$bin/postgres' --single -D '$T/pg/data' postgres <'$T/pg/query'"
}
