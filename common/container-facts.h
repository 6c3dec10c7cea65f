/* SPDX-License-Identifier: MIT */
/*
 * What an engine tells of a container: name, image, labels, pod.  Pure.
 *
 * All of it was chosen by whoever started the container, or made its image: bytes for the record,
 * bounded here, and never part of a path or a command.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CONTAINER_FACT_MAX     512  /* bytes of a name, an image, the key of a label */
#define CONTAINER_LABEL_MAX    4096 /* bytes of a label's value */
#define CONTAINER_LABELS_MAX   128
#define CONTAINER_LABELS_BYTES (32U << 10) /* of all labels: the record stays a small file */
#define CONTAINER_ERROR_MAX    256
/* No longer than this in its written form: all labels, and room for the rest. */
#define CONTAINER_FACTS_WIRE_MAX (64U << 10)

struct container_label {
	char *key, *value;
};

struct container_labels {
	struct container_label items[CONTAINER_LABELS_MAX];
	size_t count, bytes;
	uint32_t left_out; /* labels that were too many or too long */
};

struct container_facts {
	char *name, *image, *image_id;
	char *pod, *pod_namespace, *pod_uid;
	char *error; /* why nothing is known, or NULL */
	struct container_labels labels;
};

void container_labels_release(struct container_labels *labels);
int container_labels_add(struct container_labels *labels, const char *key, const char *value);
const char *container_labels_get(const struct container_labels *labels, const char *key);

void container_facts_release(struct container_facts *facts);
#define cleanup_container_facts __attribute__((cleanup(container_facts_release)))

int container_facts_set(char **field, const char *value);
int container_facts_write(const struct container_facts *facts, char **ret_bytes, size_t *ret_len);
int container_facts_read(const char *bytes, size_t len, struct container_facts *ret_facts);
