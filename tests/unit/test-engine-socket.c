// SPDX-License-Identifier: MIT
/* host-helper/helper/engine-socket.c, pod-files.c: only what is root's is asked, or looked at. */
#include "../../host-helper/helper/engine-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../host-helper/helper/pod-files.h"
#include "fd.h"
#include "test.h"

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char dir[] = "/tmp/test-engine.XXXXXX", path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/s", mkdtemp(dir) ? dir : "");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

/* listen(2) is called with the effective ids of then: they are what the kernel tells. */
static int listen_as(uid_t uid)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(path);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(chmod(path, 0660), 0);
	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(seteuid(0), 0);
	return fd;
}

static void assert_refused(const char *why)
{
	char error[ENGINE_ERROR_SIZE] = "", expected[ENGINE_ERROR_SIZE];

	snprintf(expected, sizeof(expected), "%s: %s", path, why);
	assert_true(engine_ask(path, ID, error) < 0);
	assert_string_equal(error, expected);
}

static void test_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_refused("No such file or directory");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused("not a socket");
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_refused("not a socket");
	unlink(path);
	assert_int_equal(symlink("/", path), 0);
	assert_refused("not a socket");

	cleanup_fd int user = listen_as(65534);
	assert_refused("who listens there is not root");
	cleanup_fd int root = listen_as(0);
	assert_int_equal(chown(path, 65534, 0), 0);
	assert_refused("not root's");
	close(fd_steal(&root));
	assert_int_equal(chown(path, 0, 0), 0);
	assert_refused("Connection refused");
}

static void test_question(void **state)
{
	static const char expected[] = "GET /containers/" ID "/json HTTP/1.1\r\nHost: localhost\r\n"
				       "User-Agent: coreferry\r\nConnection: close\r\n\r\n";
	char error[ENGINE_ERROR_SIZE] = "", question[512] = "";

	(void)state;
	if (geteuid() != 0)
		skip();
	cleanup_fd int fd = listen_as(0);
	cleanup_fd int asked = engine_ask(path, ID, error);
	assert_true(asked >= 0);
	/* Nobody takes connections, and the queue is full: it does not wait. */
	cleanup_fd int second = -1;
	for (int i = 0; i < 3; i++)
		second = engine_ask(path, ID, error);
	assert_true(second < 0);
	assert_non_null(strstr(error, "the engine takes no more connections"));

	cleanup_fd int peer = accept(fd, NULL, NULL);
	assert_int_equal(read(peer, question, sizeof(question) - 1), strlen(expected));
	assert_string_equal(question, expected);
}

static void test_log_names(void **state)
{
	static const struct {
		const char *name;
		int r;
	} rows[] = {
		{ "", -EINVAL },
		{ "-" ID ".log", -EINVAL },
		{ "a_b_c-" OTHER ".log", -EINVAL },
		{ "a_b_c-" ID, -EINVAL },
		{ "a_b-" ID ".log", -EINVAL },
		{ "a_b_c_d-" ID ".log", -EINVAL },
		{ "a__c-" ID ".log", -EINVAL },
		{ "a_b_\x1b-" ID ".log", -EINVAL },
		{ "a_b_c.d-e-" ID ".log", 0 },
	};
	struct container_facts facts;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(pod_files_parse_log(rows[i].name, ID, &facts), rows[i].r);
	assert_string_equal(facts.pod, "a");
	assert_string_equal(facts.pod_namespace, "b");
	assert_string_equal(facts.name, "c.d-e");
	container_facts_release(&facts);
}

static void test_logs(void **state)
{
	struct container_facts facts;
	char log[256];

	(void)state;
	if (geteuid() != 0)
		skip();
	snprintf(log, sizeof(log), "%s/web-0_prod_nginx-" ID ".log", dir);
	assert_int_equal(pod_files_find_log("/nonexistent", ID, &facts), -ENOENT);
	assert_int_equal(pod_files_find_log(dir, ID, &facts), -ENOENT);
	assert_int_equal(symlink("/nowhere", log), 0);
	assert_int_equal(pod_files_find_log(dir, ID, &facts), 0);
	assert_string_equal(facts.pod, "web-0");
	container_facts_release(&facts);
	/* A directory in which others can write tells nothing. */
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(pod_files_find_log(dir, ID, &facts), -ENOENT);
	assert_int_equal(chmod(dir, 0700), 0);
	unlink(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_question),
		cmocka_unit_test(test_log_names),
		cmocka_unit_test(test_logs),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
