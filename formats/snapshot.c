/* SPDX-License-Identifier: GPL-2.0-or-later */
/* It follows the rules of task.c (which event begins or ends an incarnation of a tid), but forgets the dead. */
#include "formats/snapshot.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CLONE_THREAD_BIT 0x10000u
#define FIRST_SLOTS 256
#define PRIO_UNKNOWN INT16_MIN

/* slot.known_by, as in task.c */
enum {
	BY_NAME = 1,
	BY_FORK = 2,
	BY_NEWTASK = 4,
	BY_LIFE = 8,
};

struct slot {
	int32_t tid; /* 0: free */
	int32_t tgid;
	int32_t ppid;
	int32_t forker_tgid;  /* a thread's tgid, when task_newtask will tell that it is one */
	uint32_t leader;      /* slot of ppid's main thread; 0: it never was in the stream */
	uint32_t leader_life; /* its life when it was noted */
	uint32_t forker_leader, forker_leader_life;
	int32_t forker_ppid;
	uint32_t life;   /* counts the tasks that this slot has held */
	uint32_t mask;   /* number of its mask + 1, 0: not known */
	uint32_t source; /* of SR_EV_BIND */
	char comm[SR_COMM_LEN];
	int16_t prio; /* last seen, PRIO_UNKNOWN: only the start state has told */
	uint16_t cpu;
	uint8_t policy, rt_prio;
	int8_t nice;
	uint8_t flags, in_tree, known_by, bound;
	char state;
};

struct sr_snapshot {
	struct slot *v; /* slot 0 is the idle task */
	size_t n, cap;
	uint32_t free; /* a free slot, which names the next one in its leader; 0: none */
	struct sr_tidmap map;
	struct sr_task_starts start; /* only its masks */
	bool renames;
	unsigned clocks;           /* cpus whose clock is known: below this */
	uint32_t khz[SR_MAX_CPUS]; /* 0: not known */
};

static int no_memory(const struct sr_snapshot *s, struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory (for %zu tasks)", s->n);
}

static void forget(struct sr_snapshot *s, struct slot *t)
{
	if (sr_tidmap_get(&s->map, t->tid) == (uint32_t)(t - s->v))
		sr_tidmap_del(&s->map, t->tid);
	*t = (struct slot){ .life = t->life + 1, .leader = s->free };
	s->free = (uint32_t)(t - s->v);
}

/* A new incarnation becomes the owner of tid, the one before is gone. NULL: out of memory. */
static struct slot *begin(struct sr_snapshot *s, int32_t tid, unsigned known_by, struct sr_error *err)
{
	uint32_t i = tid ? sr_tidmap_get(&s->map, tid) : 0;
	struct slot *t;

	if (i)
		forget(s, &s->v[i]);
	if (!s->free && s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : FIRST_SLOTS;
		struct slot *v = cap > UINT32_MAX ? NULL : realloc(s->v, cap * sizeof(*v));

		if (!v) {
			no_memory(s, err);
			return NULL;
		}
		s->v = v;
		s->cap = cap;
	}
	i = s->free ? s->free : (uint32_t)s->n;
	if (tid && sr_tidmap_put(&s->map, tid, i)) {
		no_memory(s, err);
		return NULL;
	}
	t = &s->v[i];
	if (s->free)
		s->free = t->leader;
	else
		t->life = 0, s->n++;
	*t = (struct slot){ .tid = tid, .life = t->life, .prio = 120, .state = '?', .known_by = (uint8_t)known_by };
	return t;
}

static inline struct slot *touch(struct sr_snapshot *s, int32_t tid, unsigned known_by, struct sr_error *err)
{
	uint32_t i;

	if (tid == 0)
		return &s->v[0];
	i = sr_tidmap_get(&s->map, tid);
	if (i == 0)
		return begin(s, tid, known_by, err);
	s->v[i].known_by |= (uint8_t)known_by;
	return &s->v[i];
}

static void set_comm(struct slot *t, const char *name)
{
	size_t len = strnlen(name, SR_COMM_LEN - 1);

	memset(t->comm, 0, sizeof(t->comm));
	memcpy(t->comm, name, len);
}

static inline void runnable_on(struct slot *t, unsigned cpu)
{
	t->state = 'R';
	if (cpu < SR_MAX_CPUS)
		t->cpu = (uint16_t)cpu;
}

/* ---- the start ---- */

static int add_start(struct sr_snapshot *s, const struct sr_task_starts *all, const struct sr_task_start *from,
		     uint8_t in_tree, struct sr_error *err)
{
	struct slot *t = begin(s, from->tid, BY_LIFE, err);

	if (!t)
		return -1;
	t->tgid = from->tgid;
	t->ppid = from->ppid;
	memcpy(t->comm, from->comm, sizeof(t->comm));
	t->comm[SR_COMM_LEN - 1] = '\0';
	t->prio = PRIO_UNKNOWN;
	t->policy = from->policy;
	t->rt_prio = from->rt_prio;
	t->nice = from->nice;
	t->flags = from->flags;
	t->state = from->state;
	t->cpu = from->last_cpu < SR_MAX_CPUS ? from->last_cpu : 0;
	t->mask = from->allowed < all->nmasks ? from->allowed + 1 : 0;
	t->in_tree = in_tree;
	return 0;
}

static void note_leader(struct sr_snapshot *s, struct slot *t)
{
	t->leader = t->ppid ? sr_tidmap_get(&s->map, t->ppid) : 0;
	t->leader_life = s->v[t->leader].life;
}

static int begin_with(struct sr_snapshot *s, const struct sr_task_starts *starts, struct sr_error *err)
{
	struct sr_task_table tree;
	int ret = 0;

	if (starts->nmasks) {
		s->start.masks = malloc(starts->nmasks * sizeof(*starts->masks));
		if (!s->start.masks)
			return no_memory(s, err);
		memcpy(s->start.masks, starts->masks, starts->nmasks * sizeof(*starts->masks));
		s->start.nmasks = s->start.masks_cap = starts->nmasks;
	}
	if (sr_task_table_init(&tree, starts, err))
		return -1;
	for (size_t i = 0; !ret && i < starts->n; i++)
		if (starts->v[i].tid)
			ret = add_start(s, starts, &starts->v[i], tree.v[i + 1].in_tree, err);
	for (size_t i = 1; i < s->n; i++)
		note_leader(s, &s->v[i]);
	sr_task_table_release(&tree);
	return ret;
}

struct sr_snapshot *sr_snapshot_new(const struct sr_task_starts *at_start, struct sr_error *err)
{
	struct sr_snapshot *s = calloc(1, sizeof(*s));

	if (!s) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	if (!begin(s, 0, BY_LIFE, err))
		goto fail;
	set_comm(&s->v[0], "swapper");
	if (at_start && begin_with(s, at_start, err))
		goto fail;
	return s;
fail:
	sr_snapshot_free(s);
	return NULL;
}

void sr_snapshot_free(struct sr_snapshot *s)
{
	if (!s)
		return;
	free(s->v);
	sr_tidmap_release(&s->map);
	sr_task_starts_release(&s->start);
	free(s);
}

/* ---- events ---- */

/* A child of the process of p, which may be the other half of a fork that is known already (as in task.c). */
static struct slot *feed_birth(struct sr_snapshot *s, int32_t parent, int32_t child, unsigned by, unsigned cpu,
			       struct sr_error *err)
{
	struct slot *t = touch(s, parent, BY_LIFE, err), p;
	uint32_t pi, ci;

	if (!t || child == 0)
		return t;
	p = *t;
	pi = (uint32_t)(t - s->v);
	ci = sr_tidmap_get(&s->map, child);
	if (ci && ci != pi && !(s->v[ci].known_by & (by | BY_LIFE))) {
		t = &s->v[ci];
		t->known_by |= (uint8_t)by;
		if (by == BY_NEWTASK && (t->known_by & BY_FORK))
			return t;
	} else {
		t = begin(s, child, by, err);
		if (!t)
			return NULL;
	}
	t->ppid = p.tgid ? p.tgid : p.tid;
	note_leader(s, t);
	t->forker_tgid = p.tgid;
	t->forker_ppid = p.ppid;
	t->forker_leader = p.leader;
	t->forker_leader_life = p.leader_life;
	t->in_tree = p.in_tree;
	t->flags = p.flags & SR_TASK_KTHREAD;
	t->mask = p.mask;
	t->prio = p.prio;
	t->policy = p.policy;
	t->nice = p.nice;
	t->rt_prio = p.rt_prio;
	runnable_on(t, cpu);
	if (!t->comm[0])
		memcpy(t->comm, p.comm, sizeof(t->comm));
	return t;
}

static int feed_newtask(struct sr_snapshot *s, const struct sr_event *ev, struct sr_error *err)
{
	struct slot *t = feed_birth(s, ev->ctx, ev->u.newtask.tid, BY_NEWTASK, ev->cpu, err);

	if (!t)
		return -1;
	if (ev->u.newtask.tid == 0)
		return 0;
	if (!(ev->u.newtask.clone_flags & CLONE_THREAD_BIT)) {
		t->tgid = t->tid;
		return 0;
	}
	t->tgid = t->forker_tgid;
	t->ppid = t->forker_ppid;
	t->leader = t->forker_leader;
	t->leader_life = t->forker_leader_life;
	return 0;
}

/* A thread that execs takes over the tid of its process's main thread, which is gone; the process stays what it is. */
static struct slot *take_over(struct sr_snapshot *s, struct slot *thread, int32_t tid, struct sr_error *err)
{
	uint32_t i = sr_tidmap_get(&s->map, tid);
	struct slot *main = &s->v[i], kept = *thread;

	if (i && main != thread) {
		kept.life = main->life;
		kept.ppid = main->ppid;
		kept.leader = main->leader;
		kept.leader_life = main->leader_life;
		kept.tid = tid;
		forget(s, thread);
		*main = kept;
		return main;
	}
	sr_tidmap_del(&s->map, thread->tid);
	if (sr_tidmap_put(&s->map, tid, (uint32_t)(thread - s->v))) {
		no_memory(s, err);
		return NULL;
	}
	thread->tid = tid;
	return thread;
}

static int feed_exec(struct sr_snapshot *s, const struct sr_event *ev, sr_name_fn name, void *arg, struct sr_error *err)
{
	int32_t tid = ev->u.exec.tid, old = ev->u.exec.old_tid;
	struct slot *t = touch(s, old ? old : tid, BY_LIFE, err);

	if (t && old && tid && old != tid)
		t = take_over(s, t, tid, err);
	if (!t)
		return -1;
	if (t == s->v)
		return 0;
	t->tgid = t->tid;
	t->flags &= (uint8_t)~SR_TASK_KTHREAD;
	if (name && !s->renames) {
		const char *path = name(arg, ev->u.exec.name), *slash = strrchr(path, '/');

		set_comm(t, slash ? slash + 1 : path);
	}
	return 0;
}

static int feed_switch(struct sr_snapshot *s, const struct sr_event *ev, struct sr_error *err)
{
	struct slot *t = touch(s, ev->u.sw.prev, BY_LIFE, err);

	if (!t)
		return -1;
	if (t != s->v) {
		runnable_on(t, ev->cpu);
		t->prio = ev->u.sw.prev_prio;
		t->state = sr_state_letter(ev->u.sw.prev_state);
		if (ev->u.sw.prev_state == SR_STATE_DEAD || ev->u.sw.prev_state == SR_STATE_ZOMBIE)
			forget(s, t);
	}
	t = touch(s, ev->u.sw.next, BY_LIFE, err);
	if (!t)
		return -1;
	if (t != s->v) {
		runnable_on(t, ev->cpu);
		t->prio = ev->u.sw.next_prio;
	}
	return 0;
}

static int feed_wake(struct sr_snapshot *s, const struct sr_event *ev, struct sr_error *err)
{
	struct slot *t = touch(s, ev->u.wake.tid, BY_LIFE, err);

	if (!t)
		return -1;
	if (t != s->v) {
		runnable_on(t, ev->u.wake.target_cpu);
		t->prio = ev->u.wake.prio;
	}
	return 0;
}

static int feed_name(struct sr_snapshot *s, const struct sr_event *ev, unsigned known_by, sr_name_fn name, void *arg,
		     struct sr_error *err)
{
	struct slot *t = touch(s, ev->u.rename.tid, known_by, err);

	if (t && t != s->v && name)
		set_comm(t, name(arg, ev->u.rename.name));
	return t ? 0 : -1;
}

static int feed_bind(struct sr_snapshot *s, const struct sr_event *ev, struct sr_error *err)
{
	struct slot *t = touch(s, ev->u.bind.tid, BY_NAME, err);

	if (t && t != s->v) {
		t->bound = 1;
		t->source = ev->u.bind.source;
	}
	return t ? 0 : -1;
}

static void feed_frequency(struct sr_snapshot *s, const struct sr_event *ev)
{
	unsigned cpu = ev->u.frequency.target_cpu;

	if (cpu >= SR_MAX_CPUS)
		return;
	s->khz[cpu] = ev->u.frequency.khz;
	if (cpu >= s->clocks)
		s->clocks = cpu + 1;
}

int sr_snapshot_feed(struct sr_snapshot *s, const struct sr_event *ev, sr_name_fn name, void *name_arg,
		     struct sr_error *err)
{
	struct slot *t;

	switch (ev->kind) {
	case SR_EV_SWITCH:
		return feed_switch(s, ev, err);
	case SR_EV_COMM:
		return feed_name(s, ev, BY_NAME, name, name_arg, err);
	case SR_EV_BIND:
		return feed_bind(s, ev, err);
	case SR_EV_FREQUENCY:
		feed_frequency(s, ev);
		return 0;
	case SR_EV_DECISION:
		return touch(s, ev->u.decision.tid, BY_NAME, err) ? 0 : -1;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
	case SR_EV_MIGRATE:
	case SR_EV_FORK:
	case SR_EV_EXEC:
	case SR_EV_EXIT:
	case SR_EV_RENAME:
	case SR_EV_NEWTASK:
		break;
	default:
		return 0;
	}
	t = touch(s, ev->ctx, BY_LIFE, err);
	if (!t)
		return -1;
	if (t != s->v)
		runnable_on(t, ev->cpu);
	switch (ev->kind) {
	case SR_EV_MIGRATE:
		t = touch(s, ev->u.migrate.tid, BY_LIFE, err);
		if (t && t != s->v && ev->u.migrate.to < SR_MAX_CPUS)
			t->cpu = ev->u.migrate.to;
		return t ? 0 : -1;
	case SR_EV_FORK:
		return feed_birth(s, ev->u.fork.parent, ev->u.fork.child, BY_FORK, ev->cpu, err) ? 0 : -1;
	case SR_EV_NEWTASK:
		return feed_newtask(s, ev, err);
	case SR_EV_EXEC:
		return feed_exec(s, ev, name, name_arg, err);
	case SR_EV_EXIT:
		return touch(s, ev->u.exit.tid, BY_LIFE, err) ? 0 : -1;
	case SR_EV_RENAME:
		s->renames = true;
		return feed_name(s, ev, BY_LIFE, name, name_arg, err);
	default:
		return feed_wake(s, ev, err);
	}
}

/* ---- the state ---- */

/* Policy and nice value: the priority last seen, unless it is the one that the start state (or its parent's) gives. */
static void set_priority(struct sr_task_start *out, const struct slot *t)
{
	int prio = t->policy == 6 ? -1 : t->rt_prio ? 99 - t->rt_prio : 120 + t->nice;

	out->policy = t->policy;
	out->rt_prio = t->rt_prio;
	out->nice = t->nice;
	if (t->prio == PRIO_UNKNOWN || t->prio == prio)
		return;
	out->rt_prio = 0;
	if (t->prio == -1) {
		out->policy = 6;
	} else if (t->prio >= 0 && t->prio < 99) {
		out->policy = t->rt_prio ? t->policy : 1;
		out->rt_prio = (uint8_t)(99 - t->prio);
	} else if (t->prio >= 100 && t->prio < 140) {
		if (t->rt_prio || t->policy == 6)
			out->policy = 0;
		out->nice = (int8_t)(t->prio - 120);
	}
}

/* The parent process is the one that forked it, and alive. */
static bool has_parent(const struct sr_snapshot *s, const struct slot *t)
{
	return t->ppid && (!t->leader || s->v[t->leader].life == t->leader_life);
}

/* Does the start state alone, as sr_task_table_init reads it, tell that it is in the tree? */
static bool tree_is_told(const struct sr_snapshot *s, const struct slot *t, int32_t ppid)
{
	int32_t up = t->tid != t->tgid ? t->tgid : ppid;
	uint32_t i = up ? sr_tidmap_get(&s->map, up) : 0;

	return t->flags & SR_TASK_ROOT || (i && s->v[i].in_tree);
}

static int by_tid(const void *a, const void *b)
{
	const struct sr_task_start *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

int sr_snapshot_take(const struct sr_snapshot *s, struct sr_task_starts *out, struct sr_error *err)
{
	for (size_t i = 1; i < s->n; i++) {
		const struct slot *t = &s->v[i];
		struct sr_task_start to = { .tid = t->tid, .state = t->state, .flags = t->flags, .last_cpu = t->cpu };

		if (t->tid <= 0)
			continue;
		to.tgid = t->tgid > 0 ? t->tgid : 0;
		to.ppid = has_parent(s, t) && t->ppid > 0 ? t->ppid : 0;
		memcpy(to.comm, t->comm, sizeof(to.comm));
		set_priority(&to, t);
		if (t->in_tree && !tree_is_told(s, t, to.ppid))
			to.flags |= SR_TASK_ROOT;
		if (sr_task_starts_add(out, &to, t->mask ? &s->start.masks[t->mask - 1] : NULL, err)) {
			sr_task_starts_release(out);
			return -1;
		}
	}
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), by_tid);
	return 0;
}

static int by_bound_tid(const void *a, const void *b)
{
	const struct sr_event *x = a, *y = b;

	return (x->u.bind.tid > y->u.bind.tid) - (x->u.bind.tid < y->u.bind.tid);
}

int sr_snapshot_retell(const struct sr_snapshot *s, struct sr_event **ev, size_t *n, struct sr_error *err)
{
	size_t room = s->clocks, clocks;

	*n = 0;
	for (size_t i = 1; i < s->n; i++)
		room += s->v[i].bound;
	*ev = calloc(room ? room : 1, sizeof(**ev));
	if (!*ev)
		return no_memory(s, err);
	for (unsigned cpu = 0; cpu < s->clocks; cpu++)
		if (s->khz[cpu])
			(*ev)[(*n)++] = (struct sr_event){
				.kind = SR_EV_FREQUENCY,
				.cpu = (uint16_t)cpu,
				.u.frequency = { .khz = s->khz[cpu], .target_cpu = (uint16_t)cpu },
			};
	clocks = *n;
	for (size_t i = 1; i < s->n; i++)
		if (s->v[i].bound)
			(*ev)[(*n)++] = (struct sr_event){
				.kind = SR_EV_BIND,
				.u.bind = { .tid = s->v[i].tid, .source = s->v[i].source },
			};
	qsort(*ev + clocks, *n - clocks, sizeof(**ev), by_bound_tid);
	return 0;
}
