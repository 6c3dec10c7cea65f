// SPDX-License-Identifier: MIT
/* common/config.c: errors name the file, the line and the key; files that others can write are
 * refused. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "test.h"

static int parse(struct config *config, const char *text, char error[CONFIG_ERROR_SIZE])
{
	cleanup_free char *copy = strdup(text);

	error[0] = '\0';
	return config_parse(config, "f.conf", copy, error);
}

static void test_errors(void **state)
{
	static const struct {
		const char *text;
		int r;
		const char *error; /* its beginning */
	} rows[] = {
		{ "sotre = /x", -ENOKEY, "f.conf:1: sotre: unknown key" },
		{ "\n# c\nfoo\n", -EINVAL, "f.conf:3: foo: wants \"key = value\"" },
		{ "store = x", -EINVAL, "f.conf:1: store: wants an absolute path" },
		{ "push = maybe", -EINVAL, "f.conf:1: push: wants yes or no" },
		{ "hold = sometimes", -EINVAL, "f.conf:1: hold: wants init, always or never" },
		{ "hold_max = 10 minutes", -EINVAL, "f.conf:1: hold_max: wants a time" },
		{ "max_use = -1", -EINVAL, "f.conf:1: max_use: wants a size such as 100M" },
		{ "max_use = 101%", -EINVAL, "f.conf:1: max_use: wants a size" },
		{ "max_use = %", -EINVAL, "f.conf:1: max_use: wants a size" },
		{ "max_use = 10 %", -EINVAL, "f.conf:1: max_use: wants a size" },
		{ "max_use = 0x1%", -EINVAL, "f.conf:1: max_use: wants a size" },
		{ "keep_free = 000000000000005%", -EINVAL, "f.conf:1: keep_free: wants a size" },
		{ "keep_free = 1G%", -EINVAL, "f.conf:1: keep_free: wants a size" },
		{ "max_records = 4294967296", -EINVAL, "f.conf:1: max_records: wants a number" },
		{ "max_records = 10K", -EINVAL, "f.conf:1: max_records: wants a number" },
		{ "max_core = lots", -EINVAL, "f.conf:1: max_core: wants a size" },
		{ "slots = 257", -EINVAL, "f.conf:1: slots: wants a number of at most 256" },
		{ "rate_per_container = 20", -EINVAL, "f.conf:1: rate_per_container: wants" },
		{ "rate_per_container = 20/", -EINVAL, "f.conf:1: rate_per_container: wants" },
		{ "rate_per_container = /1s", -EINVAL, "f.conf:1: rate_per_container: wants" },
		{ "rate_per_container = 0/1s", -EINVAL, "f.conf:1: rate_per_container: wants" },
		{ "rate_per_container = 20/0s", -EINVAL, "f.conf:1: rate_per_container: wants" },
		{ "rate_per_container = 20/min", -EINVAL, "f.conf:1: rate_per_container: wants" },
		{ "rate_per_container = 20/1min/2", -EINVAL, "f.conf:1: rate_per_container: " },
		{ "rate_per_signature = 4294967296/1s", -EINVAL, "f.conf:1: rate_per_signature:" },
		{ "rate_per_signature = 00000000000001/1s", -EINVAL, "f.conf:1: rate_per_sig" },
		{ "rate_per_signature = 1/8761h", -EINVAL, "f.conf:1: rate_per_signature: wants" },
		{ "url = ftp://a/", -EINVAL, "f.conf:1: url: wants a URL without" },
		{ "url = http://", -EINVAL, "f.conf:1: url: wants a URL" },
		{ "url = https:///x", -EINVAL, "f.conf:1: url: wants a URL" },
		{ "url = s3:///prefix", -EINVAL, "f.conf:1: url: wants a URL" },
		{ "url = file:", -EINVAL, "f.conf:1: url: wants a URL" },
		{ "url = http://a/ b", -EINVAL, "f.conf:1: url: wants a URL" },
		{ "url = http://\xc3\xbc/", -EINVAL, "f.conf:1: url: wants a URL" },
		{ "url =", -EINVAL, "f.conf:1: url: wants a URL" },
		{ "encoding = gzip", -EINVAL, "f.conf:1: encoding: wants zstd or identity" },
		{ "trust_container_url = 2", -EINVAL, "f.conf:1: trust_container_url: wants yes" },
		{ "retry_for = ever", -EINVAL, "f.conf:1: retry_for: wants a time" },
		{ "honour_rlimit = perhaps", -EINVAL, "f.conf:1: honour_rlimit: wants yes or no" },
		{ "\x1b]0;x\x07 = 1", -ENOKEY, "f.conf:1: \\x1b]0;x\\x07: unknown key" },
		{ "= 1", -ENOKEY, "f.conf:1: : unknown key" },
		{ "a = 1\nb = 2", -ENOKEY, "f.conf:1: a:" }, /* the first one is told */
		{ "[", -EINVAL, "f.conf:1: [: wants [container PATTERN], [image" },
		{ "[]", -EINVAL, "f.conf:1: []: wants [container" },
		{ "[image]", -EINVAL, "f.conf:1: [image]: wants [container" },
		{ "[image ]", -EINVAL, "f.conf:1: [image ]: wants [container" },
		{ "[image x", -EINVAL, "f.conf:1: [image x: wants [container" },
		{ "[images x]", -EINVAL, "f.conf:1: [images x]: wants [container" },
		{ "[label =x]", -EINVAL, "f.conf:1: [label =x]: wants [container" },
		{ "[image x]\nstore = /y", -EINVAL, "f.conf:2: store: counts for the whole host" },
		{ "[image x]\noff = maybe", -EINVAL, "f.conf:2: off: wants yes or no" },
		{ "[image x]\nfoo = 1", -ENOKEY, "f.conf:2: foo: unknown key" },
		/* what stands in a section that nobody understands counts for nobody */
		{ "[imag x]\nstore = /y\nfoo = 1", -EINVAL, "f.conf:1: [imag x]: wants" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_config struct config config;
		char error[CONFIG_ERROR_SIZE];

		assert_int_equal(config_init(&config), 0);
		assert_int_equal(parse(&config, rows[i].text, error), rows[i].r);
		error[strlen(rows[i].error)] = '\0';
		assert_string_equal(error, rows[i].error);
		assert_string_equal(config.store, PATH_STORE);
	}
}

static void test_values(void **state)
{
	cleanup_config struct config config;
	char error[CONFIG_ERROR_SIZE];

	(void)state;
	assert_int_equal(config_init(&config), 0);
	assert_int_equal(
		parse(&config,
		      "\t store=/a b \r\nurl = http://10.0.3.1:8080/x?y=#z\nfallback_core = yes\n"
		      "push = no\nhold = never\nhold_max = 250ms\npush_timeout=2min\n"
		      "pull_match = a* b? [c]\npull_window = 5\nlisten = 127.0.0.1:1\n",
		      error),
		0);
	assert_string_equal(config.store, "/a b");
	assert_string_equal(config.url, "http://10.0.3.1:8080/x?y=#z");
	assert_true(config.fallback_core);
	assert_false(config.push);
	assert_int_equal(config.hold, CONFIG_HOLD_NEVER);
	assert_int_equal(config.hold_max_ms, 250);
	assert_int_equal(config.push_timeout_ms, 120000);
	assert_string_equal(config.pull_match[2], "[c]");
	assert_null(config.pull_match[3]);
	assert_int_equal(config.pull_window_ms, 5000);
	assert_string_equal(config.listen, "127.0.0.1:1");
}

static void test_limits_by_default(void **state)
{
	cleanup_config struct config config;

	(void)state;
	assert_int_equal(config_init(&config), 0);
	assert_int_equal(config.max_use.percent, 20);
	assert_int_equal(config.keep_free.percent, 5);
	assert_int_equal(config.max_records, 10000);
	assert_int_equal(config.max_core, 0);
	assert_int_equal(config.max_per_container, 0);
	assert_int_equal(config.max_per_signature, 0);
	assert_int_equal(config.rate_per_container.count, 0);
	assert_int_equal(config.rate_per_signature.count, 0);
	assert_null(config.exclude_exe[0]);
	assert_null(config.exclude_container[0]);
	assert_false(config.honour_rlimit);
	assert_int_equal(config.slots, 0);
	assert_int_equal(config.digest_max, 16ULL << 30);
}

static void test_limits(void **state)
{
	cleanup_config struct config config;
	char error[CONFIG_ERROR_SIZE];

	(void)state;
	assert_int_equal(config_init(&config), 0);
	assert_int_equal(
		parse(&config,
		      "max_use = 3G\nkeep_free = 100%\nmax_records = 4294967295\nmax_core = 1T\n"
		      "max_per_container = 5\nmax_per_signature = 3\n"
		      "rate_per_container = 20/1min\nrate_per_signature = 4294967295/8760h\n"
		      "exclude_exe = firefox /opt/*/bin/x\nexclude_container = docker:* lxc:db?\n"
		      "honour_rlimit = yes\nslots = 256\ndigest_max = 0\n",
		      error),
		0);
	assert_int_equal(config.max_use.bytes, 3ULL << 30);
	assert_int_equal(config.max_use.percent, 0);
	assert_int_equal(config.keep_free.percent, 100);
	assert_int_equal(config.keep_free.bytes, 0);
	assert_int_equal(config.max_records, UINT32_MAX);
	assert_int_equal(config.max_core, 1ULL << 40);
	assert_int_equal(config.max_per_container, 5);
	assert_int_equal(config.max_per_signature, 3);
	assert_int_equal(config.rate_per_container.count, 20);
	assert_int_equal(config.rate_per_container.window_ms, 60000);
	assert_int_equal(config.rate_per_signature.count, UINT32_MAX);
	assert_int_equal(config.rate_per_signature.window_ms, 8760ULL * 3600 * 1000);
	assert_string_equal(config.exclude_exe[1], "/opt/*/bin/x");
	assert_null(config.exclude_exe[2]);
	assert_string_equal(config.exclude_container[0], "docker:*");
	assert_true(config.honour_rlimit);
	assert_int_equal(config.slots, 256);
	assert_int_equal(config.digest_max, 0);

	assert_int_equal(parse(&config,
			       "rate_per_container = none\nrate_per_signature = 0\n"
			       "exclude_exe =\nmax_use = 7%\nkeep_free = 0\n",
			       error),
			 0);
	assert_int_equal(config.rate_per_container.count, 0);
	assert_int_equal(config.rate_per_container.window_ms, 0);
	assert_int_equal(config.rate_per_signature.count, 0);
	assert_null(config.exclude_exe[0]);
	assert_int_equal(config.max_use.bytes, 0);
	assert_int_equal(config.keep_free.percent, 0);
}

static void test_sections(void **state)
{
	cleanup_config struct config config;
	char error[CONFIG_ERROR_SIZE];

	(void)state;
	assert_int_equal(config_init(&config), 0);
	assert_int_equal(
		parse(&config,
		      "url = http://a\n[container  web-[0-9] ]\nurl = http://b\npush = no\n"
		      "\n[label team=a=*]\noff = yes\n[ label x ]\n[image *:latest]\n"
		      "max_core = 1M\nmax_core = 2M\n",
		      error),
		0);
	assert_string_equal(config.url, "http://a");
	assert_true(config.push);
	assert_false(config.off);

	assert_int_equal(config.rules[0]->kind, CONFIG_RULE_CONTAINER);
	assert_string_equal(config.rules[0]->pattern, "web-[0-9]");
	assert_null(config.rules[0]->label);
	assert_int_equal(config.rules[0]->keys, config_key_bit("url") | config_key_bit("push"));
	assert_string_equal(config.rules[1]->label, "team");
	assert_string_equal(config.rules[1]->pattern, "a=*");
	assert_string_equal(config.rules[2]->label, "x");
	assert_string_equal(config.rules[2]->pattern, "*");
	assert_int_equal(config.rules[2]->keys, 0);
	assert_int_equal(config.rules[3]->kind, CONFIG_RULE_IMAGE);
	assert_null(config.rules[4]);

	struct config effective = config;
	config_apply_rule(&effective, config.rules[0]);
	config_apply_rule(&effective, config.rules[3]);
	assert_string_equal(effective.url, "http://b");
	assert_false(effective.push);
	assert_int_equal(effective.max_core, 2U << 20);
	assert_int_equal(effective.hold_max_ms, config.hold_max_ms);
	assert_string_equal(effective.store, config.store);
	assert_int_equal(config_key_bit("pusch"), 0);
}

static void test_too_many_sections(void **state)
{
	cleanup_config struct config config;
	char error[CONFIG_ERROR_SIZE], text[(CONFIG_RULES_MAX + 1) * 16] = "";

	(void)state;
	for (int i = 0; i < CONFIG_RULES_MAX; i++)
		strcat(text, "[image x]\n");
	assert_int_equal(config_init(&config), 0);
	assert_int_equal(parse(&config, text, error), 0);
	assert_int_equal(parse(&config, "[image x]\nstore = /y", error), -E2BIG);
	assert_string_equal(config.store, PATH_STORE);
}

static void test_share_bytes(void **state)
{
	static const struct {
		struct config_share share;
		uint64_t fs_bytes, bytes;
	} rows[] = {
		{ { 0, 0 }, 1000, 0 },
		{ { 4096, 0 }, 1000, 4096 },
		{ { 0, 20 }, 1000, 200 },
		{ { 0, 20 }, 1003, 200 },
		{ { 0, 20 }, 1005, 201 },
		{ { 0, 1 }, 50, 1 }, /* 0 would be "no limit" */
		{ { 0, 100 }, UINT64_MAX, UINT64_MAX },
		{ { 0, 50 }, UINT64_MAX, UINT64_MAX / 2 },
		{ { 0, 20 }, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(config_share_bytes(&rows[i].share, rows[i].fs_bytes),
				 rows[i].bytes);
}

static void test_too_many_patterns(void **state)
{
	cleanup_config struct config config;
	char error[CONFIG_ERROR_SIZE], text[256] = "pull_match =";

	(void)state;
	for (int i = 0; i < CONFIG_PATTERN_MAX + 1; i++)
		strcat(text, " x");
	assert_int_equal(config_init(&config), 0);
	assert_int_equal(parse(&config, text, error), -EINVAL);
	assert_string_equal(config.pull_match[0], "osmo-*");
}

static void write_file(const char *path, const char *text, size_t len, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
	chmod(path, mode);
}

static int load(const char *path, bool must_exist, char error[CONFIG_ERROR_SIZE])
{
	cleanup_config struct config config;

	assert_int_equal(config_init(&config), 0);
	error[0] = '\0';
	return config_load(&config, path, must_exist, error);
}

static void test_load(void **state)
{
	char dir[] = "/tmp/test-config.XXXXXX", path[64], error[CONFIG_ERROR_SIZE];
	static char big[CONFIG_FILE_MAX + 2];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/c", dir);
	assert_int_equal(load(path, false, error), 0);
	assert_int_equal(load(path, true, error), -ENOENT);
	assert_non_null(strstr(error, path));

	write_file(path, "push = no\n", 10, 0644);
	assert_int_equal(load(path, true, error), 0);
	chmod(path, 0664);
	assert_int_equal(load(path, false, error), -EPERM);
	assert_non_null(strstr(error, "others can write it"));
	chmod(path, 0646);
	assert_int_equal(load(path, false, error), -EPERM);
	if (geteuid() == 0) {
		chmod(path, 0644);
		assert_int_equal(chown(path, 1000, 0), 0);
		assert_int_equal(load(path, false, error), -EPERM);
		assert_int_equal(chown(path, 0, 0), 0);
	}

	write_file(path, "a\0b", 3, 0644);
	assert_int_equal(load(path, false, error), -EFBIG);
	memset(big, '#', sizeof(big));
	write_file(path, big, sizeof(big), 0644);
	assert_int_equal(load(path, false, error), -EFBIG);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(load(path, false, error), -EPERM); /* and does not wait for a writer */
	assert_non_null(strstr(error, "not a regular file"));
	unlink(path);
	rmdir(dir);
}

/* Where cores go, and how. */
static void test_delivery(void **state)
{
	static const char *const urls[] = { "HTTP://a",
					    "https://[::1]:1/x",
					    "s3://bucket",
					    "s3://b/c/d",
					    "file:core.%e.%p",
					    "file:/var/core",
					    "http+unix://%2frun%2fsock/x" };
	cleanup_config struct config config;
	char error[CONFIG_ERROR_SIZE], line[80];

	(void)state;
	assert_int_equal(config_init(&config), 0);
	assert_int_equal(config.retry_for_ms, 600000);
	assert_int_equal(config.encoding, CONFIG_ENCODING_STORED);
	assert_true(config.trust_container_url);
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		snprintf(line, sizeof(line), "url = %s", urls[i]);
		assert_int_equal(parse(&config, line, error), 0);
		assert_string_equal(config.url, urls[i]);
	}
	assert_int_equal(parse(&config,
			       "retry_for = 0\nencoding = identity\n[image x]\nretry_for = 1h\n"
			       "encoding = zstd\ntrust_container_url = no\nurl = s3://other/",
			       error),
			 0);
	assert_int_equal(config.retry_for_ms, 0);
	assert_int_equal(config.encoding, CONFIG_ENCODING_IDENTITY);
	assert_true(config.trust_container_url);
	assert_int_equal(config.rules[0]->values->retry_for_ms, 3600000);
	assert_int_equal(config.rules[0]->values->encoding, CONFIG_ENCODING_ZSTD);
	assert_false(config.rules[0]->values->trust_container_url);
	assert_int_equal(config.rules[0]->keys,
			 config_key_bit("retry_for") | config_key_bit("encoding") |
				 config_key_bit("trust_container_url") | config_key_bit("url"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_delivery),
		cmocka_unit_test(test_limits_by_default),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_too_many_sections),
		cmocka_unit_test(test_share_bytes),
		cmocka_unit_test(test_too_many_patterns),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
