/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/output.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/snapshot.h"
#include "record/closer.h"
#include "record/internal.h"
#include "record/ring.h"

/* A crash loses no more than this, and what is not drained yet. Small chunks cost bytes: 6,000 events a chunk 12%. */
#define FLUSH_NS 3000000000u
#define FLUSH_EVENTS 16384 /* fewer wait ... */
#define FLUSH_FEW_NS 12000000000u
#define PORTION 256 /* events at a time; the smallest chunk at the end of a bounded file */
/* What a bounded file counts with before it knows: more than any event, chunk, index entry and end can take. */
#define EVENT_BYTES 64
#define CHUNK_BYTES 4096
#define ENTRY_BYTES 64
#define TAIL_BYTES 8192
#define CHUNK_EVENTS 65536
#define SLICE_CHUNK_EVENTS 32768     /* two slices at a time have an encoder: one ends, the next begins */
#define DUMP_CHUNK_EVENTS 16384      /* memory is what a ring is short of */
#define RING_OWN_BYTES (42ull << 20) /* of the process beside its packed events, with tids up to 4 million */
#define DUMP_BLOCKS_ON_EVENTS 1      /* a dump goes on faster than events come ... */
#define DUMP_BLOCKS_ON_TICK 8        /* ... and without them too, but stops the draining for no more than some 30 ms */

struct slice {
	unsigned number;
	uint64_t bytes;
};

struct span {
	uint64_t kept_ns;
	bool squeezed;
};

struct rec_output {
	struct rec_output_config cfg;
	int stem_len; /* of the path without .srz */
	struct srz_writer *w;
	struct rec_part part;
	uint64_t pending;    /* events put and not known to be written */
	uint64_t name_bytes; /* likewise */
	uint64_t flushes, part_events, flushed_ns;
	uint64_t start_ns, full_ns;
	bool failed;
	struct rec_names names; /* slices and ring: each file numbers its own */
	struct rec_closer closer;
	bool closing;               /* it has this one: */
	struct slice closing_slice; /* with the most bytes that it may have */
	struct span closing_span;
	int close_errno;
	/* slices */
	struct sr_snapshot *snapshot;
	uint64_t slice_end_ns, done_bytes;
	struct slice *done; /* complete and there, the oldest first */
	size_t ndone, done_cap;
	/* ring */
	struct rec_ring ring;
	uint64_t dump_next, dump_end, now_ns;
	unsigned asked, dumps;
	bool dump_failed, squeezed;
	struct sr_error dump_error;
	struct rec_output_stats stats;
};

static bool numbered(const struct rec_output *o)
{
	return o->cfg.slice_ns || o->cfg.ring_ns;
}

static unsigned chunk_events(const struct rec_output *o)
{
	return o->cfg.ring_ns ? DUMP_CHUNK_EVENTS : o->cfg.slice_ns ? SLICE_CHUNK_EVENTS : CHUNK_EVENTS;
}

void rec_output_path(const struct rec_output *o, unsigned number, char *buf, size_t size)
{
	if (number)
		snprintf(buf, size, "%.*s-%04u.srz", o->stem_len, o->cfg.path, number);
	else
		snprintf(buf, size, "%s", o->cfg.path);
}

const struct rec_output_stats *rec_output_get_stats(const struct rec_output *o)
{
	return &o->stats;
}

/* ---- names: without numbered files the writer's own, else of o->names ---- */

static const char *name_of(void *arg, uint32_t name)
{
	const struct rec_output *o = arg;

	return rec_names_get(&o->names, name);
}

uint32_t rec_output_name(void *arg, const char *name, struct sr_error *err)
{
	struct rec_output *o = arg;
	uint32_t id;

	if (!numbered(o)) {
		o->name_bytes += strlen(name) + 8;
		return srz_put_name(o->w, name, err);
	}
	id = rec_names_put(&o->names, name, strlen(name));
	if (id)
		return id;
	sr_fail(err, SR_ENVIRONMENT, "out of memory");
	return UINT32_MAX;
}

static uint32_t *name_in(struct sr_event *ev)
{
	if (ev->kind == SR_EV_EXEC)
		return &ev->u.exec.name;
	return ev->kind == SR_EV_RENAME || ev->kind == SR_EV_COMM ? &ev->u.rename.name : NULL;
}

/* ---- a bounded file ---- */

static uint64_t most_bytes(const struct rec_output *o)
{
	return srz_bytes_written(o->w) + o->pending * EVENT_BYTES + o->name_bytes + CHUNK_BYTES +
	       o->flushes * ENTRY_BYTES + TAIL_BYTES;
}

static int flush(struct rec_output *o, struct sr_error *err)
{
	o->flushes += 3; /* meta, names, events */
	o->pending = o->name_bytes = 0;
	return srz_flush(o->w, err);
}

/* Makes the event's name one of the writer's. 0: its bytes are too many for the room; -1. */
static int take_name(struct rec_output *o, struct sr_event *ev, uint64_t room, struct sr_error *err)
{
	uint32_t *name = name_in(ev);
	struct rec_name *known;
	size_t len;

	if (!numbered(o) || !name || *name == UINT32_MAX)
		return 1;
	known = &o->names.v[*name];
	if (known->sink == UINT32_MAX) {
		len = strlen(rec_names_get(&o->names, *name)) + 8;
		if (o->name_bytes + len > room)
			return 0;
		o->name_bytes += len;
		known->sink = srz_put_name(o->w, rec_names_get(&o->names, *name), err);
	}
	*name = known->sink;
	return *name == UINT32_MAX ? -1 : 1;
}

/* An event that came too late for its slice, which ended on time without it. */
static void keep_in_slice(const struct rec_output *o, struct sr_event *ev)
{
	if (o->cfg.slice_ns && o->part.number > 1 && ev->time_ns < o->part.first_ns)
		ev->time_ns = o->part.first_ns;
}

/* Puts up to n <= PORTION events, *taken of them, as far as their names have room. */
static int put_portion(struct rec_output *o, const struct sr_event *ev, size_t n, uint64_t limit, size_t *taken,
		       struct sr_error *err)
{
	uint64_t used = most_bytes(o) + n * EVENT_BYTES, room = limit > used ? limit - used + o->name_bytes : 0;
	struct sr_event own[PORTION];
	int rc = 1;

	for (*taken = 0; *taken < n; ++*taken) {
		own[*taken] = ev[*taken];
		keep_in_slice(o, &own[*taken]);
		rc = take_name(o, &own[*taken], room, err);
		if (rc <= 0)
			break;
	}
	if (rc < 0 || srz_put_events(o->w, SRZ_STREAM_KERNEL, own, *taken, err))
		return -1;
	o->pending += *taken;
	o->part_events += *taken;
	if (o->pending >= chunk_events(o)) {
		o->pending -= chunk_events(o);
		o->flushes += 3;
	}
	return 0;
}

/* As many as certainly fit below the limit: *taken. Nearer to it chunks become smaller, for only what is written has
 * a size that is known. */
static int put_limited(struct rec_output *o, const struct sr_event *ev, size_t n, uint64_t limit, size_t *taken,
		       struct sr_error *err)
{
	size_t more;

	for (*taken = 0; *taken < n; *taken += more) {
		uint64_t used = most_bytes(o), fit = used < limit ? (limit - used) / EVENT_BYTES : 0;
		size_t left = n - *taken;

		more = 0;
		if (fit < left && fit < PORTION) {
			if (!o->pending && !o->name_bytes)
				return 0;
			if (flush(o, err))
				return -1;
			continue;
		}
		if (left > PORTION)
			left = PORTION;
		if (put_portion(o, ev + *taken, left, limit, &more, err))
			return -1;
		if (!more && !o->pending)
			return 0;
		if (!more && flush(o, err))
			return -1;
	}
	return 0;
}

/* ---- files ---- */

static int open_part(struct rec_output *o, unsigned number, uint64_t first_ns, struct sr_error *err)
{
	char path[PATH_MAX];

	rec_output_path(o, number, path, sizeof(path));
	o->part = (struct rec_part){ .number = number, .first_ns = first_ns, .removed = o->stats.removed };
	o->pending = o->name_bytes = o->part_events = 0;
	o->flushes = 3;
	rec_names_forget_sink(&o->names);
	o->w = srz_create(path, chunk_events(o), err);
	return o->w ? 0 : -1;
}

static int begin_part(struct rec_output *o, const struct sr_task_starts *starts, struct sr_error *err)
{
	return o->cfg.head(o->cfg.arg, o->w, &o->part, err) || srz_put_tasks(o->w, starts, err) || flush(o, err) ? -1 :
														   0;
}

/* The same, with the tasks as they are where a snapshot stands. */
static int begin_part_at(struct rec_output *o, const struct sr_snapshot *at, struct sr_error *err)
{
	struct sr_task_starts starts = { 0 };
	int rc = sr_snapshot_take(at, &starts, err) || begin_part(o, &starts, err) ? -1 : 0;

	sr_task_starts_release(&starts);
	return rc;
}

static int note_done(struct rec_output *o, unsigned number, struct sr_error *err)
{
	char path[PATH_MAX];
	struct stat st;

	rec_output_path(o, number, path, sizeof(path));
	st.st_size = 0;
	stat(path, &st); /* gone already? Then it takes nothing */
	o->stats.files++;
	o->stats.last_number = number;
	o->stats.bytes += (uint64_t)st.st_size;
	if (!o->cfg.slice_ns)
		return 0;
	if (o->ndone == o->done_cap) {
		size_t cap = o->done_cap ? o->done_cap * 2 : 64;
		struct slice *v = realloc(o->done, cap * sizeof(*v));

		if (!v)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		o->done = v;
		o->done_cap = cap;
	}
	o->done[o->ndone++] = (struct slice){ number, (uint64_t)st.st_size };
	o->done_bytes += (uint64_t)st.st_size;
	return 0;
}

static void note_span(struct rec_output *o, const struct span *span)
{
	o->stats.kept_ns = span->kept_ns;
	o->stats.squeezed = span->squeezed;
}

static struct span span_of(const struct rec_output *o)
{
	const struct rec_part *p = &o->part;

	return (struct span){ p->last_ns > p->first_ns ? p->last_ns - p->first_ns : 0, o->squeezed };
}

/* Waits for the file that is being closed, which then counts. */
static int join_closing(struct rec_output *o, struct sr_error *err)
{
	if (!o->closing)
		return 0;
	o->closing = false;
	if (rec_closer_wait(&o->closer, &o->close_errno, err))
		return -1;
	note_span(o, &o->closing_span);
	return note_done(o, o->closing_slice.number, err);
}

static int close_part(struct rec_output *o, uint64_t last_ns, struct sr_error *err)
{
	o->part.last_ns = last_ns;
	if (join_closing(o, err) || o->cfg.tail(o->cfg.arg, o->w, &o->part, err))
		return -1;
	o->closing_slice = (struct slice){ o->part.number, most_bytes(o) };
	o->closing_span = span_of(o);
	o->closing = true;
	rec_closer_give(&o->closer, o->w);
	o->w = NULL;
	return 0;
}

/* ---- slices ---- */

static uint64_t slice_limit(const struct rec_output *o)
{
	uint64_t others = o->done_bytes + (o->closing ? o->closing_slice.bytes : 0);
	uint64_t left = o->cfg.max_bytes > others ? o->cfg.max_bytes - others : 0;

	if (!o->cfg.max_bytes)
		return UINT64_MAX;
	return left < o->cfg.max_bytes / 2 ? left : o->cfg.max_bytes / 2;
}

static int next_slice(struct rec_output *o, uint64_t first_ns, struct sr_error *err)
{
	unsigned number = o->part.number + 1;

	return close_part(o, first_ns, err) || open_part(o, number, first_ns, err) ||
			       begin_part_at(o, o->snapshot, err) ?
		       -1 :
		       0;
}

static int remove_oldest(struct rec_output *o, struct sr_error *err)
{
	char path[PATH_MAX];

	if (!o->ndone && join_closing(o, err))
		return -1;
	if (!o->ndone)
		return 0;
	rec_output_path(o, o->done[0].number, path, sizeof(path));
	if (unlink(path) && errno != ENOENT)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot remove the old slice %s", path);
	o->done_bytes -= o->done[0].bytes;
	o->stats.bytes -= o->done[0].bytes;
	o->stats.files--;
	o->stats.removed++;
	memmove(o->done, o->done + 1, --o->ndone * sizeof(*o->done));
	return 0;
}

/* The slice has come to its limit before its time: older ones give way, or it ends. */
static int make_room(struct rec_output *o, uint64_t at_ns, struct sr_error *err)
{
	if (slice_limit(o) < o->cfg.max_bytes / 2)
		return remove_oldest(o, err);
	if (!o->part_events)
		return sr_fail(err, SR_ENVIRONMENT, "%s: the start state alone takes half of the size it may have",
			       o->cfg.path);
	return next_slice(o, at_ns, err);
}

static int put_slices(struct rec_output *o, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	size_t i = 0, end, taken;

	while (i < n) {
		for (end = i; end < n && ev[end].time_ns < o->slice_end_ns; end++)
			;
		if (end == i) {
			while (o->slice_end_ns <= ev[i].time_ns)
				o->slice_end_ns += o->cfg.slice_ns;
			/* One without events goes on: slices tell of something. */
			if (o->part_events && next_slice(o, o->slice_end_ns - o->cfg.slice_ns, err))
				return -1;
			continue;
		}
		if (put_limited(o, ev + i, end - i, slice_limit(o), &taken, err))
			return -1;
		for (size_t k = 0; k < taken; k++)
			if (sr_snapshot_feed(o->snapshot, &ev[i + k], name_of, o, err))
				return -1;
		i += taken;
		if (i < end && make_room(o, ev[i].time_ns, err))
			return -1;
	}
	return 0;
}

/* ---- the ring ---- */

static int begin_dump(struct rec_output *o, unsigned number, struct sr_error *err)
{
	struct rec_ring *r = &o->ring;

	if (rec_ring_seal(r, err) || rec_ring_trim(r, o->now_ns, err) ||
	    open_part(o, number, r->gone_ns ? r->gone_ns : o->start_ns, err))
		return -1;
	o->part.last_ns = o->now_ns;
	o->dump_next = r->hold = r->front;
	o->dump_end = rec_ring_end(r);
	/* What is missing of the span was there and had to go. */
	o->squeezed = r->gone_ns && r->gone_ns + r->span_ns > o->now_ns;
	return begin_part_at(o, r->snapshot, err);
}

/* Goes on with the dump: 1 when all its events are in. */
static int step_dump(struct rec_output *o, unsigned blocks, struct sr_error *err)
{
	const struct sr_event *ev;
	size_t n, at, taken;

	for (; blocks && o->dump_next < o->dump_end; blocks--) {
		if (rec_ring_read(&o->ring, o->dump_next, &ev, &n, err))
			return -1;
		for (at = 0; at < n; at += taken)
			if (put_limited(o, ev + at, n - at, UINT64_MAX, &taken, err))
				return -1;
		o->ring.hold = ++o->dump_next;
	}
	return o->dump_next == o->dump_end;
}

/* A dump that fails is complete with what it has if there is room; the recording goes on. */
static int fail_dump(struct rec_output *o)
{
	struct sr_error ignored;

	o->dump_failed = true;
	o->ring.hold = UINT64_MAX;
	if (!o->w)
		return -1;
	if (o->cfg.tail(o->cfg.arg, o->w, &o->part, &ignored))
		srz_abort(o->w);
	else
		srz_close(o->w, &ignored);
	o->w = NULL;
	return -1;
}

static int start_dump(struct rec_output *o, unsigned number)
{
	if (number)
		o->dumps = number;
	return begin_dump(o, number, &o->dump_error) ? fail_dump(o) : 0;
}

static int go_on_with_dump(struct rec_output *o, unsigned blocks)
{
	int r = step_dump(o, blocks, &o->dump_error);

	if (!r)
		return 0;
	if (r < 0 || close_part(o, o->part.last_ns, &o->dump_error))
		return fail_dump(o);
	o->ring.hold = UINT64_MAX;
	if (!o->asked)
		return 0;
	o->asked--;
	return start_dump(o, o->dumps + 1);
}

void rec_output_dump(struct rec_output *o)
{
	if (o->w)
		o->asked++;
	else
		start_dump(o, o->dumps + 1);
}

bool rec_output_busy(const struct rec_output *o)
{
	return o->cfg.ring_ns && (o->w || o->closing);
}

int rec_output_dump_result(struct rec_output *o, struct sr_error *err)
{
	if (!o->dump_failed)
		return 0;
	o->dump_failed = false;
	*err = o->dump_error;
	return -1;
}

static int end_ring(struct rec_output *o, struct sr_error *err)
{
	while (o->w)
		go_on_with_dump(o, UINT_MAX);
	if (start_dump(o, 0) || (step_dump(o, UINT_MAX, &o->dump_error) < 0 && fail_dump(o))) {
		*err = o->dump_error;
		return -1;
	}
	return 0;
}

/* ---- life ---- */

struct rec_output *rec_output_new(const struct rec_output_config *cfg, struct sr_error *err)
{
	struct rec_output *o = calloc(1, sizeof(*o));
	size_t len = strlen(cfg->path);

	if (!o) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	o->cfg = *cfg;
	o->stem_len = (int)(len > 4 && !strcmp(cfg->path + len - 4, ".srz") ? len - 4 : len);
	if (open_part(o, cfg->slice_ns ? 1 : 0, 0, err)) {
		free(o);
		return NULL;
	}
	if (numbered(o))
		rec_closer_start(&o->closer);
	if (!cfg->ring_ns)
		return o;
	srz_abort(o->w); /* it can be made */
	o->w = NULL;
	return o;
}

static int begin_ring(struct rec_output *o, const struct sr_task_starts *starts, struct sr_error *err)
{
	uint64_t max = o->cfg.max_bytes ? o->cfg.max_bytes : REC_RING_BYTES, own = RING_OWN_BYTES;

	return rec_ring_init(&o->ring, starts, o->cfg.ring_ns, max > own + own / 2 ? max - own : max / 4, name_of, o,
			     err);
}

int rec_output_begin(struct rec_output *o, const struct sr_task_starts *starts, uint64_t start_ns, struct sr_error *err)
{
	o->start_ns = o->part.first_ns = o->flushed_ns = o->now_ns = start_ns;
	if (o->cfg.ring_ns)
		return begin_ring(o, starts, err);
	o->slice_end_ns = start_ns + o->cfg.slice_ns;
	if (o->cfg.slice_ns && !(o->snapshot = sr_snapshot_new(starts, err)))
		return -1;
	if (begin_part(o, starts, err))
		return -1;
	if (o->cfg.max_bytes && most_bytes(o) + PORTION * EVENT_BYTES > slice_limit(o))
		return sr_fail(err, SR_USAGE, "--max-size has no room for more than the start state: at least %llu k",
			       (unsigned long long)most_bytes(o) * 2 / 1024 + 64);
	return 0;
}

/* Nothing more is taken; why is for the end of the file. */
static int stop(struct rec_output *o)
{
	int e = o->w ? srz_write_errno(o->w) : 0;

	if (!e)
		e = o->close_errno;
	o->failed = true;
	if (o->stats.full)
		return -1;
	o->stats.no_room = e == ENOSPC || e == EDQUOT || e == EFBIG;
	o->stats.write_error = !o->stats.no_room;
	return -1;
}

static int put_file(struct rec_output *o, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	size_t taken = n;

	if (!o->cfg.max_bytes) {
		if (srz_put_events(o->w, SRZ_STREAM_KERNEL, ev, n, err))
			return -1;
		o->pending = (o->pending + n) % CHUNK_EVENTS;
	} else if (put_limited(o, ev, n, o->cfg.max_bytes, &taken, err)) {
		return -1;
	}
	o->stats.events += taken;
	if (taken == n)
		return 0;
	o->stats.full = true;
	o->full_ns = ev[taken].time_ns;
	return sr_fail(err, SR_ENVIRONMENT, "%s has reached its greatest size", o->cfg.path);
}

int rec_output_events(void *arg, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	struct rec_output *o = arg;
	int rc;

	if (o->failed)
		return sr_fail(err, SR_ENVIRONMENT, "%s takes no more events", o->cfg.path);
	if (!n)
		return 0;
	if (!numbered(o))
		return put_file(o, ev, n, err) ? stop(o) : 0;
	rc = o->cfg.slice_ns ? put_slices(o, ev, n, err) : rec_ring_put(&o->ring, ev, n, err);
	if (rc)
		return stop(o);
	o->stats.events += n;
	if (!o->cfg.ring_ns)
		return 0;
	if (ev[n - 1].time_ns > o->now_ns)
		o->now_ns = ev[n - 1].time_ns;
	if (o->w)
		go_on_with_dump(o, DUMP_BLOCKS_ON_EVENTS);
	return 0;
}

/* A file that has been closed meanwhile. */
static int join_if_closed(struct rec_output *o, struct sr_error *err)
{
	return o->closing && rec_closer_done(&o->closer) ? join_closing(o, err) : 0;
}

static int tick_file(struct rec_output *o, uint64_t now_ns, struct sr_error *err)
{
	if (o->cfg.slice_ns && now_ns >= o->slice_end_ns) {
		uint64_t end = o->slice_end_ns;

		while (o->slice_end_ns <= now_ns)
			o->slice_end_ns += o->cfg.slice_ns;
		if (o->part_events && next_slice(o, end, err))
			return -1;
	}
	if (now_ns - o->flushed_ns < (o->pending < FLUSH_EVENTS ? FLUSH_FEW_NS : FLUSH_NS))
		return 0;
	o->flushed_ns = now_ns;
	return o->pending ? flush(o, err) : 0;
}

int rec_output_tick(struct rec_output *o, uint64_t now_ns, struct sr_error *err)
{
	if (o->failed)
		return 0;
	if (o->cfg.ring_ns) {
		if (now_ns > o->now_ns)
			o->now_ns = now_ns;
		if (join_if_closed(o, &o->dump_error))
			o->dump_failed = true;
		if (o->w)
			go_on_with_dump(o, DUMP_BLOCKS_ON_TICK);
		return 0;
	}
	return join_if_closed(o, err) || tick_file(o, now_ns, err) ? stop(o) : 0;
}

int rec_output_settle(struct rec_output *o, struct sr_error *err)
{
	return !o->failed && !o->cfg.ring_ns && o->w && flush(o, err) ? stop(o) : 0;
}

int rec_output_end(struct rec_output *o, uint64_t end_ns, struct sr_error *err)
{
	struct sr_error first;
	struct span last;
	int rc = 0;

	if (o->cfg.ring_ns && end_ns > o->now_ns)
		o->now_ns = end_ns;
	if (o->cfg.ring_ns && end_ring(o, err))
		return -1;
	if (join_closing(o, err))
		rc = -1;
	if (!o->w)
		return rc ? rc : sr_fail(err, SR_ENVIRONMENT, "%s is not complete", o->cfg.path);
	o->part.last = true;
	o->part.last_ns = o->stats.full ? o->full_ns : end_ns;
	if (o->cfg.tail(o->cfg.arg, o->w, &o->part, rc ? &first : err))
		rc = -1;
	last = span_of(o);
	note_span(o, &last);
	if (srz_close(o->w, rc ? &first : err))
		rc = -1;
	else if (note_done(o, o->part.number, rc ? &first : err))
		rc = -1;
	o->w = NULL;
	return rc;
}

void rec_output_free(struct rec_output *o)
{
	struct sr_error ignored;

	if (!o)
		return;
	join_closing(o, &ignored);
	rec_closer_release(&o->closer);
	srz_abort(o->w);
	sr_snapshot_free(o->snapshot);
	rec_ring_release(&o->ring);
	rec_names_release(&o->names);
	free(o->done);
	free(o);
}
