// SPDX-License-Identifier: MIT
/* container-agent/tus-metadata.c: what a tus upload is; the victim's values cannot get out of
 * theirs. */
#include "../../container-agent/tus-metadata.h"

#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "test.h"

#define ID "20261121T023753.123456Z-4166-9f3c"

static const struct source source = {
	.suffix = ".core.zst",
	.content_type = "application/zstd",
	.sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
};

/* The value of a key, decoded; "-": it is not there. */
static void value_of(const char *metadata, const char *key, char value[4096])
{
	size_t len = strlen(key), n = 4095;
	struct base64_decode_ctx ctx;

	snprintf(value, 4096, "-");
	for (const char *p = metadata; *p; p += strcspn(p, ",")) {
		p += *p == ',';
		if (strncmp(p, key, len) != 0 || p[len] != ' ')
			continue;
		base64_decode_init(&ctx);
		assert_true(base64_decode_update(&ctx, &n, (uint8_t *)value,
						 strcspn(p + len + 1, ","), p + len + 1));
		assert_true(base64_decode_final(&ctx));
		value[n] = '\0';
	}
}

static void test_values(void **state)
{
	static const char *const rows[][2] = {
		{ "filename", ID ".core.zst" },
		{ "filetype", "application/zstd" },
		{ "sha256", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" },
		{ "x-core-id", ID },
		{ "x-executable-path", "/a%20b,c%0d%0aX:%20y" },
		{ "x-core-comm", "-" },	    /* empty */
		{ "x-core-hostname", "-" }, /* too long */
		{ "x-core-pid", "-" },
	};
	cleanup_free char *text = NULL;
	char value[4096];
	char longest[2000];

	(void)state;
	clearenv();
	memset(longest, 'h', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	setenv("CORE_ID", ID, 1);
	setenv("CORE_EXE", "/a b,c\r\nX: y", 1);
	setenv("CORE_COMM", "", 1);
	setenv("CORE_HOSTNAME", longest, 1);
	assert_int_equal(tus_metadata_make(ID, &source, &text), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		value_of(text, rows[i][0], value);
		assert_string_equal(value, rows[i][1]);
	}
	/* Keys of ours, and base64: nothing else. */
	assert_int_equal(
		strspn(text,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=,- "),
		strlen(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
