/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/import_internal.h"

#define WINDOW (1u << 20)

int sr_import_pread(int fd, void *to, size_t len, uint64_t offset, struct sr_error *err)
{
	while (len) {
		ssize_t n = pread(fd, to, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sr_fail_errno(err, SR_ENVIRONMENT, "cannot read it");
		if (!n)
			return sr_fail(err, SR_DAMAGED, "it is cut: %zu bytes are missing at %llu", len,
				       (unsigned long long)offset);
		to = (char *)to + n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int sr_runs_init(struct sr_runs *r, int fd, struct sr_error *err)
{
	*r = (struct sr_runs){ .fd = fd };
	r->cpu = calloc(SR_MAX_CPUS, sizeof(*r->cpu));
	return r->cpu ? 0 : sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

void sr_runs_release(struct sr_runs *r)
{
	for (unsigned i = 0; r->cpu && i < SR_MAX_CPUS; i++)
		free(r->cpu[i].buf);
	free(r->cpu);
	free(r->v);
	*r = (struct sr_runs){ .fd = -1 };
}

int sr_runs_add(struct sr_runs *r, unsigned cpu, uint64_t offset, uint32_t len, bool join, struct sr_error *err)
{
	struct sr_run_cpu *c = &r->cpu[cpu];
	struct sr_run *last = r->v && c->last ? &r->v[c->last - 1] : NULL;

	if (join && last && last->offset + last->len == offset && last->len + len <= SR_RUN_BYTES) {
		last->len += len;
		return 0;
	}
	if (r->n == SR_RUNS_MOST)
		return sr_fail(err, SR_DAMAGED, "its CPUs' data lie in more than %u pieces", SR_RUNS_MOST);
	if (!r->v || r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 1024;
		struct sr_run *v = realloc(r->v, cap * sizeof(*v));

		if (!v)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		r->v = v;
		r->cap = cap;
	}
	r->v[r->n++] = (struct sr_run){ .offset = offset, .len = len };
	if (last)
		r->v[c->last - 1].next = (uint32_t)r->n;
	else
		c->first = (uint32_t)r->n;
	c->last = (uint32_t)r->n;
	if (cpu >= r->ncpus)
		r->ncpus = cpu + 1;
	return 0;
}

int sr_runs_load(struct sr_runs *r, unsigned cpu, struct sr_error *err)
{
	struct sr_run_cpu *c = &r->cpu[cpu];
	const struct sr_run *run;

	c->now = c->now ? r->v[c->now - 1].next : c->first;
	if (!c->now) {
		c->now = c->last; /* and stays at the end */
		c->p = c->end = NULL;
		return 0;
	}
	run = &r->v[c->now - 1];
	if (run->len > c->cap) {
		uint8_t *buf = realloc(c->buf, run->len);

		if (!buf)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		c->buf = buf;
		c->cap = run->len;
	}
	if (sr_import_pread(r->fd, c->buf, run->len, run->offset, err))
		return -1;
	r->done += run->len;
	c->p = c->buf;
	c->end = c->buf + run->len;
	return 1;
}

int sr_window_init(struct sr_window *w, int fd, struct sr_error *err)
{
	struct stat st;

	*w = (struct sr_window){ .fd = fd };
	if (fstat(fd, &st))
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot read it");
	if (!S_ISREG(st.st_mode))
		return sr_fail(err, SR_ENVIRONMENT, "it is not a regular file, and is read twice");
	w->size = (uint64_t)st.st_size;
	return 0;
}

void sr_window_release(struct sr_window *w)
{
	free(w->buf);
	*w = (struct sr_window){ .fd = -1 };
}

const uint8_t *sr_window_get(struct sr_window *w, uint64_t offset, size_t len, struct sr_error *err)
{
	size_t want = len < WINDOW ? WINDOW : len;

	if (offset > w->size || len > w->size - offset) {
		sr_fail(err, SR_DAMAGED, "it is cut: it ends at %llu, within what begins at %llu",
			(unsigned long long)w->size, (unsigned long long)offset);
		return NULL;
	}
	if (offset >= w->at && offset - w->at <= w->n && len <= w->n - (offset - w->at))
		return w->buf + (offset - w->at);
	if (want > w->size - offset)
		want = (size_t)(w->size - offset);
	if (want > w->cap || !w->buf) {
		uint8_t *buf = realloc(w->buf, want ? want : 1);

		if (!buf) {
			sr_fail(err, SR_ENVIRONMENT, "out of memory");
			return NULL;
		}
		w->buf = buf;
		w->cap = want;
	}
	w->n = 0;
	if (sr_import_pread(w->fd, w->buf, want, offset, err))
		return NULL;
	w->at = offset;
	w->n = want;
	return w->buf;
}
