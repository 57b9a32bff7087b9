/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/import.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/protobuf.h"
#include "formats/task.h"
#include "formats/tidmap.h"

#define BATCH 256
#define PENDING 64
#define BACK_NS 1000000000u /* a CPU's clock does not go back further: it is another recording */
#define MOST_ROOTS 65536u
#define MOST_TASKS 524288u /* of the start state, by the format */

struct seen {
	int32_t tid, tgid, ppid;
	char comm[SR_COMM_LEN], first[SR_COMM_LEN]; /* now; as it was seen first */
	int16_t prio;                               /* as it was seen first */
	uint16_t cpu;
	bool at_start; /* seen before any fork of it */
	bool seen, has_prio, named;
	bool forked; /* a fork without its task_newtask yet */
	int8_t kthread;
};

struct sr_import {
	struct srz_writer *w;
	struct sr_import_watch watch;
	struct sr_import_counts counts;
	struct sr_event out[BATCH];
	size_t n;
	struct seen *v;
	size_t nseen, cap;
	struct sr_tidmap map; /* tid -> index + 1 */
	struct sr_import_item pending[PENDING];
	unsigned npending;
	bool renames;
	const char *scope; /* as the source says; NULL: it does not */
	struct sr_tidmap roots;
	size_t nroots;
	uint64_t last_ns[SR_MAX_CPUS], decided_ns;
	struct sr_cpumask cpus;
};

struct sr_import *sr_import_new(struct srz_writer *w, const struct sr_import_watch *watch, struct sr_error *err)
{
	struct sr_import *im = calloc(1, sizeof(*im));

	if (!im) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	im->w = w;
	if (watch)
		im->watch = *watch;
	return im;
}

void sr_import_free(struct sr_import *im)
{
	if (!im)
		return;
	free(im->v);
	sr_tidmap_release(&im->map);
	sr_tidmap_release(&im->roots);
	free(im);
}

struct sr_import_counts *sr_import_counted(struct sr_import *im)
{
	return &im->counts;
}

int sr_import_step(struct sr_import *im, uint64_t done, uint64_t all)
{
	return im->watch.step ? im->watch.step(im->watch.arg, done, all) : 0;
}

int sr_import_meta(struct sr_import *im, const char *key, const char *value, struct sr_error *err)
{
	return srz_put_meta(im->w, key, value, err);
}

uint32_t sr_import_name(struct sr_import *im, const void *text, size_t len, struct sr_error *err)
{
	char name[4096];

	len = strnlen(text, len < sizeof(name) - 1 ? len : sizeof(name) - 1);
	memcpy(name, text, len);
	name[len] = '\0';
	return srz_put_name(im->w, name, err);
}

void sr_import_comm(char out[SR_COMM_LEN], const void *text, size_t len)
{
	len = strnlen(text, len < SR_COMM_LEN - 1 ? len : SR_COMM_LEN - 1);
	memcpy(out, text, len);
	memset(out + len, 0, SR_COMM_LEN - len);
}

/* ---- tasks ---- */

static struct seen *seen_of(struct sr_import *im, int32_t tid, struct sr_error *err)
{
	uint32_t i = sr_tidmap_get(&im->map, tid);

	if (i)
		return &im->v[i - 1];
	if (im->nseen == im->cap) {
		size_t cap = im->cap ? 2 * im->cap : 256;
		struct seen *v = realloc(im->v, cap * sizeof(*v));

		if (!v) {
			sr_fail(err, SR_ENVIRONMENT, "out of memory");
			return NULL;
		}
		im->v = v;
		im->cap = cap;
	}
	if (sr_tidmap_put(&im->map, tid, (uint32_t)im->nseen + 1)) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	im->v[im->nseen] = (struct seen){ .tid = tid, .kthread = -1 };
	return &im->v[im->nseen++];
}

/* Called for each task that an event names, but for children of a fork. */
static int see(struct sr_import *im, const struct sr_event *ev, int32_t tid, struct seen **out, struct sr_error *err)
{
	struct seen *t = NULL;

	if (tid > 0) {
		t = seen_of(im, tid, err);
		if (!t)
			return -1;
		if (!t->seen) {
			t->seen = t->at_start = true;
			t->cpu = ev->cpu;
		}
	}
	if (out)
		*out = t;
	return 0;
}

int sr_import_task(struct sr_import *im, int32_t tid, int32_t tgid, int32_t ppid, const char *comm, int kthread,
		   struct sr_error *err)
{
	struct seen *t;

	if (tid <= 0)
		return 0;
	t = seen_of(im, tid, err);
	if (!t)
		return -1;
	if (tgid > 0)
		t->tgid = tgid;
	if (ppid > 0)
		t->ppid = ppid;
	if (kthread >= 0)
		t->kthread = kthread > 0;
	if (comm && *comm && !t->named && !t->seen) {
		snprintf(t->first, sizeof(t->first), "%.15s", comm);
		memcpy(t->comm, t->first, sizeof(t->comm));
		t->named = true;
	}
	return 0;
}

/* ---- out ---- */

static int write_events(struct sr_import *im, enum srz_stream stream, const struct sr_event *ev, size_t n,
			struct sr_error *err)
{
	if (!n || !srz_put_events(im->w, stream, ev, n, err))
		return 0;
	/* The values were checked: only their order can be wrong. */
	if (err->status == SR_BUG)
		return sr_fail(err, SR_DAMAGED, "its events are far from the order of time: sort them first");
	return -1;
}

static int flush(struct sr_import *im, struct sr_error *err)
{
	size_t n = im->n;

	im->n = 0;
	return write_events(im, SRZ_STREAM_KERNEL, im->out, n, err);
}

/* Events of the kernel's, and losses. */
static uint64_t scheduled(const struct sr_import_counts *c)
{
	return c->events - c->by_kind[SR_EV_DECISION];
}

static int put(struct sr_import *im, const struct sr_event *ev, struct sr_error *err)
{
	if (im->n == BATCH && flush(im, err))
		return -1;
	im->out[im->n++] = *ev;
	if (!scheduled(&im->counts) || ev->time_ns < im->counts.first_ns)
		im->counts.first_ns = ev->time_ns;
	if (ev->time_ns > im->counts.last_ns)
		im->counts.last_ns = ev->time_ns;
	im->counts.events += ev->kind != SR_EV_COMM;
	im->counts.by_kind[ev->kind]++;
	return 0;
}

/* The task has this comm: news becomes a COMM event, unless it is what it was called at the start. */
static int see_comm(struct sr_import *im, const struct sr_event *at, int32_t tid, const char *comm, bool has,
		    struct sr_error *err)
{
	struct sr_event ev = { .time_ns = at->time_ns, .cpu = at->cpu, .ctx = at->ctx, .kind = SR_EV_COMM };
	struct seen *t;

	if (see(im, at, tid, &t, err))
		return -1;
	if (!t || !has || !strcmp(t->comm, comm))
		return 0;
	memcpy(t->comm, comm, sizeof(t->comm));
	if (t->at_start && !t->named) {
		t->named = true;
		memcpy(t->first, comm, sizeof(t->first));
		return 0;
	}
	t->named = true;
	ev.u.rename.tid = tid;
	ev.u.rename.name = srz_put_name(im->w, comm, err);
	return ev.u.rename.name == UINT32_MAX ? -1 : put(im, &ev, err);
}

static int see_prio(struct sr_import *im, const struct sr_event *at, int32_t tid, int16_t prio, struct sr_error *err)
{
	struct seen *t;

	if (see(im, at, tid, &t, err))
		return -1;
	if (t && !t->has_prio) {
		t->has_prio = true;
		t->prio = prio;
	}
	return 0;
}

/* A new task: it is called as its parent. */
static int born(struct sr_import *im, const struct sr_event *ev, int32_t parent, int32_t child, struct sr_error *err)
{
	char comm[SR_COMM_LEN] = "";
	struct seen *t;

	if (see(im, ev, parent, &t, err))
		return -1;
	if (t)
		memcpy(comm, t->comm, sizeof(comm));
	t = child > 0 ? seen_of(im, child, err) : NULL;
	if (!t)
		return child > 0 ? -1 : 0;
	if (!t->seen && t->named) /* a list of processes told of it, which was made later */
		t->named = false;
	t->seen = true;
	t->has_prio = t->has_prio || !t->at_start;
	memcpy(t->comm, comm, sizeof(comm));
	return 0;
}

/* What the stream's readers take the comm to be after an exec (as in sr_task_table_feed). */
static int execed(struct sr_import *im, const struct sr_event *ev, const char *file, struct sr_error *err)
{
	struct seen *t, *old;
	int32_t tid = ev->u.exec.tid, old_tid = ev->u.exec.old_tid;

	if (see(im, ev, old_tid ? old_tid : tid, &old, err))
		return -1;
	t = tid > 0 ? seen_of(im, tid, err) : NULL;
	if (!t)
		return tid > 0 ? -1 : 0;
	t->seen = true;
	if (!im->renames) {
		const char *base = strrchr(file, '/');

		sr_import_comm(t->comm, base ? base + 1 : file, SR_COMM_LEN);
		t->named = true;
	} else if (old_tid && old_tid != tid) {
		uint32_t i = sr_tidmap_get(&im->map, old_tid);

		if (i)
			memcpy(t->comm, im->v[i - 1].comm, sizeof(t->comm));
		t->named = true;
	}
	return 0;
}

static int emit(struct sr_import *im, const struct sr_import_item *item, struct sr_error *err)
{
	const struct sr_event *ev = &item->ev;
	struct seen *t;

	if (see(im, ev, ev->ctx, NULL, err))
		return -1;
	switch (ev->kind) {
	case SR_EV_SWITCH:
		if (see_comm(im, ev, ev->u.sw.prev, item->a, item->has_a, err) ||
		    see_comm(im, ev, ev->u.sw.next, item->b, item->has_b, err) ||
		    see_prio(im, ev, ev->u.sw.prev, ev->u.sw.prev_prio, err) ||
		    see_prio(im, ev, ev->u.sw.next, ev->u.sw.next_prio, err))
			return -1;
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		if (see_comm(im, ev, ev->u.wake.tid, item->a, item->has_a, err) ||
		    see_prio(im, ev, ev->u.wake.tid, ev->u.wake.prio, err))
			return -1;
		break;
	case SR_EV_MIGRATE:
		if (see_comm(im, ev, ev->u.migrate.tid, item->a, item->has_a, err) ||
		    see_prio(im, ev, ev->u.migrate.tid, ev->u.migrate.prio, err))
			return -1;
		break;
	case SR_EV_FORK:
		if (see_comm(im, ev, ev->u.fork.parent, item->a, item->has_a, err) || put(im, ev, err) ||
		    born(im, ev, ev->u.fork.parent, ev->u.fork.child, err))
			return -1;
		return see_comm(im, ev, ev->u.fork.child, item->b, item->has_b, err);
	case SR_EV_EXEC:
		if (execed(im, ev, item->b, err))
			return -1;
		break;
	case SR_EV_EXIT:
		if (see_comm(im, ev, ev->u.exit.tid, item->a, item->has_a, err))
			return -1;
		break;
	case SR_EV_RENAME:
		im->renames = true;
		if (see_comm(im, ev, ev->u.rename.tid, item->a, item->has_a, err) ||
		    see(im, ev, ev->u.rename.tid, &t, err))
			return -1;
		if (t) {
			memcpy(t->comm, item->b, sizeof(t->comm));
			t->named = true;
		}
		break;
	case SR_EV_NEWTASK:
		if (put(im, ev, err))
			return -1;
		t = ev->u.newtask.tid > 0 ? seen_of(im, ev->u.newtask.tid, err) : NULL;
		if (t && !t->seen && born(im, ev, ev->ctx, ev->u.newtask.tid, err))
			return -1;
		return see_comm(im, ev, ev->u.newtask.tid, item->a, item->has_a, err);
	}
	return put(im, ev, err);
}

/* ---- a new task's flags, right behind its fork ---- */

static int emit_pending(struct sr_import *im, unsigned i, const struct sr_event *at, struct sr_error *err)
{
	struct sr_import_item item = im->pending[i];

	im->pending[i] = im->pending[--im->npending];
	item.ev.time_ns = at->time_ns;
	item.ev.cpu = at->cpu;
	return emit(im, &item, err);
}

static int emit_pending_of(struct sr_import *im, int32_t tid, const struct sr_event *at, struct sr_error *err)
{
	for (unsigned i = 0; i < im->npending; i++)
		if (im->pending[i].ev.u.newtask.tid == tid)
			return emit_pending(im, i, at, err);
	return 0;
}

static bool has_pending(const struct sr_import *im, int32_t tid)
{
	for (unsigned i = 0; i < im->npending; i++)
		if (im->pending[i].ev.u.newtask.tid == tid)
			return true;
	return false;
}

static int take_newtask(struct sr_import *im, const struct sr_import_item *item, struct sr_error *err)
{
	uint32_t i = sr_tidmap_get(&im->map, item->ev.u.newtask.tid);

	if (i && im->v[i - 1].forked) {
		im->v[i - 1].forked = false;
		return emit(im, item, err);
	}
	if (im->npending == PENDING && emit_pending(im, 0, &item->ev, err))
		return -1;
	im->pending[im->npending++] = *item;
	return 0;
}

static int take_fork(struct sr_import *im, const struct sr_import_item *item, struct sr_error *err)
{
	int32_t child = item->ev.u.fork.child;
	bool told = has_pending(im, child);
	uint32_t i;

	if (emit(im, item, err) || (told && emit_pending_of(im, child, &item->ev, err)))
		return -1;
	i = sr_tidmap_get(&im->map, child);
	if (i)
		im->v[i - 1].forked = !told;
	return 0;
}

static bool tids_are_real(const struct sr_event *ev)
{
	int32_t tids = ev->ctx;

	switch (ev->kind) {
	case SR_EV_SWITCH:
		tids |= ev->u.sw.prev | ev->u.sw.next;
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		tids |= ev->u.wake.tid;
		return tids >= 0 && ev->u.wake.target_cpu < SR_MAX_CPUS;
	case SR_EV_MIGRATE:
		tids |= ev->u.migrate.tid;
		return tids >= 0 && ev->u.migrate.from < SR_MAX_CPUS && ev->u.migrate.to < SR_MAX_CPUS;
	case SR_EV_FORK:
		tids |= ev->u.fork.parent | ev->u.fork.child;
		break;
	case SR_EV_EXEC:
		tids |= ev->u.exec.tid | ev->u.exec.old_tid;
		break;
	case SR_EV_EXIT:
		tids |= ev->u.exit.tid;
		break;
	case SR_EV_RENAME:
		tids |= ev->u.rename.tid;
		break;
	case SR_EV_NEWTASK:
		tids |= ev->u.newtask.tid;
		break;
	case SR_EV_FREQUENCY:
		return tids >= 0 && ev->u.frequency.target_cpu < SR_MAX_CPUS;
	case SR_EV_IDLE:
		return tids >= 0 && ev->u.idle.target_cpu < SR_MAX_CPUS;
	}
	return tids >= 0;
}

/* The event's place behind those before it, in *last. */
static int place_behind(struct sr_import *im, struct sr_event *ev, uint64_t *last, struct sr_error *err)
{
	if (ev->time_ns < *last) {
		if (*last - ev->time_ns > BACK_NS)
			return sr_fail(err, SR_DAMAGED,
				       "on CPU %u time goes back by %.3f s: it is several recordings in one, or not in "
				       "the order of time",
				       ev->cpu, (double)(*last - ev->time_ns) / 1e9);
		ev->time_ns = *last;
		im->counts.late++;
	}
	*last = ev->time_ns;
	return 0;
}

/* The event's place on its CPU. */
static int place(struct sr_import *im, struct sr_event *ev, struct sr_error *err)
{
	sr_cpumask_set(&im->cpus, ev->cpu);
	return place_behind(im, ev, &im->last_ns[ev->cpu], err);
}

int sr_import_put(struct sr_import *im, struct sr_import_item *item, struct sr_error *err)
{
	struct sr_event *ev = &item->ev;

	if (ev->cpu >= SR_MAX_CPUS || !tids_are_real(ev)) {
		im->counts.unreadable++;
		return 0;
	}
	if (place(im, ev, err))
		return -1;
	if (ev->kind == SR_EV_NEWTASK)
		return take_newtask(im, item, err);
	if (ev->kind == SR_EV_FORK)
		return take_fork(im, item, err);
	if (ev->kind == SR_EV_WAKEUP_NEW && im->npending && emit_pending_of(im, ev->u.wake.tid, ev, err))
		return -1;
	return emit(im, item, err);
}

int sr_import_lost(struct sr_import *im, unsigned cpu, uint64_t time_ns, uint64_t count, struct sr_error *err)
{
	struct sr_event ev = { .time_ns = time_ns, .cpu = (uint16_t)cpu, .kind = SR_EV_LOST, .u.lost.count = count };
	uint64_t before, span_us;

	if (cpu >= SR_MAX_CPUS) {
		im->counts.unreadable++;
		return 0;
	}
	before = im->last_ns[cpu];
	if (!time_ns) /* not told */
		ev.time_ns = time_ns = before;
	span_us = before && time_ns > before ? (time_ns - before) / 1000 : 0;
	ev.u.lost.span_us = span_us > UINT32_MAX ? UINT32_MAX : (uint32_t)span_us;
	if (place(im, &ev, err))
		return -1;
	im->counts.lost = im->counts.lost + count < count ? UINT64_MAX : im->counts.lost + count;
	im->counts.lost_places++;
	return put(im, &ev, err);
}

/* It only names a task: that says nothing of whether the task was there before. */
int sr_import_decision(struct sr_import *im, struct sr_event *ev, struct sr_error *err)
{
	if (place_behind(im, ev, &im->decided_ns, err) || write_events(im, SRZ_STREAM_ENGINE, ev, 1, err))
		return -1;
	im->counts.events++;
	im->counts.by_kind[SR_EV_DECISION]++;
	return 0;
}

/* What a replay recorded of itself is of its own tasks, as a tree's is. */
void sr_import_scope(struct sr_import *im, const void *text, size_t len)
{
	static const struct {
		const char *said, *is;
	} scopes[] = { { "system", "system" }, { "tree", "tree" }, { "pid", "pid" }, { "self", "tree" } };

	im->scope = NULL;
	for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++)
		if (len == strlen(scopes[i].said) && !memcmp(text, scopes[i].said, len))
			im->scope = scopes[i].is;
	im->counts.scope_told = im->scope;
	im->counts.scope_unknown = !im->scope;
}

int sr_import_root(struct sr_import *im, const void *text, size_t len, struct sr_error *err)
{
	const char *digit = text;
	int64_t tid = 0;

	for (size_t i = 0; i < len && tid <= INT32_MAX; i++)
		tid = isdigit((unsigned char)digit[i]) ? tid * 10 + (digit[i] - '0') : INT64_MAX;
	if (tid <= 0 || tid > INT32_MAX || im->nroots == MOST_ROOTS)
		return 0;
	im->nroots++;
	return sr_tidmap_put(&im->roots, (int32_t)tid, 1) < 0 ? sr_fail(err, SR_ENVIRONMENT, "out of memory") : 0;
}

/* ---- many CPUs ---- */

struct head {
	struct sr_import_item item;
	uint64_t time_ns; /* UINT64_MAX: it has no more */
};

static bool earlier(const struct head *h, unsigned a, unsigned b)
{
	uint64_t x = h[a].time_ns, y = h[b].time_ns;

	return x < y || (x == y && a < b);
}

static void sift_down(const struct head *h, unsigned *heap, unsigned n, unsigned i)
{
	for (;;) {
		unsigned child = 2 * i + 1, x = heap[i];

		if (child >= n)
			return;
		if (child + 1 < n && earlier(h, heap[child + 1], heap[child]))
			child++;
		if (!earlier(h, heap[child], x))
			return;
		heap[i] = heap[child];
		heap[child] = x;
		i = child;
	}
}

static int load(const struct sr_import_source *s, struct head *h, unsigned cpu, struct sr_error *err)
{
	int got = s->next(s->arg, cpu, &h[cpu].item, err);

	h[cpu].time_ns = got == 1 ? h[cpu].item.ev.time_ns : UINT64_MAX;
	return got < 0 ? -1 : 0;
}

int sr_import_merge(struct sr_import *im, const struct sr_import_source *s, unsigned ncpus, struct sr_error *err)
{
	struct head *h = calloc(ncpus ? ncpus : 1, sizeof(*h));
	unsigned *heap = calloc(ncpus ? ncpus : 1, sizeof(*heap)), n = ncpus, k = 0;
	int ret = -1;

	if (!h || !heap) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		goto out;
	}
	for (unsigned i = 0; i < ncpus; i++) {
		heap[i] = i;
		if (load(s, h, i, err))
			goto out;
	}
	for (unsigned i = n / 2; i-- > 0;)
		sift_down(h, heap, n, i);
	while (n && h[heap[0]].time_ns != UINT64_MAX) {
		struct sr_import_item *item = &h[heap[0]].item;

		if (item->ev.kind == SR_EV_LOST ?
			    sr_import_lost(im, item->ev.cpu, item->ev.time_ns, item->ev.u.lost.count, err) :
			    sr_import_put(im, item, err))
			goto out;
		if (load(s, h, heap[0], err))
			goto out;
		sift_down(h, heap, n, 0);
		if (!(k++ & 0x3fff)) {
			ret = sr_import_step(im, s->done(s->arg), s->all);
			if (ret)
				goto out;
			ret = -1;
		}
	}
	ret = 0;
out:
	free(heap);
	free(h);
	return ret;
}

/* ---- the end ---- */

/* Kernel threads by their names, where nothing else tells. */
static bool kthread_name(const char *comm)
{
	static const char *const names[] = {
		"kthreadd",      "kworker/*",  "ksoftirqd/*", "migration/*",      "cpuhp/*",      "rcu_*",
		"rcuo[bgpsc]/*", "rcuog/*",    "rcub/*",      "rcuc/*",           "kswapd[0-9]*", "kcompactd*",
		"khugepaged",    "ksmd",       "kdevtmpfs",   "kauditd",          "khungtaskd",   "oom_reaper",
		"watchdogd",     "watchdog/*", "irq/[0-9]*",  "idle_inject/*",    "jbd2/*",       "kblockd",
		"writeback",     "scsi_eh_*",  "ksgxd",       "pool_workqueue_*", "kirqd",        "kthrotld",
		"cfinteractive", "sugov:*",    "mmcqd/*",     "ecryptfs-kthr*",   "psimon",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!fnmatch(names[i], comm, 0))
			return true;
	return false;
}

static int put_start(struct sr_import *im, struct sr_error *err)
{
	struct sr_task_starts starts = { 0 };
	int ret = -1;

	for (size_t i = 0; i < im->nseen && starts.n < MOST_TASKS; i++) {
		const struct seen *t = &im->v[i];
		struct sr_task_start s = {
			.tid = t->tid, .tgid = t->tgid, .ppid = t->ppid, .state = '?', .last_cpu = t->cpu
		};
		bool kthread = t->kthread > 0 || (t->kthread < 0 && (t->ppid == 2 || t->tid == 2));

		if (t->seen && !t->at_start)
			continue;
		memcpy(s.comm, t->first, sizeof(s.comm));
		if (!kthread && t->kthread < 0 && kthread_name(s.comm)) {
			kthread = true;
			im->counts.kthreads_by_name++;
		}
		s.flags = kthread ? SR_TASK_KTHREAD : 0;
		if (sr_tidmap_get(&im->roots, t->tid))
			s.flags |= SR_TASK_ROOT;
		if (t->has_prio && t->prio < 0) {
			s.policy = SR_SCHED_DEADLINE;
		} else if (t->has_prio && t->prio < 100) {
			s.policy = SR_SCHED_FIFO;
			s.rt_prio = (uint8_t)(t->prio < 99 ? 99 - t->prio : 1);
		} else if (t->has_prio) {
			s.nice = (int8_t)(t->prio > 139 ? 19 : t->prio - 120);
		}
		if (sr_task_starts_add(&starts, &s, NULL, err))
			goto out;
	}
	im->counts.tasks_at_start = starts.n;
	ret = starts.n ? srz_put_tasks(im->w, &starts, err) : 0;
out:
	sr_task_starts_release(&starts);
	return ret;
}

/* The kinds that a recording of schedrec's own has, and this one does not. */
static int put_missing(struct sr_import *im, struct sr_error *err)
{
	char text[512] = "";
	size_t n = 0;

	for (unsigned kind = SR_EV_SWITCH; kind <= SR_EV_NEWTASK; kind++)
		if (!im->counts.by_kind[kind])
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "",
					      sr_event_kind_name(kind));
	return n ? srz_put_meta(im->w, "import.missing", text, err) : 0;
}

int sr_import_end(struct sr_import *im, const char *scope, struct sr_error *err)
{
	const struct sr_import_counts *c = &im->counts;
	const struct {
		const char *key;
		uint64_t n;
	} numbers[] = { { "import.late", c->late },
			{ "import.unreadable", c->unreadable },
			{ "import.other_events", c->other },
			{ "import.unplaced", c->unplaced } };
	char cpus[4096];

	while (im->npending) {
		struct sr_event at = im->pending[0].ev;

		at.time_ns = im->last_ns[at.cpu];
		if (emit_pending(im, 0, &at, err))
			return -1;
	}
	if (flush(im, err))
		return -1;
	if (!scheduled(c))
		return sr_fail(err, SR_DAMAGED, "no event of the scheduler is in it");
	if (!scope)
		scope = im->scope ? im->scope : "system";
	sr_cpumask_format(&im->cpus, cpus, sizeof(cpus));
	if (put_start(im, err) || put_missing(im, err) || srz_put_meta(im->w, "scope", scope, err) ||
	    srz_put_meta(im->w, "source", "kernel", err) || srz_put_meta(im->w, "engine", "recorded", err) ||
	    srz_put_meta(im->w, "cpus.online", cpus, err) || srz_put_meta(im->w, "import.cpus", "seen", err) ||
	    srz_put_meta(im->w, "import.start", "unknown", err) ||
	    srz_put_meta_u64(im->w, "duration_ns", c->last_ns - c->first_ns, err))
		return -1;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (numbers[i].n && srz_put_meta_u64(im->w, numbers[i].key, numbers[i].n, err))
			return -1;
	return 0;
}

/* Does it begin like a trace of Perfetto's: with packets, one behind the other? */
static bool has_packets(const uint8_t *head, size_t len)
{
	struct sr_pb_reader r = { head, head + len };
	struct sr_pb_field f, inner;
	unsigned n = 0;

	for (; r.p < r.end; n++) {
		const uint8_t *at = r.p;
		int got = sr_pb_next(&r, &f);

		if (got != 1) { /* cut by the end of what was read */
			struct sr_pb_reader packet = { at, head + len };
			uint64_t tag, size;

			return sr_pb_packed(&packet, &tag) != 1 ||
			       (tag == 10 &&
				(sr_pb_packed(&packet, &size) != 1 || (size && sr_pb_next(&packet, &inner) >= 0) || n));
		}
		if (f.number != 1 || f.wire != 2)
			return false;
	}
	return n != 0;
}

enum sr_import_format sr_import_guess(const uint8_t *head, size_t len)
{
	static const uint8_t tracedat[] = { 0x17, 0x08, 0x44, 't', 'r', 'a', 'c', 'i', 'n', 'g' };

	if (len >= 8 && !memcmp(head, "PERFILE2", 8))
		return SR_IMPORT_PERF;
	if (len >= sizeof(tracedat) && !memcmp(head, tracedat, sizeof(tracedat)))
		return SR_IMPORT_TRACEDAT;
	if (len > 1 && head[0] == 0x0a && has_packets(head, len))
		return SR_IMPORT_PERFETTO;
	return len && !memchr(head, 0, len) ? SR_IMPORT_TEXT : SR_IMPORT_UNKNOWN;
}
