// SPDX-License-Identifier: MIT
/* common/text.c: attacker's bytes come out printable, and come back as they were. */
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

static void test_escape(void **state)
{
	static const struct {
		const char *bytes, *text;
	} rows[] = {
		{ "\r\nX-Evil: 1", "\\x0d\\x0aX-Evil: 1" },
		{ "\x1b[2J", "\\x1b[2J" },
		{ "a\\b", "a\\x5cb" },
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "\xc0\xaf", "\\xc0\\xaf" },			/* overlong '/' */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },		/* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* above U+10FFFF */
		{ "\xc2\x9b"
		  "1m",
		  "\\xc2\\x9b"
		  "1m" }, /* C1: CSI in 8 bits */
		{ "\xe2\x80\xae"
		  "txt",
		  "\\xe2\\x80\\xae"
		  "txt" },		      /* right-to-left override */
		{ "\xe2\x82", "\\xe2\\x82" }, /* cut off */
		{ "\x7f", "\\x7f" },
		{ "/usr/bin/osmo-bsc", "/usr/bin/osmo-bsc" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xf0\x9f\x92\xa5", "\xf0\x9f\x92\xa5" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text = text_escape(rows[i].bytes, strlen(rows[i].bytes));
		size_t len = 0;
		char *back = text_unescape(text, &len);

		assert_string_equal(text, rows[i].text);
		assert_int_equal(len, strlen(rows[i].bytes));
		assert_memory_equal(back, rows[i].bytes, len);
		free(text);
		free(back);
	}
}

static void test_unescape_what_is_no_escape(void **state)
{
	char *back = text_unescape("\\x4g \\ \\x \\x4", NULL);

	(void)state;
	assert_string_equal(back, "\\x4g \\ \\x \\x4");
	free(back);
}

static void test_every_byte_comes_back(void **state)
{
	char all[256], *text, *back;
	size_t len;

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	text = text_escape(all, sizeof(all));
	for (const char *p = text; *p; p++)
		assert_true(*p >= 0x20 && *p < 0x7f);
	back = text_unescape(text, &len);
	assert_int_equal(len, 256);
	assert_memory_equal(back, all, 256);
	free(text);
	free(back);

	text = text_percent_encode(all + 1, 255);
	for (const char *p = text; *p; p++)
		assert_true(*p > 0x20 && *p < 0x7f);
	assert_int_equal(text_percent_decode(text, &back, &len), 0);
	assert_int_equal(len, 255);
	assert_memory_equal(back, all + 1, 255);
	free(text);
	free(back);
}

static void test_percent_decode_refuses(void **state)
{
	static const char *const rows[] = { "%", "%4", "%4g", "%g4", "a%00b", "%%41" };
	char *bytes = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(text_percent_decode(rows[i], &bytes, NULL), -EINVAL);
	assert_null(bytes);
}

static void test_basename(void **state)
{
	(void)state;
	assert_string_equal(text_basename("/usr/bin/x"), "x");
	assert_string_equal(text_basename("x"), "x");
	assert_string_equal(text_basename("/usr/bin/"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_unescape_what_is_no_escape),
		cmocka_unit_test(test_every_byte_comes_back),
		cmocka_unit_test(test_percent_decode_refuses),
		cmocka_unit_test(test_basename),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
