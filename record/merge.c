/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cpus' events into one stream. Each cpu's queue is in time order; a heap of cpus by their earliest event gives
 * the stream's order. On the way out events get what a reader of the stream lacks: a COMM where a task's comm is not
 * what the stream said so far.
 */
#include <stdlib.h>
#include <string.h>

#include "record/internal.h"

#define MAX_TID (4u << 20) /* the kernel's PID_MAX_LIMIT */

static int no_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

int rec_merge_init(struct rec_merge *m, unsigned ncpus, struct sr_error *err)
{
	*m = (struct rec_merge){ .ncpus = ncpus };
	m->q = calloc(ncpus ? ncpus : 1, sizeof(*m->q));
	m->heap = calloc(ncpus ? ncpus : 1, sizeof(*m->heap));
	m->out = malloc(REC_OUT_EVENTS * sizeof(*m->out));
	if (m->q && m->heap && m->out)
		return 0;
	rec_merge_release(m);
	return no_memory(err);
}

void rec_merge_release(struct rec_merge *m)
{
	if (m->q)
		for (unsigned i = 0; i < m->ncpus; i++)
			free(m->q[i].v);
	free(m->q);
	free(m->heap);
	free(m->out);
	free(m->comm_of);
	rec_names_release(&m->names);
	*m = (struct rec_merge){ 0 };
}

void rec_merge_reset(struct rec_merge *m, const struct rec_sink *sink)
{
	for (unsigned i = 0; i < m->ncpus; i++) {
		m->q[i].head = m->q[i].n = 0;
		m->q[i].last_ns = 0;
	}
	if (m->comm_of)
		memset(m->comm_of, 0, m->comm_cap * sizeof(*m->comm_of));
	rec_names_forget_sink(&m->names);
	m->sink = *sink;
	m->nheap = m->npending = 0;
	m->renames = false;
	m->nout = 0;
	m->released_ns = m->first_ns = 0;
	m->released_cpu = 0;
	m->events = m->lost = m->lost_places = m->late = 0;
}

/* ---- the heap ---- */

static uint64_t head_ns(const struct rec_merge *m, unsigned cpu)
{
	return m->q[cpu].v[m->q[cpu].head].ev.time_ns;
}

static bool earlier(const struct rec_merge *m, unsigned a, unsigned b)
{
	uint64_t ta = head_ns(m, a), tb = head_ns(m, b);

	return ta < tb || (ta == tb && a < b);
}

static void sift_up(struct rec_merge *m, unsigned i)
{
	while (i && earlier(m, m->heap[i], m->heap[(i - 1) / 2])) {
		unsigned up = (i - 1) / 2, cpu = m->heap[i];

		m->heap[i] = m->heap[up];
		m->heap[up] = cpu;
		i = up;
	}
}

static void sift_down(struct rec_merge *m)
{
	unsigned i = 0;

	for (;;) {
		unsigned child = 2 * i + 1, cpu = m->heap[i];

		if (child >= m->nheap)
			return;
		if (child + 1 < m->nheap && earlier(m, m->heap[child + 1], m->heap[child]))
			child++;
		if (!earlier(m, m->heap[child], cpu))
			return;
		m->heap[i] = m->heap[child];
		m->heap[child] = cpu;
		i = child;
	}
}

/* ---- in ---- */

static int grow_queue(struct rec_queue *q, struct sr_error *err)
{
	size_t cap = q->cap ? q->cap * 2 : 1024;
	struct rec_item *v = calloc(cap, sizeof(*v));

	if (!v)
		return no_memory(err);
	for (size_t i = 0; i < q->n; i++)
		v[i] = q->v[(q->head + i) & (q->cap - 1)];
	free(q->v);
	q->v = v;
	q->cap = cap;
	q->head = 0;
	return 0;
}

struct rec_item *rec_merge_slot(struct rec_merge *m, unsigned cpu, struct sr_error *err)
{
	struct rec_queue *q = &m->q[cpu];

	if (q->n == q->cap && grow_queue(q, err))
		return NULL;
	return &q->v[(q->head + q->n) & (q->cap - 1)];
}

void rec_merge_push(struct rec_merge *m, unsigned cpu)
{
	struct rec_queue *q = &m->q[cpu];
	struct rec_item *slot = &q->v[(q->head + q->n) & (q->cap - 1)];
	uint64_t earliest;

	/* Only in a damaged ring; to rec_merge_emit it means all. */
	if (slot->ev.time_ns == UINT64_MAX)
		slot->ev.time_ns--;
	/* The kernel's fast clock may step back by a few ns between two events; one that comes after its time was
	 * already handed on (its cpu stood still between taking the time and writing) is put at the front. */
	if (slot->ev.time_ns < q->last_ns)
		slot->ev.time_ns = q->last_ns;
	earliest = m->released_ns + (cpu < m->released_cpu && m->released_ns < UINT64_MAX);
	if (slot->ev.time_ns < earliest) {
		slot->ev.time_ns = earliest;
		m->late++;
	}
	q->last_ns = slot->ev.time_ns;
	if (!q->n++) {
		m->heap[m->nheap] = cpu;
		sift_up(m, m->nheap++);
	}
}

int rec_merge_queue(struct rec_merge *m, unsigned cpu, const struct rec_item *item, struct sr_error *err)
{
	struct rec_item *slot = rec_merge_slot(m, cpu, err);

	if (!slot)
		return -1;
	*slot = *item;
	rec_merge_push(m, cpu);
	return 0;
}

int rec_merge_lost(struct rec_merge *m, unsigned cpu, uint64_t time_ns, uint64_t count, struct sr_error *err)
{
	struct rec_item item = { .ev = { .time_ns = time_ns, .cpu = (uint16_t)cpu, .kind = SR_EV_LOST } };
	uint64_t before = m->q[cpu].last_ns, span_us = before && time_ns > before ? (time_ns - before) / 1000 : 0;

	item.ev.u.lost.count = count;
	item.ev.u.lost.span_us = span_us > UINT32_MAX ? UINT32_MAX : (uint32_t)span_us;
	return rec_merge_queue(m, cpu, &item, err);
}

/* ---- comms ---- */

static uint32_t *comm_slot(struct rec_merge *m, int32_t tid)
{
	if (tid <= 0 || (uint32_t)tid >= MAX_TID)
		return NULL;
	if ((size_t)tid >= m->comm_cap) {
		size_t cap = m->comm_cap ? m->comm_cap : 4096;
		uint32_t *v;

		while (cap <= (size_t)tid)
			cap *= 2;
		v = realloc(m->comm_of, cap * sizeof(*v));
		if (!v)
			return NULL;
		memset(v + m->comm_cap, 0, (cap - m->comm_cap) * sizeof(*v));
		m->comm_of = v;
		m->comm_cap = cap;
	}
	return &m->comm_of[tid];
}

static void inherit_comm(struct rec_merge *m, int32_t to, int32_t from)
{
	uint32_t *t, *f;

	comm_slot(m, to > from ? to : from); /* grows the table, so that it stays where it is below */
	t = comm_slot(m, to);
	f = comm_slot(m, from);
	if (t)
		*t = f ? *f : 0;
}

int rec_merge_set_comm(struct rec_merge *m, int32_t tid, const char *comm, struct sr_error *err)
{
	uint32_t *slot = comm_slot(m, tid);

	if (slot)
		*slot = rec_names_put(&m->names, comm, SR_COMM_LEN - 1);
	return slot && *slot ? 0 : no_memory(err);
}

static int sink_name(struct rec_merge *m, uint32_t id, uint32_t *out, struct sr_error *err)
{
	struct rec_name *name = &m->names.v[id];

	if (name->sink == UINT32_MAX)
		name->sink = m->sink.name(m->sink.arg, rec_names_get(&m->names, id), err);
	*out = name->sink;
	return name->sink == UINT32_MAX ? -1 : 0;
}

/* ---- out ---- */

static int flush(struct rec_merge *m, struct sr_error *err)
{
	size_t n = m->nout;

	m->nout = 0;
	return n ? m->sink.events(m->sink.arg, m->out, n, err) : 0;
}

static int put(struct rec_merge *m, const struct sr_event *ev, struct sr_error *err)
{
	if (m->nout == REC_OUT_EVENTS && flush(m, err))
		return -1;
	m->out[m->nout++] = *ev;
	if (!m->first_ns)
		m->first_ns = ev->time_ns;
	m->released_ns = ev->time_ns;
	m->released_cpu = ev->cpu;
	m->events++;
	return 0;
}

/* A task was seen with this comm: a COMM goes before (or after) the event that showed it if that is news. */
static int see_comm(struct rec_merge *m, const struct sr_event *at, int32_t tid, uint32_t comm, struct sr_error *err)
{
	uint32_t *slot = comm_slot(m, tid);
	struct sr_event ev = { .time_ns = at->time_ns, .cpu = at->cpu, .ctx = at->ctx, .kind = SR_EV_COMM };

	if (!slot || !comm || *slot == comm)
		return 0;
	*slot = comm;
	ev.u.rename.tid = tid;
	return sink_name(m, comm, &ev.u.rename.name, err) || put(m, &ev, err) ? -1 : 0;
}

/* What the stream's reader (sr_task_table_feed) takes the comm to be after an exec: where renames are events, what it
 * was; else the file's name, as the kernel does. A thread that execs brings its own to its process's tid. */
static int exec_comm(struct rec_merge *m, const struct sr_event *ev, uint32_t file, struct sr_error *err)
{
	const char *path = rec_names_get(&m->names, file), *base = strrchr(path, '/');
	int32_t tid = ev->u.exec.tid, old_tid = ev->u.exec.old_tid;
	char comm[SR_COMM_LEN] = "";

	if (!m->renames) {
		strncpy(comm, base ? base + 1 : path, SR_COMM_LEN - 1);
		return comm_slot(m, tid) ? rec_merge_set_comm(m, tid, comm, err) : 0;
	}
	if (old_tid == tid)
		return 0;
	inherit_comm(m, tid, old_tid);
	return 0;
}

/* The event itself, with its comms around it. */
static int emit(struct rec_merge *m, struct rec_item *item, struct sr_error *err)
{
	struct sr_event *ev = &item->ev;
	uint32_t *slot;

	switch (ev->kind) {
	case SR_EV_SWITCH:
		if (see_comm(m, ev, ev->u.sw.prev, item->comm_a, err) ||
		    see_comm(m, ev, ev->u.sw.next, item->comm_b, err))
			return -1;
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		if (see_comm(m, ev, ev->u.wake.tid, item->comm_a, err))
			return -1;
		break;
	case SR_EV_MIGRATE:
		if (see_comm(m, ev, ev->u.migrate.tid, item->comm_a, err))
			return -1;
		break;
	case SR_EV_FORK:
		if (see_comm(m, ev, ev->u.fork.parent, item->comm_a, err) || put(m, ev, err))
			return -1;
		inherit_comm(m, ev->u.fork.child, ev->u.fork.parent);
		return see_comm(m, ev, ev->u.fork.child, item->comm_b, err);
	case SR_EV_EXEC:
		if (sink_name(m, item->comm_b, &ev->u.exec.name, err) || exec_comm(m, ev, item->comm_b, err))
			return -1;
		break;
	case SR_EV_EXIT:
		if (see_comm(m, ev, ev->u.exit.tid, item->comm_a, err))
			return -1;
		break;
	case SR_EV_RENAME:
		m->renames = true;
		if (see_comm(m, ev, ev->u.rename.tid, item->comm_a, err) ||
		    sink_name(m, item->comm_b, &ev->u.rename.name, err))
			return -1;
		slot = comm_slot(m, ev->u.rename.tid);
		if (slot)
			*slot = item->comm_b;
		break;
	case SR_EV_NEWTASK:
		if (put(m, ev, err))
			return -1;
		return see_comm(m, ev, ev->u.newtask.tid, item->comm_a, err);
	case SR_EV_LOST:
		m->lost = m->lost + ev->u.lost.count < m->lost ? UINT64_MAX : m->lost + ev->u.lost.count;
		m->lost_places++;
		break;
	}
	return put(m, ev, err);
}

/*
 * The kernel tells of a new task (task_newtask) just before it tells of the fork, which is what makes the task in the
 * stream: the first is held until the second, or until the task is seen without one (the kernel's own io workers).
 */
static int emit_pending(struct rec_merge *m, int32_t tid, const struct sr_event *at, struct sr_error *err)
{
	for (unsigned i = 0; i < m->npending; i++) {
		struct rec_item item = m->pending[i];

		if (item.ev.u.newtask.tid != tid)
			continue;
		m->pending[i] = m->pending[--m->npending];
		item.ev.time_ns = at->time_ns;
		item.ev.cpu = at->cpu;
		return emit(m, &item, err);
	}
	return 0;
}

static int hold(struct rec_merge *m, const struct rec_item *item, const struct sr_event *at, struct sr_error *err)
{
	if (m->npending == REC_PENDING && emit_pending(m, m->pending[0].ev.u.newtask.tid, at, err))
		return -1;
	m->pending[m->npending++] = *item;
	return 0;
}

static int step(struct rec_merge *m, struct rec_item *item, struct sr_error *err)
{
	const struct sr_event *ev = &item->ev;

	if (ev->kind == SR_EV_NEWTASK)
		return hold(m, item, ev, err);
	if (m->npending && ev->kind == SR_EV_FORK)
		return emit(m, item, err) || emit_pending(m, ev->u.fork.child, ev, err) ? -1 : 0;
	if (m->npending && ev->kind == SR_EV_WAKEUP_NEW && emit_pending(m, ev->u.wake.tid, ev, err))
		return -1;
	return emit(m, item, err);
}

/* Until when the earliest cpu's events come before all others': those of the same time go by cpu. */
static uint64_t run_end(const struct rec_merge *m, uint64_t before_ns)
{
	uint64_t end = before_ns;

	for (unsigned child = 1; child < 3 && child < m->nheap; child++) {
		unsigned cpu = m->heap[child];
		uint64_t t = head_ns(m, cpu) + (m->heap[0] < cpu);

		if (t < end)
			end = t;
	}
	return end;
}

int rec_merge_emit(struct rec_merge *m, uint64_t before_ns, struct sr_error *err)
{
	while (m->nheap && head_ns(m, m->heap[0]) < before_ns) {
		struct rec_queue *q = &m->q[m->heap[0]];
		uint64_t end = run_end(m, before_ns);

		do {
			if (step(m, &q->v[q->head], err))
				return -1;
			q->head = (q->head + 1) & (q->cap - 1);
		} while (--q->n && q->v[q->head].ev.time_ns < end);
		if (!q->n)
			m->heap[0] = m->heap[--m->nheap];
		sift_down(m);
	}
	if (before_ns == UINT64_MAX) {
		while (m->npending) {
			struct sr_event at = m->pending[0].ev;

			at.time_ns = m->released_ns;
			if (emit_pending(m, at.u.newtask.tid, &at, err))
				return -1;
		}
	}
	return flush(m, err);
}
