// SPDX-License-Identifier: MIT
/*
 * Tokens: the input is what a request says, then lines of the file.
 */
#include "../../host-helper/server/tokens.h"

#include <errno.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_string(data, size);
	char error[TOKENS_ERROR_SIZE] = "", *rest = text;
	const char *authorization = strsep(&rest, "\n");
	struct tokens *tokens = NULL;
	char nothing[] = "";
	int r = tokens_parse("f", rest ? rest : nothing, &tokens, error);

	assert(r == 0 || (r == -EINVAL && *error && !tokens));
	if (r < 0)
		return 0;
	for (size_t i = 0; i < tokens->count; i++)
		assert(tokens->list[i].rights && *tokens->list[i].name &&
		       !strchr(tokens->list[i].directory, '/') &&
		       tokens->list[i].directory[0] != '.');
	(void)tokens_find(tokens, authorization);
	tokens_free(&tokens);
	return 0;
}
