// SPDX-License-Identifier: MIT
/* common/handoff.c: who is told what; of the victim's environment only what is meant for it. */
#include "handoff.h"

#include <string.h>

#include "test.h"

static const char environ_text[] =
	"COREFERRY_URL=http://c/\0https_proxy=http://p/\0AWS_ENDPOINT_URL=http://e/\0"
	"AWS_SECRET_ACCESS_KEY=sesame\0LD_PRELOAD=/evil.so\0COREFERRY_ENCODING=identity\0"
	"SSL_CERT_FILE=/ca.pem\0CORE_TRUST_URL=yes\0CORE_RESUME=http://other/\0";

static const char *get(const struct handoff *h, const char *name)
{
	for (size_t i = 0; h->environment[i]; i++)
		if (strncmp(h->environment[i], name, strlen(name)) == 0 &&
		    h->environment[i][strlen(name)] == '=')
			return h->environment[i] + strlen(name) + 1;
	return "";
}

static void make(struct handoff *h, struct handoff_request q, bool trust)
{
	static struct crash crash;
	static char url[] = "s3://bucket/x";
	static struct config config;

	crash_init(&crash);
	strcpy(crash.id, "20261121T023753.123456Z-4166-9f3c");
	config.url = url;
	config.encoding = CONFIG_ENCODING_IDENTITY;
	config.trust_container_url = trust;
	q.crash = &crash;
	q.config = &config;
	q.environ = environ_text;
	q.environ_len = sizeof(environ_text) - 1;
	assert_int_equal(handoff_make(h, &q), 0);
	assert_string_equal(get(h, "CORE_DEFAULT_URL"), "s3://bucket/x");
	assert_string_equal(get(h, "LD_PRELOAD"), "");
}

static void test_agent(void **state)
{
	cleanup_handoff struct handoff h;

	(void)state;
	make(&h, (struct handoff_request){ .is_agent = true, .stored_form = true }, true);
	assert_string_equal(get(&h, "COREFERRY_URL"), "http://c/");
	assert_string_equal(get(&h, "https_proxy"), "http://p/");
	assert_string_equal(get(&h, "AWS_ENDPOINT_URL"), "http://e/");
	assert_string_equal(get(&h, "AWS_SECRET_ACCESS_KEY"), "sesame");
	assert_string_equal(get(&h, "COREFERRY_ENCODING"), "identity");
	assert_string_equal(get(&h, "SSL_CERT_FILE"), "/ca.pem");
	assert_string_equal(get(&h, "CORE_ENCODING"), "zstd");
	assert_string_equal(get(&h, "CORE_DEFAULT_ENCODING"), "identity");
	/* Ours are never taken from there. */
	assert_string_equal(get(&h, "CORE_TRUST_URL"), "");
	assert_string_equal(get(&h, "CORE_RESUME"), "");
	assert_string_equal(get(&h, "CORE_ABANDON"), "");
}

static void test_agent_without_trust(void **state)
{
	cleanup_handoff struct handoff h;

	(void)state;
	make(&h,
	     (struct handoff_request){
		     .is_agent = true, .resume = "http://a/1", .abandon = true, .cwd = "/srv" },
	     false);
	assert_string_equal(get(&h, "COREFERRY_URL"), "");
	assert_string_equal(get(&h, "https_proxy"), "");
	assert_string_equal(get(&h, "AWS_ENDPOINT_URL"), "");
	assert_string_equal(get(&h, "AWS_SECRET_ACCESS_KEY"), "sesame");
	assert_string_equal(get(&h, "CORE_TRUST_URL"), "no");
	assert_string_equal(get(&h, "CORE_RESUME"), "http://a/1");
	assert_string_equal(get(&h, "CORE_ABANDON"), "1");
	assert_string_equal(get(&h, "CORE_CWD"), "/srv");
	assert_string_equal(get(&h, "CORE_ENCODING"), "identity");
}

static void test_delegate(void **state)
{
	cleanup_handoff struct handoff h;

	(void)state;
	make(&h, (struct handoff_request){ .resume = "http://a/1" }, false);
	assert_string_equal(get(&h, "COREFERRY_URL"), "http://c/");
	assert_string_equal(get(&h, "https_proxy"), "http://p/");
	assert_string_equal(get(&h, "AWS_ENDPOINT_URL"), "");
	assert_string_equal(get(&h, "AWS_SECRET_ACCESS_KEY"), "");
	assert_string_equal(get(&h, "COREFERRY_ENCODING"), "");
	assert_string_equal(get(&h, "CORE_DEFAULT_ENCODING"), "");
	assert_string_equal(get(&h, "CORE_TRUST_URL"), "");
	assert_string_equal(get(&h, "CORE_RESUME"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agent),
		cmocka_unit_test(test_agent_without_trust),
		cmocka_unit_test(test_delegate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
