// SPDX-License-Identifier: MIT
/*
 * The addresses of a container in a record: "addresses" and "links" of its part "container".  Pure.
 */
#include "addresses-json.h"

#include <errno.h>
#include <stdint.h>

#include "json-fields.h"

static json_t *items_to_json(const struct addresses *addresses)
{
	json_t *array = json_array();
	char text[ADDRESSES_TEXT_SIZE];

	for (uint32_t i = 0; array && i < addresses->count; i++) {
		addresses_format(&addresses->items[i], text);
		if (json_array_append_new(array, json_string(text)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *links_to_json(const struct addresses *addresses)
{
	json_t *array = json_array();

	for (uint32_t i = 0; array && i < addresses->link_count; i++)
		if (json_array_append_new(array, json_integer(addresses->links[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* Puts them into the object, where there are any. 0 or -ENOMEM. */
int addresses_to_json(const struct addresses *addresses, json_t *object)
{
	if (addresses->count > 0 && json_put(object, "addresses", items_to_json(addresses)) < 0)
		return -ENOMEM;
	return addresses->link_count > 0 ? json_put(object, "links", links_to_json(addresses)) : 0;
}

/* Reads those that are some. */
void addresses_from_json(const json_t *object, struct addresses *addresses)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(object, "addresses"), i, item) {
		const char *text = json_string_value(item);
		struct in6_addr address;

		if (text && addresses_parse(text, &address) == 0)
			addresses_add(addresses, &address);
	}
	json_array_foreach (json_object_get(object, "links"), i, item) {
		json_int_t link = json_integer_value(item);

		if (link > 0 && link <= INT32_MAX)
			addresses_add_link(addresses, (uint32_t)link);
	}
}
