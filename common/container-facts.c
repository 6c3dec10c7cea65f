// SPDX-License-Identifier: MIT
/*
 * What an engine tells of a container, and its written form between coreferry-names, which reads
 * the engine's answer and may have been taken over by it, and the helper.  Pure.
 *
 * The form is a row of strings, each ended by NUL: words that say what follows, and values.  So
 * there is nothing in it to be parsed but lengths.
 */
#include "container-facts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "parse.h"

/* Frees them. */
void container_labels_release(struct container_labels *labels)
{
	for (size_t i = 0; i < labels->count; i++) {
		free(labels->items[i].key);
		free(labels->items[i].value);
	}
	*labels = (struct container_labels){ .count = 0 };
}

/* Adds a copy; what is too long or too much is counted and left out whole, for a part of a label
 * could mean something else.  0 or -ENOMEM. */
int container_labels_add(struct container_labels *labels, const char *key, const char *value)
{
	size_t key_len = strlen(key), value_len = strlen(value);

	if (key_len == 0 || key_len > CONTAINER_FACT_MAX || value_len > CONTAINER_LABEL_MAX ||
	    labels->count == CONTAINER_LABELS_MAX ||
	    labels->bytes + key_len + value_len > CONTAINER_LABELS_BYTES) {
		labels->left_out += labels->left_out < UINT32_MAX;
		return 0;
	}
	struct container_label label = { strdup(key), strdup(value) };
	if (!label.key || !label.value) {
		free(label.key);
		free(label.value);
		return -ENOMEM;
	}
	labels->items[labels->count++] = label;
	labels->bytes += key_len + value_len;
	return 0;
}

/* The value of a label, or NULL. */
const char *container_labels_get(const struct container_labels *labels, const char *key)
{
	for (size_t i = 0; i < labels->count; i++)
		if (strcmp(labels->items[i].key, key) == 0)
			return labels->items[i].value;
	return NULL;
}

/* Frees what it owns, and empties it. */
void container_facts_release(struct container_facts *facts)
{
	free(facts->name);
	free(facts->image);
	free(facts->image_id);
	free(facts->pod);
	free(facts->pod_namespace);
	free(facts->pod_uid);
	free(facts->error);
	container_labels_release(&facts->labels);
	*facts = (struct container_facts){ .name = NULL };
}

/* Puts a copy of value into a field; one that is empty or too long is as good as none.  0 or
 * -ENOMEM. */
int container_facts_set(char **field, const char *value)
{
	size_t len = value ? strlen(value) : 0;
	char *copy = NULL;

	if (len > 0 && len <= CONTAINER_FACT_MAX) {
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
	}
	free(*field);
	*field = copy;
	return 0;
}

static const struct {
	const char *word;
	size_t offset;
} fields[] = {
	{ "name", offsetof(struct container_facts, name) },
	{ "image", offsetof(struct container_facts, image) },
	{ "image_id", offsetof(struct container_facts, image_id) },
	{ "pod", offsetof(struct container_facts, pod) },
	{ "pod_namespace", offsetof(struct container_facts, pod_namespace) },
	{ "pod_uid", offsetof(struct container_facts, pod_uid) },
	{ "error", offsetof(struct container_facts, error) },
};

#define FIELD_COUNT (sizeof(fields) / sizeof(*fields))

static char *const *get_field(const struct container_facts *facts, size_t i)
{
	return (char *const *)(const void *)((const char *)facts + fields[i].offset);
}

static char **field_of(struct container_facts *facts, size_t i)
{
	return (char **)(void *)((char *)facts + fields[i].offset);
}

struct wire {
	char *bytes;
	size_t len;
};

static void put(struct wire *w, const char *text)
{
	size_t len = strlen(text) + 1;

	memcpy(w->bytes + w->len, text, len);
	w->len += len;
}

/* The written form (free it).  0 or -ENOMEM. */
int container_facts_write(const struct container_facts *facts, char **ret_bytes, size_t *ret_len)
{
	struct wire w = { malloc(CONTAINER_FACTS_WIRE_MAX), 0 };
	char number[16];

	if (!w.bytes)
		return -ENOMEM;
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		const char *value = *get_field(facts, i);

		if (!value)
			continue;
		put(&w, fields[i].word);
		put(&w, value);
	}
	for (size_t i = 0; i < facts->labels.count; i++) {
		put(&w, "label");
		put(&w, facts->labels.items[i].key);
		put(&w, facts->labels.items[i].value);
	}
	snprintf(number, sizeof(number), "%u", facts->labels.left_out);
	put(&w, "left_out");
	put(&w, number);
	put(&w, "end");
	*ret_bytes = w.bytes;
	*ret_len = w.len;
	return 0;
}

/* The next string, or NULL: there is none, or it does not end. */
static const char *take(const char **at, size_t *left)
{
	const char *text = *at, *end = memchr(text, '\0', *left);

	if (!end)
		return NULL;
	*left -= (size_t)(end - text) + 1;
	*at = end + 1;
	return text;
}

static int read_label(const char *key, const char *value, struct container_facts *facts)
{
	size_t had = facts->labels.count;
	int r = value ? container_labels_add(&facts->labels, key, value) : -EINVAL;

	/* Who wrote it has kept to the limits. */
	return r < 0 ? r : facts->labels.count > had ? 0 : -EINVAL;
}

static int read_field(const char *word, const char *value, struct container_facts *facts)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		char **field = field_of(facts, i);

		if (strcmp(word, fields[i].word) != 0)
			continue;
		if (*field || *value == '\0' || strlen(value) > CONTAINER_FACT_MAX)
			return -EINVAL;
		return container_facts_set(field, value);
	}
	return -EINVAL;
}

static int read_all(const char *bytes, size_t len, struct container_facts *facts)
{
	const char *word, *value;

	while ((word = take(&bytes, &len)) && strcmp(word, "end") != 0) {
		uint64_t number;
		int r = -EINVAL;

		value = take(&bytes, &len);
		if (!value)
			return -EINVAL;
		if (strcmp(word, "label") == 0) {
			r = read_label(value, take(&bytes, &len), facts);
		} else if (strcmp(word, "left_out") == 0) {
			r = parse_u64(value, UINT32_MAX, &number);
			facts->labels.left_out = r < 0 ? 0 : (uint32_t)number;
		} else {
			r = read_field(word, value, facts);
		}
		if (r < 0)
			return r;
	}
	return word && len == 0 ? 0 : -EINVAL;
}

/*
 * Reads the written form, of which nothing is taken on trust.  0, and *ret_facts is to be released;
 * -EINVAL: it is not wholly one; -ENOMEM.
 */
int container_facts_read(const char *bytes, size_t len, struct container_facts *ret_facts)
{
	struct container_facts facts = { .name = NULL };
	int r = len <= CONTAINER_FACTS_WIRE_MAX ? read_all(bytes, len, &facts) : -EINVAL;

	if (r < 0) {
		container_facts_release(&facts);
		return r == -ENOMEM ? r : -EINVAL;
	}
	*ret_facts = facts;
	return 0;
}
