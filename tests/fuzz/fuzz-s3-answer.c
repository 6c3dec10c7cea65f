// SPDX-License-Identifier: MIT
/*
 * container-agent/s3-answer.c, s3-resume.c: what an S3 endpoint says, in XML, and what came back
 * from the attempt before.
 *
 * Whatever comes, texts end within their bounds, an upload's id is visible ASCII, numbers are those
 * of S3; what CORE_RESUME tells is the same after another turn.
 */
#include "../../container-agent/s3-answer.h"

#include "../../container-agent/s3-resume.h"
#include "fuzz.h"

static bool is_visible(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);

	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] >= 0x7f)
			return false;
	return len <= max;
}

static int take_part(void *context, const struct s3_part *part)
{
	unsigned *count = context;

	assert(part->number >= 1 && part->number <= S3_PARTS_MAX);
	assert(strlen(part->etag) <= S3_ETAG_MAX && part->size <= INT64_MAX);
	return ++*count == 3 ? -1 : 0;
}

static void check_answer(const struct s3_answer *answer)
{
	assert(strnlen(answer->root, sizeof(answer->root)) <= S3_WORD_MAX);
	assert(strnlen(answer->code, sizeof(answer->code)) <= S3_WORD_MAX);
	assert(strnlen(answer->message, sizeof(answer->message)) <= S3_MESSAGE_MAX);
	assert(strnlen(answer->etag, sizeof(answer->etag)) <= S3_ETAG_MAX);
	assert(is_visible(answer->upload_id, S3_UPLOAD_ID_MAX));
	assert(answer->next_part <= S3_PARTS_MAX);
}

static void check_resume(const char *text)
{
	struct s3_resume resume, again;

	if (s3_resume_parse(text, &resume) < 0)
		return;
	assert(is_visible(resume.upload_id, S3_UPLOAD_ID_MAX) && *resume.upload_id);
	assert(resume.part_bytes >= S3_PART_BYTES && resume.part_bytes <= S3_PART_BYTES_MAX);
	cleanup_free char *made = s3_resume_format(&resume);
	assert(made && s3_resume_parse(made, &again) == 0);
	assert(strcmp(again.upload_id, resume.upload_id) == 0 && again.is_raw == resume.is_raw &&
	       strcmp(again.target, resume.target) == 0 && again.part_bytes == resume.part_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_string(data, size);
	struct s3_answer answer;
	unsigned count = 0;
	struct s3_parser *parser = s3_parser_new(&answer, take_part, &count);
	size_t half = size / 2;

	assert(parser);
	(void)(s3_parser_add(parser, text, half) == 0 &&
	       s3_parser_add(parser, text + half, size - half) == 0 &&
	       s3_parser_finish(parser) == 0);
	check_answer(&answer);
	s3_parser_free(parser);
	check_resume(text);
	return 0;
}
