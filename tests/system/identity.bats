#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Who crashed: a pid that is another process's by now, programs that have more rights than their user, handlers that crash
# themselves. What is in doubt is root's alone; and next to each refusal the case that is granted.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	load push
	cf_up
	install -m 0755 "$BUILD/tests/witness-static" "$T/tests/witness"
	receiver_up 127.0.0.1
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	load push
	cf_config
	cf_default_pattern
	forget_crashes
	rm -rf "$T"/received/2*
}

received() { find "$T/received" -mindepth 1 -maxdepth 1 -name '2*' | wc -l; }

# In a pid namespace of its own, where nobody else takes pids: a process ends, and a newcomer of uid 1000 gets its pid. The
# newcomer says where its core is to go. "dumping": it crashes as well, and is held. Then the helper is started, as for the
# process that has gone, with these arguments; PID stands for the pid, OLD and NEW for a descriptor of the one or the other.
replaced() {
	cat >"$T/replaced.py" <<-'END'
		import os, subprocess, sys, time
		helper, witness, core, mode, *arguments = sys.argv[1:]
		old = subprocess.Popen(["sleep", "60"])
		pid, old_fd = old.pid, os.pidfd_open(old.pid)
		old.kill(); old.wait()
		open("/proc/sys/kernel/ns_last_pid", "w").write(str(pid - 1))
		new = subprocess.Popen([witness, "crash"] if mode == "dumping" else ["sleep", "60"], user=1000, group=1000,
		    extra_groups=[], stdout=subprocess.DEVNULL, env={"COREFERRY_URL": "http://127.0.0.1:28043/stolen"})
		assert new.pid == pid, f"{new.pid} is not {pid}"
		new_fd = os.pidfd_open(pid)
		end = time.time() + 5
		want = "CoreDumping:\t%d" % (mode == "dumping")
		while want not in open(f"/proc/{pid}/status").read() and time.time() < end: time.sleep(0.01)
		assert want in open(f"/proc/{pid}/status").read(), "not as it should be"
		words = [a.replace("PID", str(pid)).replace("OLD", str(old_fd)).replace("NEW", str(new_fd)) for a in arguments]
		status = subprocess.run([helper, *words], stdin=open(core), pass_fds=[old_fd, new_fd]).returncode
		print("helper:", status)
		new.kill()
	END
	# Whoever crashes in there is held, and not taken.
	kernel_settings_set core_pattern '|/bin/sleep 5'
	unshare -pf --mount-proc --kill-child python3 "$T/replaced.py" "$T/bin/coreferry-helper" "$T/tests/witness" "$T/someone" "$@" 3>&- 2>&1
	wait_quiet
}

# a_core: of a process that nobody in here should get.
a_core() {
	COREFERRY_URL='' crash "$T/tests/crasher-static" --heap 1
	wait_quiet
	cf dump last --force -o "$T/someone"
	forget_crashes
}

@test "identity: the pid is another process's by now: nothing is delivered to the newcomer" {
	a_core
	# What is granted: the very process that the kernel means.
	replaced dumping -C "$T/conf" -d1 -FNEW PID 1000 1000
	is "delivered: its own" "$(field .delegation.status) $(received)" "done 1"
	rm -rf "$T"/received/2*
	for arguments in '-d1 -FOLD PID 1000 1000' '-d1 -FOLD PID 0 0' '-d1 PID 0 0' '-d2 -FNEW PID 1000 1000' '-d1 PID 1000 0'; do
		forget_crashes
		# shellcheck disable=SC2086
		replaced dumping -C "$T/conf" $arguments
		is "delivered ($arguments)" "$(received)" 0
		[[ $arguments == *OLD* ]] || is "root_only ($arguments)" "$(field .root_only)" true
	done
	for arguments in '-d1 -FOLD PID 1000 1000' '-d1 -FNEW PID 1000 1000' 'PID 1000 1000'; do
		forget_crashes
		# shellcheck disable=SC2086
		replaced sleeping -C "$T/conf" $arguments
		is "delivered ($arguments)" "$(received)" 0
		[[ $arguments == *OLD* ]] || is "root_only ($arguments)" "$(field .root_only)" true
	done
}
