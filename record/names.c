/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "record/internal.h"

static uint32_t hash_of(const char *text, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 16777619u;
	return h;
}

static int grow_map(struct rec_names *t)
{
	size_t cap = t->map_cap ? t->map_cap * 2 : 256;
	uint32_t *map = calloc(cap, sizeof(*map));

	if (!map)
		return -1;
	for (uint32_t id = 1; id < t->n; id++) {
		size_t i = t->v[id].hash & (cap - 1);

		while (map[i])
			i = (i + 1) & (cap - 1);
		map[i] = id;
	}
	free(t->map);
	t->map = map;
	t->map_cap = cap;
	return 0;
}

static int make_room(struct rec_names *t, size_t len)
{
	if (t->n + 1 >= t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 128;
		struct rec_name *v = realloc(t->v, cap * sizeof(*v));

		if (!v)
			return -1;
		t->v = v;
		t->cap = cap;
	}
	if (t->text_len + len + 1 > t->text_cap) {
		size_t cap = (t->text_len + len + 1) * 2 + 1024;
		char *text = realloc(t->text, cap);

		if (!text)
			return -1;
		t->text = text;
		t->text_cap = cap;
	}
	if (!t->n)
		t->n = 1;
	return 2 * t->n >= t->map_cap ? grow_map(t) : 0;
}

uint32_t rec_names_put(struct rec_names *t, const char *text, size_t len)
{
	struct rec_name *name;
	uint32_t hash;
	size_t i;

	len = strnlen(text, len);
	hash = hash_of(text, len);
	if (t->map_cap) {
		for (i = hash & (t->map_cap - 1); t->map[i]; i = (i + 1) & (t->map_cap - 1)) {
			const char *have = t->text + t->v[t->map[i]].at;

			if (t->v[t->map[i]].hash == hash && !strncmp(have, text, len) && !have[len])
				return t->map[i];
		}
	}
	if (t->n >= UINT32_MAX || make_room(t, len))
		return 0;
	for (i = hash & (t->map_cap - 1); t->map[i];)
		i = (i + 1) & (t->map_cap - 1);
	name = &t->v[t->n];
	name->hash = hash;
	name->sink = UINT32_MAX;
	name->at = t->text_len;
	memcpy(t->text + t->text_len, text, len);
	t->text[t->text_len + len] = '\0';
	t->text_len += len + 1;
	t->map[i] = (uint32_t)t->n;
	return (uint32_t)t->n++;
}

uint32_t rec_names_comm(struct rec_names *t, const uint8_t comm[SR_COMM_LEN])
{
	struct rec_comm *c;
	uint64_t a, b;

	memcpy(&a, comm, 8);
	memcpy(&b, comm + 8, 8);
	/* Fibonacci hashing: the product's upper bits depend on all of the text's. */
	c = &t->comm[((a ^ (b << 7 | b >> 57)) * 0x9e3779b97f4a7c15u) >> 56];
	if (c->id && c->a == a && c->b == b)
		return c->id;
	*c = (struct rec_comm){ a, b, rec_names_put(t, (const char *)comm, SR_COMM_LEN - 1) };
	return c->id;
}

const char *rec_names_get(const struct rec_names *t, uint32_t id)
{
	return id && id < t->n ? t->text + t->v[id].at : "";
}

void rec_names_forget_sink(struct rec_names *t)
{
	for (size_t i = 1; i < t->n; i++)
		t->v[i].sink = UINT32_MAX;
}

void rec_names_release(struct rec_names *t)
{
	free(t->v);
	free(t->text);
	free(t->map);
	*t = (struct rec_names){ 0 };
}
