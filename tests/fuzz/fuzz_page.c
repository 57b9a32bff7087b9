/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: any bytes as sub-buffers of the kernel's ring, through the recorder's decoder and merge into a .srz file,
 * which must read back as what went in. Nothing may crash, nothing be lost untold, and no bytes of the ring may make
 * events that the stream's rules or the file's writer refuse.
 *
 * An input: u8, bits 0-1 which kernel (3: the first), bits 2-3 cpus - 1 (3: one); then sub-buffers: u8, bits 0-3 the cpu, bit
 * 7 what is older than this sub-buffer is handed on first; u16 length, little-endian; the bytes.
 */
#include <string.h>
#include <unistd.h>

#include "formats/srz.h"
#include "record/internal.h"
#include "tests/fuzz/formats.h"
#include "tests/fuzz/fuzz.h"

#define MAX_EVENTS 65536 /* of one input: enough for 100 kB of it */

struct stream {
	struct srz_writer *w;
	struct sr_event *v;
	size_t n, queued, comms;
	unsigned ncpus;
	uint64_t last_ns, cpu_ns[4], lost;
	uint32_t names;
};

static uint32_t sink_name(void *arg, const char *name, struct sr_error *err)
{
	struct stream *s = arg;
	uint32_t id = srz_put_name(s->w, name, err);

	MUST_BE(id != UINT32_MAX);
	if (id >= s->names)
		s->names = id + 1;
	return id;
}

static void check_event(struct stream *s, const struct sr_event *ev)
{
	MUST_BE(ev->cpu < s->ncpus);
	MUST_BE(ev->time_ns >= s->last_ns && ev->time_ns >= s->cpu_ns[ev->cpu]);
	s->last_ns = s->cpu_ns[ev->cpu] = ev->time_ns;
	if (ev->kind == SR_EV_COMM)
		s->comms++;
	if (ev->kind == SR_EV_LOST)
		s->lost = s->lost + ev->u.lost.count < s->lost ? UINT64_MAX : s->lost + ev->u.lost.count;
	if (ev->kind == SR_EV_EXEC)
		MUST_BE(ev->u.exec.name < s->names);
	if (ev->kind == SR_EV_RENAME || ev->kind == SR_EV_COMM)
		MUST_BE(ev->u.rename.name < s->names);
}

static int sink_events(void *arg, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	struct stream *s = arg;

	for (size_t i = 0; i < n; i++)
		check_event(s, &ev[i]);
	MUST_BE(s->n + n <= MAX_EVENTS);
	memcpy(s->v + s->n, ev, n * sizeof(*ev));
	s->n += n;
	if (srz_put_events(s->w, SRZ_STREAM_KERNEL, ev, n, err)) {
		fprintf(stderr, "%s\n", err->text);
		abort();
	}
	return 0;
}

/* ---- in ---- */

static const struct rec_formats *learnt(unsigned kernel)
{
	static struct rec_formats formats[KERNELS];
	struct rec_formats *f = &formats[kernel];
	const struct kernel *k = &kernels[kernel];
	struct sr_error err;

	if (f->commit_size)
		return f;
	f->print_id = -1;
	for (unsigned kind = 0; kind < SR_EV_KINDS; kind++)
		if (k->event[kind] && rec_formats_add(f, kind, k->event[kind], strlen(k->event[kind]), &err)) {
			fprintf(stderr, "%s\n", err.text);
			abort();
		}
	MUST_BE(!rec_formats_header(f, k->header, strlen(k->header), &err));
	return f;
}

/* As the recorder's drain does; what cannot be decoded is told as lost. */
static void take_page(struct rec_merge *m, struct stream *s, const struct rec_formats *f, unsigned cpu,
		      const uint8_t *bytes, size_t size, bool emit)
{
	struct rec_page page;
	struct rec_item *item;
	struct sr_error err;
	const uint8_t *data;
	uint64_t time_ns;
	size_t len;
	int r;

	if (rec_page_init(&page, bytes, size, f->commit_size)) {
		MUST_BE(!rec_merge_lost(m, cpu, m->q[cpu].last_ns, 0, &err));
		s->queued++;
		return;
	}
	if (emit)
		MUST_BE(!rec_merge_emit(m, page.time_ns, &err));
	if (page.missed) {
		MUST_BE(!rec_merge_lost(m, cpu, page.time_ns, page.missed_n, &err));
		s->queued++;
	}
	while ((r = rec_page_next(&page, &data, &len, &time_ns)) == 1) {
		int got;

		MUST_BE(data >= bytes && len <= size && data + len <= bytes + size);
		item = rec_merge_slot(m, cpu, &err);
		MUST_BE(item);
		got = rec_decode(f, &m->names, data, len, time_ns, cpu, item);
		if (got > 0)
			rec_merge_push(m, cpu);
		else if (got < 0)
			MUST_BE(!rec_merge_lost(m, cpu, time_ns, 1, &err));
		s->queued += got != 0;
	}
	if (r < 0) {
		MUST_BE(!rec_merge_lost(m, cpu, page.time_ns, 0, &err));
		s->queued++;
	}
}

static void take_input(struct rec_merge *m, struct stream *s, const struct rec_formats *f, const uint8_t *data,
		       size_t size)
{
	while (size > 3) {
		size_t len = data[1] | (size_t)data[2] << 8;
		uint8_t *bytes;

		if (len > size - 3)
			len = size - 3;
		/* A copy of its own, so that a byte too far is seen. */
		bytes = malloc(len ? len : 1);
		MUST_BE(bytes);
		memcpy(bytes, data + 3, len);
		take_page(m, s, f, (data[0] & 15) % s->ncpus, bytes, len, data[0] & 0x80);
		free(bytes);
		data += 3 + len;
		size -= 3 + len;
	}
}

/* ---- out ---- */

static int by_time_and_cpu(const void *x, const void *y)
{
	const struct sr_event *a = *(const struct sr_event *const *)x, *b = *(const struct sr_event *const *)y;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	if (a->cpu != b->cpu)
		return a->cpu < b->cpu ? -1 : 1;
	return a < b ? -1 : a > b;
}

static bool same_fields(const struct sr_event *a, const struct sr_event *b)
{
	switch (a->kind) {
	case SR_EV_SWITCH:
		return a->u.sw.prev == b->u.sw.prev && a->u.sw.next == b->u.sw.next &&
		       a->u.sw.prev_prio == b->u.sw.prev_prio && a->u.sw.next_prio == b->u.sw.next_prio &&
		       a->u.sw.prev_state == b->u.sw.prev_state;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		return a->u.wake.tid == b->u.wake.tid && a->u.wake.prio == b->u.wake.prio &&
		       a->u.wake.target_cpu == b->u.wake.target_cpu;
	case SR_EV_MIGRATE:
		return a->u.migrate.tid == b->u.migrate.tid && a->u.migrate.prio == b->u.migrate.prio &&
		       a->u.migrate.from == b->u.migrate.from && a->u.migrate.to == b->u.migrate.to;
	case SR_EV_FORK:
		return a->u.fork.parent == b->u.fork.parent && a->u.fork.child == b->u.fork.child;
	case SR_EV_EXEC:
		return a->u.exec.tid == b->u.exec.tid && a->u.exec.old_tid == b->u.exec.old_tid &&
		       a->u.exec.name == b->u.exec.name;
	case SR_EV_EXIT:
		return a->u.exit.tid == b->u.exit.tid && a->u.exit.prio == b->u.exit.prio &&
		       a->u.exit.group_dead == b->u.exit.group_dead;
	case SR_EV_RENAME:
	case SR_EV_COMM:
		return a->u.rename.tid == b->u.rename.tid && a->u.rename.name == b->u.rename.name;
	case SR_EV_NEWTASK:
		return a->u.newtask.tid == b->u.newtask.tid && a->u.newtask.clone_flags == b->u.newtask.clone_flags;
	case SR_EV_LOST:
		return a->u.lost.count == b->u.lost.count && a->u.lost.span_us == b->u.lost.span_us;
	}
	return false;
}

static void check_file(const struct stream *s, const char *path)
{
	const struct sr_event **want = malloc((s->n + 1) * sizeof(struct sr_event *));
	struct sr_error err;
	struct srz_reader *r = srz_open(path, &err);
	struct sr_event ev;

	MUST_BE(want && r && srz_get_info(r)->complete);
	for (size_t i = 0; i < s->n; i++)
		want[i] = &s->v[i];
	qsort(want, s->n, sizeof(*want), by_time_and_cpu);
	for (size_t i = 0; i < s->n; i++) {
		MUST_BE(srz_next(r, &ev, &err) == 1);
		MUST_BE(ev.time_ns == want[i]->time_ns && ev.cpu == want[i]->cpu && ev.kind == want[i]->kind &&
			ev.ctx == want[i]->ctx && ev.flags == want[i]->flags && same_fields(&ev, want[i]));
	}
	MUST_BE(srz_next(r, &ev, &err) == 0);
	MUST_BE(srz_get_info(r)->lost == s->lost);
	srz_reader_free(r);
	free(want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rec_sink sink = { .name = sink_name, .events = sink_events };
	static struct sr_event events[MAX_EVENTS];
	struct stream s = { 0 };
	struct rec_merge m;
	struct sr_error err;
	char path[128];
	unsigned kernel;

	if (!size || size > 100000)
		return 0;
	kernel = data[0] % 4 % KERNELS;
	s.ncpus = 1 + data[0] / 4 % 4 % 3;
	s.v = events;
	snprintf(path, sizeof(path), "%s/schedrec-fuzz-%d.srz", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
		 getpid());
	s.w = srz_create(path, 64, &err); /* small chunks: several in a file */
	MUST_BE(s.w && !rec_merge_init(&m, s.ncpus, &err));
	sink.arg = &s;
	rec_merge_reset(&m, &sink);
	take_input(&m, &s, learnt(kernel), data + 1, size - 1);
	MUST_BE(!rec_merge_emit(&m, UINT64_MAX, &err));
	MUST_BE(s.n == s.queued + s.comms && m.events == s.n);
	rec_merge_release(&m);
	MUST_BE(!srz_close(s.w, &err));
	check_file(&s, path);
	unlink(path);

	return 0;
}
