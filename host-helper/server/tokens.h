/* SPDX-License-Identifier: MIT */
/*
 * Bearer tokens: who may read, delete and upload without being the container itself.
 *
 * The file holds digests only, so whoever reads it has no token.  All but tokens_load() and
 * tokens_allow() is pure.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKENS_FILE_MAX	     (256U << 10)
#define TOKENS_MAX	     1024
#define TOKENS_ERROR_SIZE    512
#define TOKEN_NAME_SIZE	     33
#define TOKEN_DIRECTORY_SIZE 65
#define TOKEN_SECRET_BYTES   16 /* the least: what is shorter can be guessed */
#define TOKEN_SECRET_MAX     512
#define TOKEN_DIGEST_BYTES   32

enum token_right { TOKEN_READ = 1, TOKEN_DELETE = 2, TOKEN_UPLOAD = 4 };

struct token {
	char name[TOKEN_NAME_SIZE];	      /* for the log */
	unsigned rights;		      /* bits of enum token_right */
	char directory[TOKEN_DIRECTORY_SIZE]; /* of its uploads, below --receive; "": that itself */
	uint8_t digest[TOKEN_DIGEST_BYTES];
};

struct tokens {
	size_t count;
	struct token *list;
};

int tokens_parse(const char *name, char *text, struct tokens **ret_tokens,
		 char error[TOKENS_ERROR_SIZE]);
int tokens_load(const char *path, struct tokens **ret_tokens, char error[TOKENS_ERROR_SIZE]);
void tokens_free(struct tokens **tokens);

const struct token *tokens_find(const struct tokens *tokens, const char *authorization);
bool tokens_allow(const struct tokens *tokens, struct MHD_Connection *mhd, enum token_right right,
		  const struct token **ret_token);
