/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The attributes section: masks, groups and sets once each, then the entries. */
#include "formats/attr.h"

#include <stdlib.h>
#include <string.h>

#include "formats/srz_internal.h"

#define MAX_GROUPS 4096u
#define MAX_SETS 65536u
#define MAX_PATH 4095u

void sr_attrs_release(struct sr_attrs *a)
{
	size_t i;

	for (i = 0; i < a->ngroups; i++)
		free(a->groups[i].path);
	free(a->groups);
	free(a->masks);
	free(a->v);
	free(a->entries);
	*a = (struct sr_attrs){ 0 };
}

/* Room for one more of at most max; NULL: there is none. */
static void *room(void *array, size_t n, size_t *cap, size_t size, size_t max)
{
	void **v = array, *bigger;
	size_t want = *cap ? *cap * 2 : 16;

	if (n >= max)
		return NULL;
	if (n == *cap) {
		bigger = reallocarray(*v, want, size);
		if (!bigger)
			return NULL;
		*v = bigger;
		*cap = want;
	}
	return memset((char *)*v + n * size, 0, size);
}

uint32_t sr_attrs_mask(struct sr_attrs *a, const struct sr_cpumask *mask)
{
	struct sr_cpumask *to;
	size_t i;

	for (i = 0; i < a->nmasks; i++)
		if (!memcmp(&a->masks[i], mask, sizeof(*mask)))
			return (uint32_t)i;
	to = room(&a->masks, a->nmasks, &a->masks_cap, sizeof(*to), SRZ_MAX_MASKS);
	if (!to)
		return SR_ATTR_NONE;
	*to = *mask;
	return (uint32_t)a->nmasks++;
}

static bool same_group(const struct sr_group *x, const struct sr_group *y)
{
	return x->version == y->version && !strcmp(x->path, y->path);
}

static bool same_setting(const struct sr_group *x, const struct sr_group *y)
{
	return x->idle == y->idle && x->weight == y->weight && x->quota_us == y->quota_us &&
	       x->period_us == y->period_us;
}

static uint32_t find_group(struct sr_attrs *a, const struct sr_group *g, bool as_set)
{
	struct sr_group *to;
	char *path;
	size_t i;

	for (i = 0; i < a->ngroups; i++)
		if (same_group(&a->groups[i], g) && (!as_set || same_setting(&a->groups[i], g)))
			return (uint32_t)i;
	path = strndup(g->path, MAX_PATH);
	to = path ? room(&a->groups, a->ngroups, &a->groups_cap, sizeof(*to), MAX_GROUPS) : NULL;
	if (!to) {
		free(path);
		return SR_ATTR_NONE;
	}
	*to = *g;
	to->path = path;
	return (uint32_t)a->ngroups++;
}

uint32_t sr_attrs_group(struct sr_attrs *a, const struct sr_group *g)
{
	return find_group(a, g, false);
}

uint32_t sr_attrs_group_as_set(struct sr_attrs *a, const struct sr_group *g)
{
	return find_group(a, g, true);
}

static bool equal(const struct sr_attr *x, const struct sr_attr *y)
{
	return x->policy == y->policy && x->rt_prio == y->rt_prio && x->nice == y->nice &&
	       x->session_nice == y->session_nice && x->session == y->session && x->runtime_ns == y->runtime_ns &&
	       x->deadline_ns == y->deadline_ns && x->period_ns == y->period_ns && x->util_min == y->util_min &&
	       x->util_max == y->util_max && x->mask == y->mask && x->group == y->group;
}

uint32_t sr_attrs_set(struct sr_attrs *a, const struct sr_attr *attr)
{
	struct sr_attr *to;
	size_t i;

	for (i = a->n; i-- > 0;)
		if (equal(&a->v[i], attr))
			return (uint32_t)i;
	to = room(&a->v, a->n, &a->cap, sizeof(*to), MAX_SETS);
	if (!to)
		return SR_ATTR_NONE;
	*to = *attr;
	return (uint32_t)a->n++;
}

int sr_attrs_add(struct sr_attrs *a, uint64_t time_ns, int32_t tid, uint32_t attr)
{
	struct sr_attr_entry *to = room(&a->entries, a->nentries, &a->entries_cap, sizeof(*to), SRZ_MAX_TASKS);

	if (!to)
		return -1;
	*to = (struct sr_attr_entry){ .time_ns = time_ns, .tid = tid, .attr = attr };
	a->nentries++;
	return 0;
}

/* ---- the section ---- */

static void put_group(struct srz_buf *out, const struct sr_group *g)
{
	size_t len = strlen(g->path);

	srz_put_varint(out, len);
	srz_put_bytes(out, g->path, len);
	srz_put_varint(out, g->version);
	srz_put_varint(out, g->idle);
	srz_put_varint(out, g->weight);
	srz_put_varint(out, g->quota_us);
	srz_put_varint(out, g->period_us);
}

static void put_set(struct srz_buf *out, const struct sr_attr *t)
{
	srz_put_varint(out, t->policy);
	srz_put_varint(out, t->rt_prio);
	srz_put_varint(out, srz_zigzag(t->nice));
	srz_put_varint(out, t->runtime_ns);
	srz_put_varint(out, t->deadline_ns);
	srz_put_varint(out, t->period_ns);
	srz_put_varint(out, t->util_min);
	srz_put_varint(out, t->util_max);
	srz_put_varint(out, t->session);
	srz_put_varint(out, srz_zigzag(t->session_nice));
	srz_put_varint(out, t->mask == SR_ATTR_NONE ? 0 : (uint64_t)t->mask + 1);
	srz_put_varint(out, t->group == SR_ATTR_NONE ? 0 : (uint64_t)t->group + 1);
}

int sr_attrs_put(struct srz_writer *w, const struct sr_attrs *a, struct sr_error *err)
{
	struct srz_buf out = { 0 };
	uint64_t time_ns = 0;
	size_t i;
	int ret;

	if (!a->nentries)
		return 0;
	srz_put_varint(&out, a->nmasks);
	for (i = 0; i < a->nmasks; i++)
		srz_mask_encode(&a->masks[i], &out);
	srz_put_varint(&out, a->ngroups);
	for (i = 0; i < a->ngroups; i++)
		put_group(&out, &a->groups[i]);
	srz_put_varint(&out, a->n);
	for (i = 0; i < a->n; i++)
		put_set(&out, &a->v[i]);
	srz_put_varint(&out, a->nentries);
	for (i = 0; i < a->nentries; i++) {
		srz_put_varint(&out, a->entries[i].time_ns - time_ns);
		srz_put_varint(&out, (uint64_t)a->entries[i].tid);
		srz_put_varint(&out, a->entries[i].attr);
		time_ns = a->entries[i].time_ns;
	}
	if (out.failed)
		ret = sr_fail(err, SR_ENVIRONMENT, "out of memory");
	else if (out.n > SRZ_MAX_SECTION)
		ret = 0; /* may be left out */
	else
		ret = srz_put_section(w, SRZ_SEC_ATTRIBUTES, out.p, out.n, err);
	srz_buf_release(&out);
	return ret;
}

/* How many of something follow, each of at least so many bytes. */
static size_t take_count(struct srz_view *v, size_t max, size_t bytes, const char *bad)
{
	size_t n = srz_take_max(v, max, bad);

	if (!v->bad && n > (size_t)(v->end - v->p) / bytes)
		v->bad = bad;
	return v->bad ? 0 : n;
}

static void take_group(struct srz_view *v, struct sr_attrs *a)
{
	size_t len = srz_take_max(v, MAX_PATH, "has a group's path that is too long");
	const uint8_t *path = srz_take_bytes(v, len);
	struct sr_group *g = path ? room(&a->groups, a->ngroups, &a->groups_cap, sizeof(*g), MAX_GROUPS) : NULL;

	if (!g) {
		if (!v->bad)
			v->bad = SRZ_NO_MEMORY;
		return;
	}
	g->path = strndup((const char *)path, len);
	if (!g->path) {
		v->bad = SRZ_NO_MEMORY;
		return;
	}
	a->ngroups++;
	if (strlen(g->path) != len)
		v->bad = "has a group's path with a NUL inside";
	g->version = (uint8_t)srz_take_max(v, 2, "has a group of an unknown version");
	if (!v->bad && !g->version)
		v->bad = "has a group of an unknown version";
	g->idle = (uint8_t)srz_take_max(v, 1, "has a group's idle out of range");
	g->weight = (uint32_t)srz_take_max(v, UINT32_MAX, "has a weight out of range");
	g->quota_us = srz_take_varint(v);
	g->period_us = srz_take_varint(v);
}

static uint32_t take_index(struct srz_view *v, size_t n)
{
	uint64_t i = srz_take_max(v, n, "has an index out of range");

	return i ? (uint32_t)(i - 1) : SR_ATTR_NONE;
}

static void take_set(struct srz_view *v, struct sr_attrs *a)
{
	struct sr_attr *t = room(&a->v, a->n, &a->cap, sizeof(*t), MAX_SETS);

	if (!t) {
		v->bad = SRZ_NO_MEMORY;
		return;
	}
	a->n++;
	t->policy = (uint8_t)srz_take_max(v, UINT8_MAX, "has a policy out of range");
	t->rt_prio = (uint8_t)srz_take_max(v, 99, "has a priority out of range");
	t->nice = (int8_t)srz_unzigzag(srz_take_max(v, srz_zigzag(-20), "has a nice value out of range"));
	t->runtime_ns = srz_take_varint(v);
	t->deadline_ns = srz_take_varint(v);
	t->period_ns = srz_take_varint(v);
	t->util_min = (uint32_t)srz_take_max(v, 1024, "has a clamp out of range");
	t->util_max = (uint32_t)srz_take_max(v, 1024, "has a clamp out of range");
	t->session = (uint32_t)srz_take_max(v, UINT32_MAX, "has a session out of range");
	t->session_nice = (int8_t)srz_unzigzag(srz_take_max(v, srz_zigzag(-20), "has a nice value out of range"));
	t->mask = take_index(v, a->nmasks);
	t->group = take_index(v, a->ngroups);
}

static void take_entry(struct srz_view *v, struct sr_attrs *a)
{
	uint64_t before = a->nentries ? a->entries[a->nentries - 1].time_ns : 0, step = srz_take_varint(v);
	int32_t tid = (int32_t)srz_take_max(v, INT32_MAX, "has a task id out of range");
	uint32_t attr = (uint32_t)srz_take_varint(v);

	if (step > UINT64_MAX - before)
		v->bad = "has a time out of range";
	else if (!v->bad && attr >= a->n)
		v->bad = "has an index out of range";
	else if (!v->bad && sr_attrs_add(a, before + step, tid, attr) < 0)
		v->bad = SRZ_NO_MEMORY;
}

int sr_attrs_get(const struct srz_reader *r, struct sr_attrs *a, struct sr_error *err)
{
	size_t len, n;
	const uint8_t *p = srz_get_section(r, SRZ_SEC_ATTRIBUTES, &len);
	struct srz_view v = { p, p ? p + len : NULL, NULL };

	*a = (struct sr_attrs){ 0 };
	if (!p)
		return 0;
	for (n = take_count(&v, SRZ_MAX_MASKS, 1, "has too many masks"); n && !v.bad; n--) {
		struct sr_cpumask *m = room(&a->masks, a->nmasks, &a->masks_cap, sizeof(*m), SRZ_MAX_MASKS);

		if (m) {
			a->nmasks++;
			srz_mask_decode(&v, m);
		} else {
			v.bad = SRZ_NO_MEMORY;
		}
	}
	for (n = take_count(&v, MAX_GROUPS, 6, "has too many groups"); n && !v.bad; n--)
		take_group(&v, a);
	for (n = take_count(&v, MAX_SETS, 12, "has too many sets"); n && !v.bad; n--)
		take_set(&v, a);
	for (n = take_count(&v, SRZ_MAX_TASKS, 3, "has too many entries"); n && !v.bad; n--)
		take_entry(&v, a);
	if (!v.bad && v.p != v.end)
		v.bad = "has bytes behind its last entry";
	if (!v.bad)
		return 0;
	sr_attrs_release(a);
	return v.bad == SRZ_NO_MEMORY ? sr_fail(err, SR_ENVIRONMENT, "out of memory") :
					sr_fail(err, SR_DAMAGED, "the attributes section %s", v.bad);
}

const struct sr_attr *sr_attrs_at(const struct sr_attrs *a, uint64_t time_ns, int32_t tid)
{
	size_t lo = 0, hi = a->nentries;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (a->entries[mid].time_ns < time_ns)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < a->nentries && a->entries[lo].time_ns == time_ns; lo++)
		if (a->entries[lo].tid == tid)
			return &a->v[a->entries[lo].attr];
	return NULL;
}
