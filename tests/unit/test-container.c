// SPDX-License-Identifier: MIT
/* common/container.c: who the engine says it is, not who the container would like to be. */
#include "container.h"

#include <string.h>

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
		{ "0::/machine.slice/machine-a\\x2db.scope\n", "nspawn", "", "a-b" },
		{ "0::/machine-a\\x2fb\\x0a\\x2.scope\n", "nspawn", "", "a\\x2fb\\x0a\\x2" },
		{ "0::/machine.slice/systemd-nspawn@deb.service/payload\n", "nspawn", "", "deb" },
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

#define UID   "01234567-89ab-cdef-0123-456789abcdef"
#define UID_  "01234567_89ab_cdef_0123_456789abcdef"
#define UID32 "0123456789abcdef0123456789abcdef"

static void test_pods(void **state)
{
	static const struct {
		const char *text, *uid;
	} rows[] = {
		{ "0::/kubepods/burstable/pod" UID "/" ID "\n", UID },
		{ "0::/kubepods/pod" UID32 "/" ID "\n", UID32 },
		{ "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_
		  ".slice/cri-containerd-" ID ".scope\n",
		  UID },
		{ "0::/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope/container\n",
		  UID },
		{ "0::/kubepods/poda" UID "/" ID "\n", "" },
		{ "0::/kubepods/" UID "/" ID "\n", "" },
		{ "0::/kubepods/pod../" ID "\n", "" },
		{ "0::/" ID "\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct container c;

		container_from_cgroup(rows[i].text, &c);
		assert_string_equal(c.id, ID);
		assert_string_equal(c.pod_uid, rows[i].uid);
	}
}

static void test_parents(void **state)
{
	static char deep[CONTAINER_PARENT_MAX + 200] = "0::";
	static const struct {
		const char *text, *hierarchy, *parent;
	} rows[] = {
		{ "0::/user.slice\n", "", "" },
		{ "0::/docker/" ID "\n", "", "/docker" },
		{ "0::/lxc.payload.web\n", "", "/" },
		{ "0::/system.slice/docker-" ID ".scope/init.scope\n", "", "/system.slice" },
		{ "0::/user.slice/user-1000.slice/docker-" ID ".scope\n", "",
		  "/user.slice/user-1000.slice" },
		{ "3:name=systemd:/lxc.payload.a\n2:cpu,cpuacct:/docker/" ID "\n", "cpu,cpuacct",
		  "/docker" },
		{ deep, "", "" },
	};
	struct container c;

	(void)state;
	for (size_t i = 0; i <= CONTAINER_PARENT_MAX; i++)
		strcat(deep, i % 2 ? "a" : "/");
	strcat(deep, "/docker-" ID ".scope\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		container_from_cgroup(rows[i].text, &c);
		assert_string_equal(c.hierarchy, rows[i].hierarchy);
		assert_string_equal(c.parent, rows[i].parent);
	}
	assert_string_equal(c.id, ID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_pods),
		cmocka_unit_test(test_parents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
