// SPDX-License-Identifier: MIT
/*
 * An engine's answer about a container: GET /containers/ID/json of Docker, and of podman, which
 * speaks the same; and config.json of an OCI bundle, where containerd keeps what Kubernetes calls
 * it.  Pure.
 *
 * The form is the engine's, the strings were chosen by whoever made the image or started the
 * container.  See: Docker Engine API, ContainerInspect; OCI runtime specification, annotations.
 */
#include "engine-answer.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#define LOAD_FLAGS (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

/* A string without NUL in it, or NULL. */
static const char *get_text(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static int take_labels(json_t *object, struct container_labels *labels)
{
	const char *key;
	json_t *value;
	int r = 0;

	json_object_foreach (object, key, value) {
		const char *text = get_text(object, key);

		if (text)
			r = container_labels_add(labels, key, text);
		else
			labels->left_out++;
		if (r < 0)
			return r;
	}
	return 0;
}

/* What Kubernetes calls it, from the labels that its own engines and cri-dockerd set. */
static int take_pod(const struct container_labels *labels, struct container_facts *facts)
{
	if (container_facts_set(&facts->pod,
				container_labels_get(labels, "io.kubernetes.pod.name")) < 0 ||
	    container_facts_set(&facts->pod_namespace,
				container_labels_get(labels, "io.kubernetes.pod.namespace")) < 0 ||
	    container_facts_set(&facts->pod_uid,
				container_labels_get(labels, "io.kubernetes.pod.uid")) < 0)
		return -ENOMEM;
	return 0;
}

static int take_container(json_t *root, const char *id, struct container_facts *facts)
{
	json_t *config = json_object_get(root, "Config");
	const char *name = get_text(root, "Name"), *answered = get_text(root, "Id");

	if (!name || !answered || strcmp(answered, id) != 0 || !json_is_object(config))
		return -EINVAL;
	name += *name == '/'; /* Docker's have one */
	if (container_facts_set(&facts->name, name) < 0 ||
	    container_facts_set(&facts->image, get_text(config, "Image")) < 0 ||
	    container_facts_set(&facts->image_id, get_text(root, "Image")) < 0)
		return -ENOMEM;
	int r = take_labels(json_object_get(config, "Labels"), &facts->labels);
	if (r == 0)
		r = take_pod(&facts->labels, facts);
	/* One without a usable name is not what was asked for. */
	return r == 0 && !facts->name ? -EINVAL : r;
}

static int finish(int r, struct container_facts *facts, struct container_facts *ret_facts)
{
	if (r < 0) {
		container_facts_release(facts);
		return r;
	}
	*ret_facts = *facts;
	return 0;
}

/*
 * Reads the answer about the container with this id.  0, and *ret_facts is to be released; -EINVAL:
 * no JSON, or not about that container; -ENOMEM.
 */
int engine_answer_parse(const char *json, size_t len, const char *id,
			struct container_facts *ret_facts)
{
	struct container_facts facts = { .name = NULL };
	json_t *root = json_loadb(json, len, LOAD_FLAGS, NULL);
	int r = json_is_object(root) ? take_container(root, id, &facts) : -EINVAL;

	json_decref(root);
	return finish(r, &facts, ret_facts);
}

/* The first of these annotations that there is. */
static const char *get_any(const json_t *annotations, const char *const keys[2])
{
	const char *text = get_text(annotations, keys[0]);

	return text ? text : get_text(annotations, keys[1]);
}

static int take_bundle(json_t *root, struct container_facts *facts)
{
	static const struct {
		size_t offset;
		const char *keys[2]; /* containerd's, CRI-O's */
	} rows[] = {
		{ offsetof(struct container_facts, name),
		  { "io.kubernetes.cri.container-name", "io.kubernetes.container.name" } },
		{ offsetof(struct container_facts, image),
		  { "io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName" } },
		{ offsetof(struct container_facts, pod),
		  { "io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name" } },
		{ offsetof(struct container_facts, pod_namespace),
		  { "io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace" } },
		{ offsetof(struct container_facts, pod_uid),
		  { "io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid" } },
	};
	const json_t *annotations = json_object_get(root, "annotations");

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (container_facts_set((char **)(void *)((char *)facts + rows[i].offset),
					get_any(annotations, rows[i].keys)) < 0)
			return -ENOMEM;
	return facts->name || facts->pod ? 0 : -ENODATA;
}

/*
 * Reads config.json of an OCI bundle.  0, and *ret_facts is to be released; -EINVAL: no JSON;
 * -ENODATA: nothing of Kubernetes in it; -ENOMEM.
 */
int engine_bundle_parse(const char *json, size_t len, struct container_facts *ret_facts)
{
	struct container_facts facts = { .name = NULL };
	json_t *root = json_loadb(json, len, LOAD_FLAGS, NULL);
	int r = json_is_object(root) ? take_bundle(root, &facts) : -EINVAL;

	json_decref(root);
	return finish(r, &facts, ret_facts);
}
