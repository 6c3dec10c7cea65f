// SPDX-License-Identifier: MIT
/* common/container.c: who the engine says it is, not who the container would like to be. */
#include "container.h"

#include "test.h"

#define ID   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define EVIL "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static void test_cgroups(void **state)
{
	static const struct {
		const char *text, *runtime, *id, *name;
	} rows[] = {
		{ "", "", "", "" },
		{ "0::/\n", "", "", "" },
		{ "0::/user.slice/user-1000.slice/session-1.scope\n", "", "", "" },
		{ "no colons\n:\n::\n", "", "", "" },
		{ "0::/docker/../" ID "\n", "oci", ID, "" },
		{ "0::/docker/0123\n", "", "", "" },
		{ "0::/docker/$(reboot)\n", "", "", "" },
		{ "0::/docker/" ID "0\n", "", "", "" },
		{ "0::/docker/" ID "\n", "docker", ID, "" },
		/* what the container makes below its own cgroup does not count */
		{ "0::/docker/" ID "/docker/" EVIL "\n", "docker", ID, "" },
		{ "0::/system.slice/docker-" ID ".scope\n", "docker", ID, "" },
		{ "0::/machine.slice/libpod-" ID ".scope/container\n", "podman", ID, "" },
		{ "0::/libpod_parent/libpod-" ID "\n", "podman", ID, "" },
		{ "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope\n",
		  "containerd", ID, "" },
		{ "0::/kubepods/burstable/pod12-34/" ID "\n", "kubernetes", ID, "" },
		{ "0::/lxc.payload.web 1\n", "lxc", "", "web 1" },
		{ "0::/lxc/web/init.scope\n", "lxc", "", "web" },
		{ "0::/machine.slice/machine-deb.scope\n", "nspawn", "", "deb" },
		/* cgroup v1: only one line may tell */
		{ "9:name=systemd:/\n4:memory:/docker/" ID "\n0::/\n", "docker", ID, "" },
		/* docker in LXC: the id tells more */
		{ "4:memory:/lxc.payload.outer\n0::/docker/" ID "\n", "docker", ID, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct container c;

		container_from_cgroup(rows[i].text, &c);
		assert_string_equal(c.runtime, rows[i].runtime);
		assert_string_equal(c.id, rows[i].id);
		assert_string_equal(c.name, rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cgroups) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
