/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The writer: sections, one behind the other, then the index and the end mark.
 *
 * A write that fails is undone, so the part file stays readable, and a full disk leaves room for the index.
 */
#include "formats/srz_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define RESERVE (16 << 10) /* for the last meta values, the end mark, and blocks that are not full */

struct stream {
	struct sr_event *ev; /* chunk_events of them; NULL until the stream's first event */
	size_t n;
	bool sorted;
	struct srz_key newest;      /* of all events put */
	struct srz_key last, floor; /* of all chunks written; of those before the last one */
	uint64_t *cpu_ns;           /* newest time of each cpu */
};

struct meta {
	char *key;
	size_t len;
};

struct names {
	struct srz_buf text;    /* NUL-terminated, one behind the other */
	struct srz_buf pending; /* the coming names section's entries */
	uint32_t *at, n, cap;   /* offsets into text */
	uint32_t written;
	uint32_t *hash, hash_cap; /* index + 1 */
};

struct srz_writer {
	struct srz_part file;
	unsigned chunk_events;
	uint32_t unit_ns;
	int level;
	struct srz_codec *codec;
	z_stream z;
	bool z_open;
	struct stream stream[SRZ_STREAMS];
	struct sr_event *scratch; /* for sorting */
	struct meta *meta;
	size_t nmeta, meta_bytes;
	struct srz_buf meta_pending;
	struct names names;
	struct srz_buf payload, packed, index;
	uint32_t sections;
	struct srz_totals totals;
	uint64_t events, index_ns; /* index_ns: first time of the last chunk in the index */
};

static int fail_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

static int write_header(struct srz_writer *w, struct sr_error *err)
{
	uint8_t head[SRZ_HEADER_SIZE] = { 0 };
	struct iovec iov = { head, sizeof(head) };

	memcpy(head, SRZ_MAGIC, 8);
	srz_set16(head + 8, SRZ_VERSION);
	srz_set32(head + 16, (uint32_t)crc32(0, head, 16));
	return srz_part_write(&w->file, &iov, 1, err);
}

/* ---- sections ---- */

static int write_payload(struct srz_writer *w, uint32_t id, uint8_t coding, const void *p, size_t len, size_t raw,
			 struct sr_error *err)
{
	uint8_t head[SRZ_SECTION_HEADER];
	struct srz_section s = { .id = id,
				 .coding = coding,
				 .stored = (uint32_t)len,
				 .raw = (uint32_t)raw,
				 .crc = (uint32_t)crc32(0, p, (uInt)len) };
	struct iovec iov[2] = { { head, sizeof(head) }, { (void *)(uintptr_t)p, len } };

	/* the index and the end mark have no entry and no limit: a full file must still be closed */
	if (id != (SRZ_SEC_INDEX | SRZ_MUST) && id != (SRZ_SEC_END | SRZ_MUST)) {
		if (w->sections == SRZ_MAX_SECTIONS || w->index.n > SRZ_MAX_SECTION - 256)
			return sr_fail(err, SR_ENVIRONMENT, "%s: a file cannot hold more than %u sections",
				       w->file.part, w->sections);
		srz_put_varint(&w->index, (uint64_t)(id & ~SRZ_MUST) << 1 | id >> 31);
		srz_put_varint(&w->index, len);
	}
	if (w->index.failed)
		return fail_memory(err);
	srz_section_encode(&s, head);
	return srz_part_write(&w->file, iov, 2, err);
}

static int write_section(struct srz_writer *w, uint32_t id, const void *p, size_t len, struct sr_error *err)
{
	size_t index = w->index.n;
	bool packed;
	int ret;

	w->packed.n = 0;
	packed = w->level && len && srz_deflate(&w->z, 9, Z_DEFAULT_STRATEGY, p, len, &w->packed);
	ret = write_payload(w, id, packed ? SRZ_DEFLATE : SRZ_RAW, packed ? w->packed.p : p, packed ? w->packed.n : len,
			    len, err);
	if (ret)
		w->index.n = index;
	else if (w->index.n != index)
		w->sections++;
	return ret;
}

/* Meta and names that have come since; a chunk's names stand before it. */
static int write_pending(struct srz_writer *w, struct sr_error *err)
{
	struct names *n = &w->names;

	if (w->meta_pending.n) {
		if (write_section(w, SRZ_SEC_META | SRZ_MUST, w->meta_pending.p, w->meta_pending.n, err))
			return -1;
		w->meta_pending.n = 0;
	}
	if (n->written < n->n) {
		w->payload.n = 0;
		srz_put_varint(&w->payload, n->written);
		srz_put_varint(&w->payload, n->n - n->written);
		srz_put_bytes(&w->payload, n->pending.p, n->pending.n);
		if (w->payload.failed || n->pending.failed)
			return fail_memory(err);
		if (write_section(w, SRZ_SEC_NAMES | SRZ_MUST, w->payload.p, w->payload.n, err))
			return -1;
		n->pending.n = 0;
		n->written = n->n;
	}
	return 0;
}

/* ---- events ---- */

/* Natural merge sort by key: events mostly come in order, or as a few ordered runs. Stable. */
static int sort_events(struct srz_writer *w, struct sr_event *ev, size_t n, struct sr_error *err)
{
	size_t a, b, c, i, j, k;

	if (!w->scratch)
		w->scratch = malloc(w->chunk_events * sizeof(*w->scratch));
	if (!w->scratch)
		return fail_memory(err);
	for (;;) {
		for (a = 0; a < n; a = c) {
			for (b = a + 1; b < n && !srz_key_less(srz_key_of(&ev[b]), srz_key_of(&ev[b - 1])); b++)
				;
			if (b >= n && !a)
				return 0;
			if (b >= n)
				break;
			for (c = b + 1; c < n && !srz_key_less(srz_key_of(&ev[c]), srz_key_of(&ev[c - 1])); c++)
				;
			memcpy(w->scratch, ev + a, (b - a) * sizeof(*ev));
			for (i = 0, j = b, k = a; i < b - a; k++) {
				if (j < c && srz_key_less(srz_key_of(&ev[j]), srz_key_of(&w->scratch[i])))
					ev[k] = ev[j++];
				else
					ev[k] = w->scratch[i++];
			}
		}
	}
}

static void put_chunk_entry(struct srz_writer *w, const struct srz_chunk *c)
{
	srz_put_varint(&w->index, c->stream);
	srz_put_varint(&w->index, c->events);
	srz_put_varint(&w->index, c->unit);
	srz_put_varint(&w->index, srz_zigzag((int64_t)(c->first.time_ns - w->index_ns)));
	srz_put_varint(&w->index, (c->last.time_ns - c->first.time_ns) / c->unit);
	srz_put_varint(&w->index, c->first.cpu);
	srz_put_varint(&w->index, c->last.cpu);
	srz_put_varint(&w->index, c->cpus);
}

static int write_chunk(struct srz_writer *w, unsigned stream, struct sr_error *err)
{
	struct stream *s = &w->stream[stream];
	struct srz_totals totals = w->totals;
	size_t index, n = s->n;
	struct srz_chunk c = { .unit = w->unit_ns };

	if (!n)
		return 0;
	if (write_pending(w, err) || (!s->sorted && sort_events(w, s->ev, n, err)))
		return -1;
	w->payload.n = 0;
	if (srz_chunk_encode(w->codec, stream, s->ev, n, &w->payload, &c, &totals, err))
		return -1;
	if (srz_part_reserve(&w->file, w->payload.n + w->index.n + RESERVE, err))
		return -1;
	index = w->index.n;
	if (write_payload(w, SRZ_SEC_EVENTS | SRZ_MUST, SRZ_RAW, w->payload.p, w->payload.n, w->payload.n, err)) {
		w->index.n = index;
		return -1;
	}
	put_chunk_entry(w, &c);
	w->index_ns = c.first.time_ns;
	w->sections++;
	w->totals = totals;
	w->events += n;
	s->n = 0;
	s->sorted = true;
	s->floor = s->last;
	if (srz_key_less(s->last, c.last))
		s->last = c.last;
	return w->index.failed ? fail_memory(err) : 0;
}

static const char *event_fault(const struct sr_event *ev)
{
	int32_t a = 0, b = 0;
	unsigned cpu_a = 0, cpu_b = 0;

	switch (ev->kind) {
	case SR_EV_SWITCH:
		a = ev->u.sw.prev;
		b = ev->u.sw.next;
		if (ev->u.sw.prev_state >= SR_STATES)
			return "a task state";
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		a = ev->u.wake.tid;
		cpu_a = ev->u.wake.target_cpu;
		break;
	case SR_EV_MIGRATE:
		a = ev->u.migrate.tid;
		cpu_a = ev->u.migrate.from;
		cpu_b = ev->u.migrate.to;
		break;
	case SR_EV_FORK:
		a = ev->u.fork.parent;
		b = ev->u.fork.child;
		break;
	case SR_EV_EXEC:
		a = ev->u.exec.tid;
		b = ev->u.exec.old_tid;
		break;
	case SR_EV_EXIT:
		a = ev->u.exit.tid;
		if (ev->u.exit.group_dead > 2)
			return "group_dead";
		break;
	case SR_EV_RENAME:
	case SR_EV_COMM:
		a = ev->u.rename.tid;
		break;
	case SR_EV_NEWTASK:
		a = ev->u.newtask.tid;
		break;
	case SR_EV_LOST:
		break;
	case SR_EV_DECISION:
		a = ev->u.decision.tid;
		cpu_a = (unsigned)(ev->u.decision.from + 1) > SR_MAX_CPUS ? SR_MAX_CPUS : 0;
		cpu_b = (unsigned)(ev->u.decision.to + 1) > SR_MAX_CPUS ? SR_MAX_CPUS : 0;
		if (ev->u.decision.cause >= SR_CAUSES)
			return "a cause";
		break;
	case SR_EV_BIND:
		a = ev->u.bind.tid;
		break;
	case SR_EV_FREQUENCY:
		cpu_a = ev->u.frequency.target_cpu;
		break;
	case SR_EV_IDLE:
		cpu_a = ev->u.idle.target_cpu;
		break;
	default:
		return "the kind";
	}
	if (ev->ctx < 0 || a < 0 || b < 0)
		return "a tid";
	if (cpu_a >= SR_MAX_CPUS || cpu_b >= SR_MAX_CPUS)
		return "a cpu of the event's fields";
	return ev->flags & ~SR_EV_FILE_FLAGS ? "the flags" : NULL;
}

static int put_event(struct srz_writer *w, unsigned stream, const struct sr_event *ev, struct sr_error *err)
{
	struct stream *s = &w->stream[stream];
	uint64_t time_ns = w->unit_ns == 1 ? ev->time_ns : ev->time_ns - ev->time_ns % w->unit_ns;
	struct srz_key key = { time_ns, ev->cpu };
	const char *fault = ev->cpu < SR_MAX_CPUS ? event_fault(ev) : "the cpu";

	if (fault)
		return sr_fail(err, SR_BUG, "an event to write (kind %u at %llu ns, cpu %u) has %s out of range",
			       ev->kind, (unsigned long long)ev->time_ns, ev->cpu, fault);
	if (time_ns < s->cpu_ns[ev->cpu])
		return sr_fail(err, SR_BUG, "an event to write goes back in time on cpu %u: %llu ns after %llu ns",
			       ev->cpu, (unsigned long long)ev->time_ns, (unsigned long long)s->cpu_ns[ev->cpu]);
	if (srz_key_less(key, s->newest)) {
		if (srz_key_less(key, s->floor))
			return sr_fail(err, SR_BUG,
				       "an event to write (%llu ns, cpu %u) comes too late: "
				       "%llu ns is long written",
				       (unsigned long long)ev->time_ns, ev->cpu, (unsigned long long)s->floor.time_ns);
		s->sorted = false;
	} else {
		s->newest = key;
	}
	s->cpu_ns[ev->cpu] = time_ns;
	s->ev[s->n] = *ev;
	s->ev[s->n++].time_ns = time_ns;
	if (s->n < w->chunk_events || !write_chunk(w, stream, err))
		return 0;
	w->file.failed = true; /* also when memory ran out: there is no room for a next event */
	return -1;
}

int srz_put_events(struct srz_writer *w, enum srz_stream stream, const struct sr_event *ev, size_t n,
		   struct sr_error *err)
{
	struct stream *s = &w->stream[stream];
	size_t i;

	if (w->file.failed)
		return sr_fail(err, SR_ENVIRONMENT, "%s: nothing more is written after a write that failed",
			       w->file.part);
	if (!s->ev) {
		s->ev = malloc(w->chunk_events * sizeof(*s->ev));
		s->cpu_ns = calloc(SR_MAX_CPUS, sizeof(*s->cpu_ns));
		s->sorted = true;
		if (!s->ev || !s->cpu_ns) {
			free(s->ev);
			free(s->cpu_ns);
			s->ev = NULL;
			s->cpu_ns = NULL;
			return fail_memory(err);
		}
	}
	for (i = 0; i < n; i++)
		if (put_event(w, stream, &ev[i], err))
			return -1;
	return 0;
}

int srz_flush(struct srz_writer *w, struct sr_error *err)
{
	unsigned i;

	for (i = 0; i < SRZ_STREAMS; i++)
		if (write_chunk(w, i, err))
			return -1;
	return write_pending(w, err);
}

uint64_t srz_bytes_written(const struct srz_writer *w)
{
	return w->file.offset;
}

int srz_write_errno(const struct srz_writer *w)
{
	return w->file.error;
}

uint64_t srz_events_written(const struct srz_writer *w)
{
	return w->events + w->stream[0].n + w->stream[1].n;
}

/* ---- meta, names and other sections ---- */

/* The length of a text cut to max bytes, not in the middle of a UTF-8 character. */
static size_t cut_text(const char *s, size_t max)
{
	size_t len = strnlen(s, max + 1);

	if (len <= max)
		return len;
	for (len = max; len && ((unsigned char)s[len] & 0xc0) == 0x80; len--)
		;
	return len;
}

int srz_put_meta(struct srz_writer *w, const char *key, const char *value, struct sr_error *err)
{
	size_t klen = strlen(key), vlen = cut_text(value, SRZ_MAX_META_VALUE), i;
	struct meta *m;

	if (!klen || klen > SRZ_MAX_META_KEY)
		return sr_fail(err, SR_BUG, "a meta key must have 1 to %d bytes", SRZ_MAX_META_KEY);
	for (i = 0; i < w->nmeta && strcmp(w->meta[i].key, key); i++)
		;
	if (i == w->nmeta) {
		m = w->nmeta < SRZ_MAX_META_KEYS ? realloc(w->meta, (i + 1) * sizeof(*m)) : NULL;
		if (!m)
			return sr_fail(err, SR_ENVIRONMENT, "no room for the meta value %s", key);
		w->meta = m;
		m[i] = (struct meta){ .key = strdup(key) };
		if (!m[i].key)
			return fail_memory(err);
		w->nmeta++;
		w->meta_bytes += klen;
	}
	m = &w->meta[i];
	if (w->meta_bytes - m->len + vlen > SRZ_MAX_META_BYTES)
		return sr_fail(err, SR_ENVIRONMENT,
			       "no room for the meta value %s: all together are limited to %u bytes", key,
			       SRZ_MAX_META_BYTES);
	/* replaced values that were never written must not pile up either */
	if (w->meta_pending.n > SRZ_MAX_META_BYTES && !w->file.failed && write_pending(w, err))
		return -1;
	w->meta_bytes += vlen - m->len;
	m->len = vlen;
	srz_put_varint(&w->meta_pending, klen);
	srz_put_bytes(&w->meta_pending, key, klen);
	srz_put_varint(&w->meta_pending, vlen);
	srz_put_bytes(&w->meta_pending, value, vlen);
	return w->meta_pending.failed ? fail_memory(err) : 0;
}

int srz_put_meta_u64(struct srz_writer *w, const char *key, uint64_t value, struct sr_error *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return srz_put_meta(w, key, text, err);
}

int srz_put_tasks(struct srz_writer *w, const struct sr_task_starts *tasks, struct sr_error *err)
{
	w->payload.n = 0;
	if (srz_tasks_encode(tasks, &w->payload, err))
		return -1;
	if (w->payload.n > SRZ_MAX_SECTION)
		return sr_fail(err, SR_ENVIRONMENT, "the start state of %zu tasks does not fit into a section",
			       tasks->n);
	return write_section(w, SRZ_SEC_TASKS | SRZ_MUST, w->payload.p, w->payload.n, err);
}

int srz_put_section(struct srz_writer *w, uint32_t id, const void *data, size_t len, struct sr_error *err)
{
	if ((id & ~SRZ_MUST) <= SRZ_SEC_TASKS)
		return sr_fail(err, SR_BUG, "section id %u is the writer's own", id & ~SRZ_MUST);
	if (len > SRZ_MAX_SECTION)
		return sr_fail(err, SR_BUG, "a section of %zu bytes is longer than the limit of %u", len,
			       SRZ_MAX_SECTION);
	return write_section(w, id, data, len, err);
}

static uint32_t hash_text(const char *s, size_t len)
{
	uint32_t h = 2166136261u;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 16777619u;
	return h;
}

/* The place of this text in the hash: its own, or the empty one where it belongs. */
static uint32_t *names_find(struct names *n, const char *s, size_t len)
{
	uint32_t i = hash_text(s, len) & (n->hash_cap - 1);

	for (; n->hash[i]; i = (i + 1) & (n->hash_cap - 1)) {
		const char *have = (const char *)n->text.p + n->at[n->hash[i] - 1];

		if (!strncmp(have, s, len) && !have[len])
			break;
	}
	return &n->hash[i];
}

static bool names_grow(struct names *n)
{
	uint32_t cap = n->cap ? n->cap * 2 : 256, i, *at, *hash;

	at = realloc(n->at, cap * sizeof(*at));
	if (!at)
		return false;
	n->at = at;
	hash = calloc((size_t)cap * 2, sizeof(*hash));
	if (!hash)
		return false;
	free(n->hash);
	n->hash = hash;
	n->hash_cap = cap * 2;
	n->cap = cap;
	for (i = 0; i < n->n; i++) {
		const char *s = (const char *)n->text.p + n->at[i];

		*names_find(n, s, strlen(s)) = i + 1;
	}
	return true;
}

uint32_t srz_put_name(struct srz_writer *w, const char *name, struct sr_error *err)
{
	size_t len = cut_text(name, SRZ_MAX_NAME);
	struct names *n = &w->names;
	uint32_t *place;

	if (n->n == n->cap && !names_grow(n)) {
		fail_memory(err);
		return UINT32_MAX;
	}
	place = names_find(n, name, len);
	if (*place)
		return *place - 1;
	if (n->n == SRZ_MAX_NAMES || n->text.n + len + 1 > SRZ_MAX_NAME_BYTES) {
		sr_fail(err, SR_ENVIRONMENT, "%s: a file cannot hold more names than %u", w->file.part, n->n);
		return UINT32_MAX;
	}
	/* one section must hold what is pending */
	if (n->pending.n > SRZ_MAX_SECTION / 2 && write_pending(w, err))
		return UINT32_MAX;
	n->at[n->n] = (uint32_t)n->text.n;
	srz_put_bytes(&n->text, name, len);
	srz_put_bytes(&n->text, "", 1);
	srz_put_varint(&n->pending, len);
	srz_put_bytes(&n->pending, name, len);
	if (n->text.failed || n->pending.failed) {
		fail_memory(err);
		return UINT32_MAX;
	}
	*place = ++n->n;
	return n->n - 1;
}

/* ---- life ---- */

static void writer_free(struct srz_writer *w)
{
	size_t i;

	for (i = 0; i < SRZ_STREAMS; i++) {
		free(w->stream[i].ev);
		free(w->stream[i].cpu_ns);
	}
	for (i = 0; i < w->nmeta; i++)
		free(w->meta[i].key);
	free(w->meta);
	free(w->scratch);
	free(w->names.at);
	free(w->names.hash);
	srz_buf_release(&w->names.text);
	srz_buf_release(&w->names.pending);
	srz_buf_release(&w->meta_pending);
	srz_buf_release(&w->payload);
	srz_buf_release(&w->packed);
	srz_buf_release(&w->index);
	if (w->z_open)
		deflateEnd(&w->z);
	srz_codec_free(w->codec);
	srz_part_release(&w->file);
	free(w);
}

struct srz_writer *srz_create(const char *path, unsigned chunk_events, struct sr_error *err)
{
	struct srz_writer *w = calloc(1, sizeof(*w));

	if (!w) {
		fail_memory(err);
		return NULL;
	}
	w->chunk_events = chunk_events ? chunk_events : SRZ_DEFAULT_CHUNK_EVENTS;
	if (w->chunk_events > SRZ_MAX_CHUNK_EVENTS)
		w->chunk_events = SRZ_MAX_CHUNK_EVENTS;
	w->level = SRZ_LEVEL;
	w->unit_ns = 1;
	if (srz_part_open(&w->file, path, err))
		goto fail;
	w->codec = srz_codec_new(SRZ_ENCODE, err);
	w->z_open = deflateInit2(&w->z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK;
	if (!w->codec || !w->z_open) {
		fail_memory(err);
		srz_abort(w);
		return NULL;
	}
	if (write_header(w, err)) {
		srz_abort(w);
		return NULL;
	}
	return w;
fail:
	writer_free(w);
	return NULL;
}

int srz_set_time_unit(struct srz_writer *w, uint32_t ns, struct sr_error *err)
{
	if (!ns || ns > SRZ_MAX_TIME_UNIT)
		return sr_fail(err, SR_BUG, "a time unit of %u ns is not within 1 to %u", ns, SRZ_MAX_TIME_UNIT);
	if (srz_events_written(w))
		return sr_fail(err, SR_BUG, "the time unit must be set before the first event");
	w->unit_ns = ns;
	return srz_put_meta_u64(w, "time.resolution_ns", ns, err);
}

void srz_writer_set_level(struct srz_writer *w, int level)
{
	w->level = level;
	srz_codec_set_level(w->codec, level);
}

static int write_index(struct srz_writer *w, struct sr_error *err)
{
	unsigned kinds = 0, i;
	uint64_t at = w->file.offset;
	uint8_t end[SRZ_END_PAYLOAD];

	w->payload.n = 0;
	srz_put_varint(&w->payload, w->sections);
	srz_put_bytes(&w->payload, w->index.p, w->index.n);
	for (i = 1; i < SR_EV_KINDS; i++)
		kinds += w->totals.by_kind[i] != 0;
	srz_put_varint(&w->payload, kinds);
	for (i = 1; i < SR_EV_KINDS; i++) {
		if (!w->totals.by_kind[i])
			continue;
		srz_put_varint(&w->payload, i);
		srz_put_varint(&w->payload, w->totals.by_kind[i]);
	}
	srz_put_varint(&w->payload, w->totals.lost);
	srz_put_varint(&w->payload, w->totals.cpus);
	if (w->payload.failed)
		return fail_memory(err);
	if (write_section(w, SRZ_SEC_INDEX | SRZ_MUST, w->payload.p, w->payload.n, err))
		return -1;
	srz_set64(end, at);
	srz_set64(end + 8, w->file.offset + SRZ_SECTION_HEADER + SRZ_END_PAYLOAD);
	return write_payload(w, SRZ_SEC_END | SRZ_MUST, SRZ_RAW, end, sizeof(end), sizeof(end), err);
}

static int finish(struct srz_writer *w, struct sr_error *err)
{
	/* after a write that failed the events since are gone, and their caller knows; the rest is completed */
	if ((w->file.failed ? write_pending(w, err) : srz_flush(w, err)) || write_index(w, err))
		return -1;
	return srz_part_finish(&w->file, err);
}

int srz_close(struct srz_writer *w, struct sr_error *err)
{
	int ret = finish(w, err);

	writer_free(w);
	return ret;
}

void srz_abort(struct srz_writer *w)
{
	if (!w)
		return;
	srz_part_remove(&w->file);
	writer_free(w);
}
