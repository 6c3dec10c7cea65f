// SPDX-License-Identifier: MIT
/* container-agent/s3-answer.c: what an S3 endpoint, or someone in its place, answers. */
#include "../../container-agent/s3-answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

struct list {
	uint32_t count, last_number;
	uint64_t last_size;
	char last_etag[S3_ETAG_MAX + 1];
};

static int take(void *context, const struct s3_part *part)
{
	struct list *list = context;

	list->count++;
	list->last_number = part->number;
	list->last_size = part->size;
	memcpy(list->last_etag, part->etag, strlen(part->etag) + 1);
	return part->number == 666 ? -ECANCELED : 0;
}

/* Without the NUL behind. */
static void put(char *at, const char *text)
{
	while (*text)
		*at++ = *text++;
}

/* Whole, and byte by byte: the same. */
static int parse(const char *text, size_t len, struct s3_answer *answer, struct list *list)
{
	int results[2];

	for (int by_byte = 0; by_byte < 2; by_byte++) {
		struct s3_parser *p = s3_parser_new(answer, take, list);
		int r = 0;

		assert_non_null(p);
		*list = (struct list){ 0 };
		for (size_t i = 0; by_byte && i < len && r == 0; i++)
			r = s3_parser_add(p, text + i, 1);
		if (!by_byte)
			r = s3_parser_add(p, text, len);
		if (r == 0)
			r = s3_parser_finish(p);
		results[by_byte] = r;
		s3_parser_free(p);
	}
	assert_int_equal(results[0], results[1]);
	return results[0];
}

static int parse_text(const char *text, struct s3_answer *answer, struct list *list)
{
	return parse(text, strlen(text), answer, list);
}

static const char doctype[] = "<!DOCTYPE a [<!ENTITY b 'bbbb'><!ENTITY c '&b;&b;'>]>"
			      "<Error><Code>&c;</Code></Error>";

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"no XML",
		"<Error><Code>x</Code>",
		"<Error></Code>",
		"<Error>\xff</Error>",
		"<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>",
		doctype,
		"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><Error/>",
		"<!DOCTYPE a><Error/>",
		"<Error><Code>&unknown;</Code></Error>",
	};
	struct s3_answer answer;
	struct list list;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_text(bad[i], &answer, &list), -EPROTO);
	assert_int_equal(
		parse_text("<r><Part><PartNumber>666</PartNumber></Part><Code>x</Code></r>",
			   &answer, &list),
		-ECANCELED);
	assert_string_equal(answer.code, "");
}

static void test_too_long(void **state)
{
	size_t len = 3U << 20;
	char *text = malloc(len);
	struct s3_answer answer;
	struct s3_parser *p = s3_parser_new(&answer, NULL, NULL);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', len);
	put(text, "<Error><Message>");
	assert_int_equal(s3_parser_add(p, text, len), -EFBIG);
	assert_int_equal(s3_parser_add(p, text, 1), -EFBIG);
	s3_parser_free(p);
	/* What is cut would be another name, another id, another number. */
	p = s3_parser_new(&answer, NULL, NULL);
	put(text, "<Error><Code>");
	put(text + 2000, "</Code><UploadId>");
	put(text + 4000, "</UploadId><Message>");
	put(text + 6000, "</Message></Error>");
	assert_int_equal(s3_parser_add(p, text, 6018), 0);
	assert_int_equal(s3_parser_finish(p), 0);
	assert_string_equal(answer.code, "");
	assert_string_equal(answer.upload_id, "");
	assert_int_equal(strlen(answer.message), S3_MESSAGE_MAX);
	s3_parser_free(p);
	free(text);
}

static void test_values(void **state)
{
	struct s3_answer answer;
	struct list list;

	(void)state;
	assert_int_equal(parse_text("<?xml version='1.0' encoding='UTF-8'?>\n"
				    "<Error><Code>SlowDown</Code><Message>a &lt;b&gt;\n</Message>"
				    "<Other><Code>not this</Code></Other></Error>",
				    &answer, &list),
			 0);
	assert_string_equal(answer.root, "Error");
	assert_string_equal(answer.code, "SlowDown");
	assert_string_equal(answer.message, "a <b>\n");

	assert_int_equal(parse_text("<r xmlns='x'><UploadId>a b</UploadId></r>", &answer, &list),
			 0);
	assert_string_equal(answer.upload_id, "");
	assert_int_equal(
		parse_text("<r xmlns='x'><UploadId>ZTdj-_.~/+=</UploadId></r>", &answer, &list), 0);
	assert_string_equal(answer.upload_id, "ZTdj-_.~/+=");

	assert_int_equal(
		parse_text("<n:ListPartsResult xmlns:n='x'><IsTruncated>true</IsTruncated>"
			   "<NextPartNumberMarker>2</NextPartNumberMarker>"
			   "<Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag><Size>5</"
			   "Size></Part>"
			   "<Part><PartNumber>0</PartNumber></Part>"
			   "<Part><PartNumber>10001</PartNumber></Part>"
			   "<Part><PartNumber>-1</PartNumber></Part>"
			   "<Part><ETag>b</ETag><Size>-7</Size><PartNumber>2</PartNumber></Part>"
			   "</n:ListPartsResult>",
			   &answer, &list),
		0);
	assert_string_equal(answer.root, "ListPartsResult");
	assert_true(answer.is_truncated);
	assert_int_equal(answer.next_part, 2);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.last_number, 2);
	assert_int_equal(list.last_size, 0);
	assert_string_equal(list.last_etag, "b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
