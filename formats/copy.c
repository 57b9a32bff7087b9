/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void sr_copy_init(struct sr_copy *c, struct srz_writer *w)
{
	memset(c, 0, sizeof(*c));
	c->w = w;
}

void sr_copy_release(struct sr_copy *c)
{
	free(c->name);
	c->name = NULL;
	c->names = 0;
}

void sr_copy_from(struct sr_copy *c, struct srz_reader *r)
{
	sr_copy_release(c);
	c->r = r;
}

int sr_copy_flush(struct sr_copy *c, struct sr_error *err)
{
	size_t n = c->n;

	c->n = 0;
	return n ? srz_put_events(c->w, c->stream, c->ev, n, err) : 0;
}

/* A name that the source does not know stays one. */
static int copy_name(struct sr_copy *c, uint32_t *name, struct sr_error *err)
{
	const char *text = srz_name_at(c->r, *name);
	uint32_t to;

	if (*name < c->names && c->name[*name]) {
		*name = c->name[*name] - 1;
		return 0;
	}
	if (!strcmp(text, "?")) {
		*name = UINT32_MAX;
		return 0;
	}
	if (*name >= c->names) {
		size_t cap = c->names ? c->names : 1024;
		uint32_t *v;

		while (cap <= *name)
			cap *= 2;
		v = realloc(c->name, cap * sizeof(*v));
		if (!v)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		memset(v + c->names, 0, (cap - c->names) * sizeof(*v));
		c->name = v;
		c->names = cap;
	}
	to = srz_put_name(c->w, text, err);
	if (to == UINT32_MAX)
		return -1;
	c->name[*name] = to + 1;
	*name = to;
	return 0;
}

int sr_copy_event(struct sr_copy *c, enum srz_stream stream, const struct sr_event *ev, struct sr_error *err)
{
	struct sr_event *to;

	if ((c->n == SR_COPY_BATCH || (c->n && c->stream != stream)) && sr_copy_flush(c, err))
		return -1;
	c->stream = stream;
	to = &c->ev[c->n];
	*to = *ev;
	if (ev->kind == SR_EV_EXEC && copy_name(c, &to->u.exec.name, err))
		return -1;
	if ((ev->kind == SR_EV_COMM || ev->kind == SR_EV_RENAME) && copy_name(c, &to->u.rename.name, err))
		return -1;
	c->n++;
	return 0;
}

static bool listed(const char *key, const char *const *list)
{
	for (; *list; list++) {
		size_t len = strlen(*list);

		if (len && (*list)[len - 1] == '*' ? !strncmp(key, *list, len - 1) : !strcmp(key, *list))
			return true;
	}
	return false;
}

int sr_copy_meta(struct srz_writer *w, const struct srz_reader *r, const char *const *but, struct sr_error *err)
{
	for (size_t i = 0; i < srz_meta_count(r); i++) {
		const char *key, *value;

		srz_meta_at(r, i, &key, &value);
		if (!listed(key, but) && srz_put_meta(w, key, value, err))
			return -1;
	}
	return 0;
}

int sr_copy_sections(struct srz_writer *w, const struct srz_reader *r, struct sr_error *err)
{
	static const uint32_t kept[] = { SRZ_SEC_MACHINE, SRZ_SEC_ATTRIBUTES };
	size_t i, len;

	for (i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		const void *p = srz_get_section(r, kept[i], &len);

		if (p && srz_put_section(w, kept[i], p, len, err))
			return -1;
	}
	return 0;
}

uint32_t sr_copy_unit(const struct srz_reader *r)
{
	uint32_t unit = srz_get_info(r)->time_unit_ns;
	uint64_t v;

	return sr_meta_u64(r, "time.resolution_ns", &v) && v == unit ? unit : 1;
}

bool sr_meta_u64(const struct srz_reader *r, const char *key, uint64_t *v)
{
	const char *text = srz_get_meta(r, key);
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*v = strtoull(text, &end, 10);
	return !*end && !errno;
}

int sr_span_of(struct srz_reader *r, struct sr_span *out, struct sr_error *err)
{
	const struct srz_info *info = srz_get_info(r);
	uint64_t start, duration;
	struct sr_event ev = { 0 };
	int got;

	if (srz_rewind(r, err))
		return -1;
	got = srz_next(r, &ev, err);
	if (got < 0 || srz_rewind(r, err))
		return -1;
	*out = (struct sr_span){ .first_ns = ev.time_ns, .last_ns = ev.time_ns };
	if (info->last_ns > out->last_ns)
		out->last_ns = info->last_ns;
	/* A start behind the first event says nothing about this clock. */
	out->stated = sr_meta_u64(r, "start.mono_ns", &start) && (!got || start <= out->first_ns);
	out->start_ns = out->stated ? start : out->first_ns;
	if (!got)
		out->first_ns = out->last_ns = out->start_ns;
	out->end_ns = out->last_ns;
	if (sr_meta_u64(r, "duration_ns", &duration) && duration <= UINT64_MAX - out->start_ns &&
	    out->start_ns + duration >= out->last_ns)
		out->end_ns = out->start_ns + duration;
	return 0;
}

static bool same_file(const char *path, const struct stat *st)
{
	struct stat other;

	return !stat(path, &other) && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

bool sr_would_replace(const char *output, const char *source)
{
	struct stat st;
	char *part = NULL;
	bool same;

	if (stat(source, &st))
		return false;
	same = same_file(output, &st);
	if (!same && asprintf(&part, "%s.part", output) >= 0)
		same = same_file(part, &st);
	free(part);
	return same;
}
