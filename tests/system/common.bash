# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# common.bash: what the system tests share. A file's setup_file calls cf_up (and lxc or docker functions), its
# teardown_file cf_down. Everything that is changed on the machine is recorded in a session (scripts/lib/session.sh),
# so that it is undone even if the test is killed. The victims are real: programs that crash for real, through the
# kernel's real core_pattern.

BUILD=${COREFERRY_BUILD:-$(realpath "${BATS_TEST_DIRNAME}/../../build")}
TOP=$(realpath "${BATS_TEST_DIRNAME}/../..")

# shellcheck source=scripts/lib/kernel-settings.sh
source "$TOP/scripts/lib/kernel-settings.sh"
# shellcheck source=scripts/lib/lxc.sh
source "$TOP/scripts/lib/lxc.sh"
# shellcheck source=scripts/lib/docker.sh
source "$TOP/scripts/lib/docker.sh"

# cf_up [CONFIG LINE]...: a session, a private installation below $T, and the registration.
cf_up() {
	session_start --no-traps --owner "$$"
	T=$(session_temp_dir /var/lib/cf.XXXXXX 0711)
	export T
	mkdir -m 0755 "$T/bin" "$T/tests"
	install -m 0755 "$BUILD"/coreferry{-helper,-agent,-names,d,} "$T/bin"
	install -m 0755 "$BUILD"/tests/{crasher,crasher-static,reaper} "$T/tests"
	cf_config "$@"
	kernel_settings_save
	cf register --helper "$T/bin/coreferry-helper" --config "$T/conf"
}

cf_down() {
	session_end
}

# cf_config [LINE]...: writes the configuration anew. One attempt is all, unless a line says otherwise.
cf_config() {
	printf '%s\n' "store = $T/store" "agent = $T/bin/coreferry-agent" "names = $T/bin/coreferry-names" \
		"docker_socket = $(cf_docker_socket)" "retry_for = 0" "$@" >"$T/conf"
	chmod 0644 "$T/conf"
}

# The engine of this session, if it has one.
cf_docker_socket() {
	if [[ -r $COREFERRY_SESSION/docker ]]; then docker_socket; else echo /run/docker.sock; fi
}

# cf COMMAND [ARGS]...: the operator's command on our store.
cf() {
	local command=$1
	shift
	"$T/bin/coreferry" "$command" --store "$T/store" "$@"
}

# cf_helper_line [DELEGATE ARGS]...: sets core_pattern to the shortest line that must work.
cf_pattern() {
	kernel_settings_set core_pattern "|$T/bin/coreferry-helper -C $T/conf $*"
}

# The line as "coreferry register" has written it.
cf_default_pattern() {
	cf_pattern '-s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g'
}

# Twice: of one that forks and ends while pgrep goes through its list of processes, it sees neither.
no_helper() { ! pgrep -f "^$T/bin/coreferry-helper" >/dev/null && ! pgrep -f "^$T/bin/coreferry-helper" >/dev/null; }

# wait_quiet: until every helper has ended: all that is to be known stands in the records then.
wait_quiet() {
	wait_until "${1:-60}" no_helper || {
		echo "helpers still run:"
		pgrep -af "^$T/bin/coreferry-helper"
		return 1
	}
}

crash_ids() {
	[[ ! -d $T/store/crashes ]] || find "$T/store/crashes" -mindepth 1 -maxdepth 1 -name '2*' -printf '%f\n' | sort
}

crash_count() { crash_ids | wc -l; }

# newest: the directory of the newest crash.
newest() { printf '%s\n' "$T/store/crashes/$(crash_ids | tail -n 1)"; }

# field EXPRESSION [DIR]: of a record (jq), of the newest if there is no DIR.
field() { jq -r "$1" "${2:-$(newest)}/crash.json"; }

forget_crashes() { rm -rf "$T"/store/crashes/* "$T"/store/crashes/.[!.]*; }

# crash PROGRAM [ARGS]...: on the host; true if it died by a signal and dumped its core (as its parent sees it).
crash() {
	local line
	line=$("$T/tests/reaper" "$@" 2>/dev/null) || true
	echo "# reaper: $line"
	[[ $line == *core=1* || $line == *"core dumped"* ]]
}

# is DESCRIPTION ACTUAL EXPECTED
is() {
	[[ $2 == "$3" ]] && return 0
	printf '%s: is "%s", should be "%s"\n' "$1" "$2" "$3"
	[[ ! -d $T/store/crashes ]] || cat "$(newest)/crash.json" 2>/dev/null || true
	return 1
}

# sha FILE
sha() { sha256sum "$1" | cut -d' ' -f1; }

# check_core [DIR]: the stored core is whole and is what the record says, in each form.
check_core() {
	local dir=${1:-$(newest)}
	is outcome "$(field .outcome "$dir")" stored || return 1
	zstd -qt "$dir/core.zst" || return 1
	is "digest of the stored file" "$(sha "$dir/core.zst")" "$(field .core.sha256 "$dir")" || return 1
	cf dump "$(basename "$dir")" --force -o "$T/core" || return 1
	is "digest of the raw core" "$(sha "$T/core")" "$(field .core.raw_sha256 "$dir")" || return 1
	is "digest by zstd -d" "$(zstd -qdc "$dir/core.zst" | sha256sum | cut -d' ' -f1)" "$(field .core.raw_sha256 "$dir")" || return 1
	is "size" "$(stat -c %s "$T/core")" "$(field .core.size "$dir")"
}

# gdb_threads EXE CORE: how many threads gdb finds, after checking that it names the signal.
gdb_of() {
	gdb -nx -batch -iex 'set debuginfod enabled off' -ex 'info threads' -ex 'thread apply all bt' "$1" "$2" 2>&1
}

# spawn LOG COMMAND...: a daemon of this test's session.
spawn() { session_spawn "$@"; }

# wait_port ADDR PORT
wait_port() { wait_until 10 port_open "$1" "$2"; }
port_open() { (: <"/dev/tcp/$1/$2") 2>/dev/null; }
