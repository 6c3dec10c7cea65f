// SPDX-License-Identifier: MIT
/*
 * Bearer tokens.
 *
 * The file is the operator's, one line a token: NAME RIGHTS SHA256 [DIRECTORY].  What a request
 * says is the peer's: it is only ever hashed, and its digest compared with each of the file's, in a
 * time that does not tell how much of one was right.
 */
#include "tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/base16.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

_Static_assert(TOKEN_DIGEST_BYTES == SHA256_DIGEST_SIZE, "a token's digest is a SHA-256");

#define BLANKS	   " \t"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define HEX_CHARS  "0123456789abcdefABCDEF"
#define SCHEME	   "Bearer"

/* --- the file --- */

/* A word that can be a file's name, and says nothing about where: no '/', no '.' in front. */
static int take_name(const char *word, char *field, size_t size)
{
	size_t len = strlen(word);

	if (len == 0 || len >= size || word[0] == '.' || word[0] == '-' ||
	    strspn(word, NAME_CHARS) != len)
		return -EINVAL;
	memcpy(field, word, len + 1);
	return 0;
}

static int take_rights(char *word, unsigned *ret_rights)
{
	static const struct {
		const char *name;
		enum token_right right;
	} names[] = { { "read", TOKEN_READ },
		      { "delete", TOKEN_DELETE },
		      { "upload", TOKEN_UPLOAD } };
	unsigned rights = 0;

	for (char *name; (name = strsep(&word, ","));) {
		size_t i = 0;

		while (i < 3 && strcmp(name, names[i].name) != 0)
			i++;
		if (i == 3)
			return -EINVAL;
		rights |= names[i].right;
	}
	*ret_rights = rights;
	return 0;
}

static int take_digest(const char *word, uint8_t digest[TOKEN_DIGEST_BYTES])
{
	struct base16_decode_ctx ctx;
	size_t len = TOKEN_DIGEST_BYTES;

	if (strlen(word) != 2 * len || strspn(word, HEX_CHARS) != 2 * len)
		return -EINVAL;
	base16_decode_init(&ctx);
	return base16_decode_update(&ctx, &len, digest, 2 * len, word) == 1 ? 0 : -EINVAL;
}

/* NULL, or what is wrong with the line. */
static const char *take_line(char *line, struct token *token)
{
	char *save = NULL;
	char *name = strtok_r(line, BLANKS, &save), *rights = strtok_r(NULL, BLANKS, &save);
	char *digest = strtok_r(NULL, BLANKS, &save), *directory = strtok_r(NULL, BLANKS, &save);

	*token = (struct token){ 0 };
	if (!name || take_name(name, token->name, sizeof(token->name)) < 0)
		return "the name wants up to 32 letters, digits, '.', '_' and '-'";
	if (!rights || take_rights(rights, &token->rights) < 0)
		return "the rights are some of read,delete,upload";
	if (!digest || take_digest(digest, token->digest) < 0)
		return "the third word is the SHA-256 of the token, 64 hexadecimal digits: "
		       "printf %s TOKEN | sha256sum";
	if (directory && take_name(directory, token->directory, sizeof(token->directory)) < 0)
		return "the directory is one name, of up to 64 letters, digits, '.', '_' and '-'";
	return strtok_r(NULL, BLANKS, &save) ? "there is more in the line than four words" : NULL;
}

static const char *check_unique(const struct tokens *tokens, const struct token *token)
{
	for (size_t i = 0; i < tokens->count; i++)
		if (strcmp(tokens->list[i].name, token->name) == 0 ||
		    memcmp(tokens->list[i].digest, token->digest, sizeof(token->digest)) == 0)
			return "another line has this name or this token";
	return NULL;
}

/*
 * Reads the text (which it changes) of a file that errors call `name`.  -EINVAL: `error` says which
 * line, and why; -ENOMEM.
 */
int tokens_parse(const char *name, char *text, struct tokens **ret_tokens,
		 char error[TOKENS_ERROR_SIZE])
{
	struct tokens *tokens = calloc(1, sizeof(*tokens));
	const char *why = NULL;
	unsigned number = 0;

	if (tokens)
		tokens->list = calloc(TOKENS_MAX, sizeof(*tokens->list));
	if (!tokens || !tokens->list) {
		tokens_free(&tokens);
		snprintf(error, TOKENS_ERROR_SIZE, "%s: no memory", name);
		return -ENOMEM;
	}
	for (char *line; !why && (line = strsep(&text, "\n"));) {
		struct token token;

		number++;
		line += strspn(line, BLANKS);
		line[strcspn(line, "\r")] = '\0';
		if (*line == '\0' || *line == '#')
			continue;
		why = tokens->count == TOKENS_MAX ? "there are too many tokens"
						  : take_line(line, &token);
		if (!why)
			why = check_unique(tokens, &token);
		if (!why)
			tokens->list[tokens->count++] = token;
	}
	if (why) {
		snprintf(error, TOKENS_ERROR_SIZE, "%s:%u: %s", name, number, why);
		tokens_free(&tokens);
		return -EINVAL;
	}
	*ret_tokens = tokens;
	return 0;
}

/* Only its owner may change it, and that is root or we; nobody else than its group may read it. */
static int check_owner(int fd, const char *path, char error[TOKENS_ERROR_SIZE])
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()) &&
	    (st.st_mode & 027) == 0)
		return 0;
	snprintf(error, TOKENS_ERROR_SIZE,
		 "%s: refused: it must be a file of root's or of the server's user, of mode 0640 "
		 "at most "
		 "(owner %u, mode %04o)",
		 path, st.st_uid, st.st_mode & 07777);
	return -EPERM;
}

/* Reads the file.  Each error is told: -EPERM: others may read or change it; as tokens_parse(). */
int tokens_load(const char *path, struct tokens **ret_tokens, char error[TOKENS_ERROR_SIZE])
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r = fd < 0 ? -errno : check_owner(fd, path, error);

	if (r == -EPERM && fd >= 0)
		return r;
	if (r == 0)
		r = fd_read_some(fd, TOKENS_FILE_MAX + 1, &text, &len);
	if (r == 0 && (len > TOKENS_FILE_MAX || strlen(text) != len))
		r = -EFBIG;
	if (r < 0) {
		snprintf(error, TOKENS_ERROR_SIZE, "%s: cannot be read: %s", path,
			 r == -EFBIG ? "longer than 256 KiB, or not a text" : strerror(-r));
		return r;
	}
	return tokens_parse(path, text, ret_tokens, error);
}

/* Frees them. */
void tokens_free(struct tokens **tokens)
{
	if (*tokens)
		free((*tokens)->list);
	free(*tokens);
	*tokens = NULL;
}

/* --- a request --- */

/*
 * The token in the value of an Authorization header, or NULL.  tokens may be NULL: there are none.
 * See: RFC 6750.
 */
const struct token *tokens_find(const struct tokens *tokens, const char *authorization)
{
	size_t scheme = strlen(SCHEME);
	const struct token *found = NULL;
	uint8_t digest[TOKEN_DIGEST_BYTES];
	struct sha256_ctx ctx;

	if (!tokens || !authorization || strncasecmp(authorization, SCHEME, scheme) != 0 ||
	    authorization[scheme] != ' ')
		return NULL;
	const char *secret = authorization + scheme + strspn(authorization + scheme, " ");
	size_t len = strlen(secret);
	if (len < TOKEN_SECRET_BYTES || len > TOKEN_SECRET_MAX)
		return NULL;
	sha256_init(&ctx);
	sha256_update(&ctx, len, (const uint8_t *)secret);
	sha256_digest(&ctx, sizeof(digest), digest);
	/* All are compared, whichever it is. */
	for (size_t i = 0; i < tokens->count; i++)
		if (memeql_sec(tokens->list[i].digest, digest, sizeof(digest)))
			found = &tokens->list[i];
	return found;
}

struct authorization {
	const char *value;
	unsigned count;
};

static enum MHD_Result read_authorization(void *context, enum MHD_ValueKind kind, const char *name,
					  size_t name_len, const char *value, size_t value_len)
{
	struct authorization *authorization = context;

	(void)kind;
	if (name_len == strlen(MHD_HTTP_HEADER_AUTHORIZATION) &&
	    strncasecmp(name, MHD_HTTP_HEADER_AUTHORIZATION, name_len) == 0) {
		authorization->count++;
		authorization->value = value && strlen(value) == value_len ? value : NULL;
	}
	return MHD_YES;
}

/*
 * True if the request has a token with that right.  *ret_token is its token in any case, or NULL:
 * it has none that we know (401), or one without that right (403).
 */
bool tokens_allow(const struct tokens *tokens, struct MHD_Connection *mhd, enum token_right right,
		  const struct token **ret_token)
{
	struct authorization authorization = { 0 };

	*ret_token = NULL;
	if (!tokens)
		return false;
	MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, read_authorization, &authorization);
	/* Of two, a proxy might look at the other one. */
	if (authorization.count == 1)
		*ret_token = tokens_find(tokens, authorization.value);
	return *ret_token && ((*ret_token)->rights & right);
}
