// SPDX-License-Identifier: MIT
/* container-agent/s3-name.c, s3-resume.c, s3-settings.c: what an object is called, what an attempt
 * leaves, and who we are. */
#include "../../container-agent/s3-name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../container-agent/s3-resume.h"
#include "../../container-agent/s3-settings.h"
#include "fd.h"
#include "test.h"

static const struct s3_values plain = { .id = "ID",
					.exe = "/usr/bin/osmo-bsc",
					.container = "bts1",
					.host = "h",
					.suffix = ".core.zst" };

static void expect(const char *url, const char *template, const struct s3_values *values,
		   const char *bucket, const char *key)
{
	cleanup_s3_name struct s3_name name = { NULL, NULL };
	char error[S3_ERROR_SIZE] = "";

	assert_int_equal(s3_name_make(url, template, values, &name, error), key ? 0 : -EINVAL);
	if (key) {
		assert_string_equal(name.bucket, bucket);
		assert_string_equal(name.key, key);
	} else {
		assert_true(*error && !strpbrk(error, "\r\n\x1b"));
	}
}

static void test_name_refused(void **state)
{
	static const char *const urls[] = {
		"s3:",
		"s3://",
		"s3:///key",
		"s3://b",
		"s3://..",
		"s3://a..b/x",
		"s3://a b/x",
		"s3://bucket@host/x",
		"s3://bucket:80/x",
		"s3://bucket/../x",
		"s3://bucket/./x",
		"s3://bucket/a//b",
		"s3://bucket/a\nb",
		"s3://bucket/\xc3\xbc",
		"http://bucket/x",
		"s3://.ab/x",
		"s3://a\r\nb/x",
	};
	static const char *const templates[] = {
		"{id",	   "id}",     "{}",	 "{nothing}",	"{id}/", "/{id}",
		"a//{id}", "../{id}", "a\n{id}", "{suffix}/..", ".",	 "",
	};
	char *longest = calloc(1, 2000);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++)
		expect(urls[i], S3_KEY_DEFAULT, &plain, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(templates); i++)
		expect("s3://bucket", templates[i], &plain, NULL, NULL);
	assert_non_null(longest);
	memset(longest, 'a', 1025);
	expect("s3://bucket", longest, &plain, NULL, NULL);
	longest[1024] = '\0';
	expect("s3://bucket", longest, &plain, "bucket", longest);
	free(longest);
}

/* Of what the victim chose nothing leaves the segment that it stands in. */
static void test_name_values(void **state)
{
	static const struct {
		const char *value, *key;
	} rows[] = {
		{ "..", "%2E./x" },
		{ "../../y", "%2E.%2F..%2Fy/x" },
		{ ".", "%2E/x" },
		{ "", "_/x" },
		{ "a/b", "a%2Fb/x" },
		{ "a\r\nb \xff\x1b", "a%0D%0Ab%20%FF%1B/x" },
		{ "{id}%41", "%7Bid%7D%2541/x" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct s3_values values = { .id = "ID", .container = rows[i].value };

		expect("s3://bucket", "{container}/x", &values, "bucket", rows[i].key);
	}
	expect("s3://bucket", "{exe}/x", &(struct s3_values){ .exe = "/a/.." }, "bucket", "%2E./x");
	expect("s3://bucket", "{host}", &(struct s3_values){ .id = "ID" }, "bucket", "_");
}

static void test_name_good(void **state)
{
	(void)state;
	expect("s3://bucket", S3_KEY_DEFAULT, &plain, "bucket", "ID.core.zst");
	expect("S3://bucket/", S3_KEY_DEFAULT, &plain, "bucket", "ID.core.zst");
	expect("s3://my-cores.x//a/b//", S3_KEY_DEFAULT, &plain, "my-cores.x", "a/b/ID.core.zst");
	expect("s3://bucket/p", "{host}/{container}/{exe}-{id}{suffix}", &plain, "bucket",
	       "p/h/bts1/osmo-bsc-ID.core.zst");
}

static void test_url(void **state)
{
	char bucket[] = "bucket", key[] = "a b/c%2F+:=~.core";
	const struct s3_name name = { bucket, key };
	cleanup_free char *path = s3_url_make("http://h:1//", &name, false);
	cleanup_free char *host = s3_url_make("https://s3.eu.x", &name, true);

	(void)state;
	assert_string_equal(path, "http://h:1/bucket/a%20b/c%252F%2B%3A%3D~.core");
	assert_string_equal(host, "https://bucket.s3.eu.x/a%20b/c%252F%2B%3A%3D~.core");
	static const char *const bad[] = {
		"",	      "h",	    "ftp://h",	  "http://",	"http:///x",
		"http://u@h", "http://h/x", "http://h?x", "http://h#x", "http://h\r\nX",
		"http://:80", "file:///etc"
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(s3_endpoint_is_valid(bad[i]));
	assert_true(s3_endpoint_is_valid("http://127.0.0.1:9000"));
	assert_true(s3_endpoint_is_valid("HTTPS://[::1]:9000/"));
	assert_true(s3_region_is_valid("eu-central-1"));
	assert_false(s3_region_is_valid(""));
	assert_false(s3_region_is_valid("a:b"));
	assert_false(s3_region_is_valid("a/b"));
}

static void test_resume(void **state)
{
	static const char *const bad[] = {
		"",
		"tus:0:http://x",
		"s3/1/5242880/raw/0123456789abcdef/",
		"s3/1/5242880/raw/0123456789abcdef",
		"s3/2/5242880/raw/0123456789abcdef/id",
		"s3/1/5242879/raw/0123456789abcdef/id",
		"s3/1/5368709121/raw/0123456789abcdef/id",
		"s3/1/-1/raw/0123456789abcdef/id",
		"s3/1/5242880/tar/0123456789abcdef/id",
		"s3/1/5242880/raw/0123456789abcdeX/id",
		"s3/1/5242880/raw/0123456789abcdef0/id",
		"s3/1/5242880/raw/0123456789abcdef/i%0Ad",
		"s3/1/5242880/raw/0123456789abcdef/i%zz",
		"s3/1/5242880/raw/0123456789abcdef/i d",
	};
	struct s3_resume resume = { .part_bytes = S3_PART_BYTES, .is_raw = true }, back;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(s3_resume_parse(bad[i], &back), -EINVAL);
	snprintf(resume.upload_id, sizeof(resume.upload_id), "a/b+c&uploads=%%");
	s3_resume_target("http://h/bucket/key", resume.target);
	cleanup_free char *text = s3_resume_format(&resume);
	assert_non_null(text);
	assert_null(strpbrk(text, " \r\n&"));
	assert_int_equal(s3_resume_parse(text, &back), 0);
	assert_string_equal(back.upload_id, resume.upload_id);
	assert_string_equal(back.target, resume.target);
	assert_true(back.is_raw && back.part_bytes == resume.part_bytes);
}

static void test_credentials(void **state)
{
	static const char text[] = "# mine\n"
				   "[default]\n"
				   "aws_access_key_id = A\n"
				   "aws_secret_access_key=S/+=\r\n"
				   "region = eu\n"
				   "[ other ]\n"
				   "aws_access_key_id=B\n"
				   "aws_secret_access_key = T\n"
				   "  aws_session_token = U\n"
				   "[half]\n"
				   "aws_access_key_id=C\n"
				   "[\n"
				   "junk\n";
	cleanup_s3_credentials struct s3_credentials c = { NULL, NULL, NULL };

	(void)state;
	assert_int_equal(s3_credentials_parse("", "default", &c), -ENOENT);
	assert_int_equal(s3_credentials_parse(text, "half", &c), -ENOENT);
	assert_int_equal(s3_credentials_parse(text, "none", &c), -ENOENT);
	assert_int_equal(s3_credentials_parse(text, "default", &c), 0);
	assert_string_equal(c.access_key, "A");
	assert_string_equal(c.secret_key, "S/+=");
	assert_null(c.session_token);
	s3_credentials_release(&c);
	assert_int_equal(s3_credentials_parse(text, "other", &c), 0);
	assert_string_equal(c.secret_key, "T");
	assert_string_equal(c.session_token, "U");
}

static void load(const struct settings *settings, const char *bucket, const char *endpoint,
		 bool is_virtual, const char *access_key)
{
	cleanup_s3_settings struct s3_settings s3 = { 0 };
	char error[S3_ERROR_SIZE] = "";

	assert_int_equal(s3_settings_load(settings, bucket, &s3, error) == 0, endpoint != NULL);
	if (!endpoint) {
		assert_true(*error && !strstr(error, "HIDDEN"));
		return;
	}
	assert_string_equal(s3.endpoint, endpoint);
	assert_int_equal(s3.is_virtual, is_virtual);
	assert_string_equal(s3.credentials.access_key, access_key);
}

static void test_settings(void **state)
{
	char endpoint[] = "http://conf:1", key[] = "CONF", secret[] = "HIDDEN",
	     virtual[] = "virtual";
	char bad_secret[] = "HIDDEN\r\nX: y";
	struct settings s = { .container_is_trusted = true };
	static const char *const names[] = { "AWS_ENDPOINT_URL",  "AWS_ENDPOINT_URL_S3",
					     "AWS_REGION",	  "AWS_DEFAULT_REGION",
					     "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
					     "AWS_SESSION_TOKEN", "AWS_SHARED_CREDENTIALS_FILE",
					     "AWS_PROFILE" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
	load(&s, "b", NULL, false, NULL);
	s.s3_access_key = key;
	load(&s, "b", NULL, false, NULL);
	s.s3_secret_key = bad_secret;
	load(&s, "b", NULL, false, NULL);
	s.s3_secret_key = secret;
	load(&s, "b", "https://s3.us-east-1.amazonaws.com", true, "CONF");
	load(&s, "a.b", "https://s3.us-east-1.amazonaws.com", false, "CONF");
	setenv("AWS_DEFAULT_REGION", "eu-1", 1);
	load(&s, "b", "https://s3.eu-1.amazonaws.com", true, "CONF");
	setenv("AWS_REGION", "a/b", 1);
	load(&s, "b", NULL, false, NULL);
	unsetenv("AWS_REGION");
	s.s3_endpoint = endpoint;
	load(&s, "b", "http://conf:1", false, "CONF");
	s.s3_addressing = virtual;
	load(&s, "b", "http://conf:1", true, "CONF");
	setenv("AWS_ENDPOINT_URL", "http://all", 1);
	load(&s, "b", "http://all", true, "CONF");
	setenv("AWS_ENDPOINT_URL_S3", "http://s3", 1);
	load(&s, "b", "http://s3", true, "CONF");
	setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
	load(&s, "b", "http://s3", true, "CONF"); /* half of a pair is none */
	setenv("AWS_SECRET_ACCESS_KEY", "HIDDEN", 1);
	load(&s, "b", "http://s3", true, "ENV");
	/* Where the host says that the container has no say, that goes for where it is, too. */
	s.container_is_trusted = false;
	load(&s, "b", "https://s3.eu-1.amazonaws.com", true, "ENV");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	s.s3_access_key = NULL;
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent\n", 1);
	load(&s, "b", NULL, false, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_refused), cmocka_unit_test(test_name_values),
		cmocka_unit_test(test_name_good),    cmocka_unit_test(test_url),
		cmocka_unit_test(test_resume),	     cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
