/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLONE_THREAD_BIT 0x10000u /* CLONE_THREAD, the same on every architecture */

void sr_cpumask_set(struct sr_cpumask *m, unsigned cpu)
{
	if (cpu < SR_MAX_CPUS)
		m->w[cpu / 64] |= 1ull << (cpu % 64);
}

int sr_cpumask_isset(const struct sr_cpumask *m, unsigned cpu)
{
	return cpu < SR_MAX_CPUS && (m->w[cpu / 64] >> (cpu % 64) & 1);
}

unsigned sr_cpumask_count(const struct sr_cpumask *m)
{
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(m->w) / sizeof(m->w[0]); i++)
		n += (unsigned)__builtin_popcountll(m->w[i]);
	return n;
}

/* A cpu number at *p; *p moves behind it. -1: none there, or not below SR_MAX_CPUS. */
static int parse_cpu(const char **p)
{
	int v = 0;

	if (**p < '0' || **p > '9')
		return -1;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		v = v * 10 + (**p - '0');
		if (v >= SR_MAX_CPUS)
			return -1;
	}
	return v;
}

int sr_cpumask_parse(struct sr_cpumask *m, const char *list, struct sr_error *err)
{
	const char *p = list;

	memset(m, 0, sizeof(*m));
	for (;;) {
		int from = parse_cpu(&p), to = from;

		if (from >= 0 && *p == '-') {
			p++;
			to = parse_cpu(&p);
		}
		if (from < 0 || to < from)
			break;
		for (int cpu = from; cpu <= to; cpu++)
			sr_cpumask_set(m, (unsigned)cpu);
		if (*p == '\0' || (p[0] == '\n' && p[1] == '\0'))
			return 0;
		if (*p != ',')
			break;
		p++;
	}
	return sr_fail(err, SR_USAGE, "'%s' is not a list of CPUs below %d, like 0-3,8", list, SR_MAX_CPUS);
}

void sr_cpumask_format(const struct sr_cpumask *m, char *buf, size_t len)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned cpu = 0; cpu < SR_MAX_CPUS; cpu++) {
		unsigned last = cpu;
		char item[24];
		int il;

		if (!sr_cpumask_isset(m, cpu))
			continue;
		while (sr_cpumask_isset(m, last + 1))
			last++;
		if (last > cpu)
			il = snprintf(item, sizeof(item), "%s%u-%u", n ? "," : "", cpu, last);
		else
			il = snprintf(item, sizeof(item), "%s%u", n ? "," : "", cpu);
		if (n + (size_t)il + sizeof(",...") > len) {
			snprintf(buf + n, len - n, ",...");
			return;
		}
		memcpy(buf + n, item, (size_t)il + 1);
		n += (size_t)il;
		cpu = last;
	}
}

/* Makes room for one more element; *v, *cap: the array. */
static int reserve(void **v, size_t *cap, size_t n, size_t size, struct sr_error *err)
{
	size_t bigger = *cap ? *cap * 2 : 16;
	void *p;

	if (n < *cap)
		return 0;
	p = bigger > SIZE_MAX / 2 / size ? NULL : realloc(*v, bigger * size);
	if (!p)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory (for %zu tasks)", bigger);
	*v = p;
	*cap = bigger;
	return 0;
}

int sr_task_starts_add(struct sr_task_starts *s, const struct sr_task_start *t, const struct sr_cpumask *allowed,
		       struct sr_error *err)
{
	struct sr_cpumask all;
	void *v = s->v, *masks = s->masks;
	size_t i = s->nmasks;

	if (!allowed) {
		memset(&all, 0xff, sizeof(all));
		allowed = &all;
	}
	/* Neighbours mostly share a mask: the latest first. */
	while (i > 0 && memcmp(&s->masks[i - 1], allowed, sizeof(*allowed)) != 0)
		i--;
	if (i == 0) {
		if (reserve(&masks, &s->masks_cap, s->nmasks, sizeof(*s->masks), err))
			return -1;
		s->masks = masks;
		s->masks[s->nmasks++] = *allowed;
		i = s->nmasks;
	}
	if (reserve(&v, &s->cap, s->n, sizeof(*s->v), err))
		return -1;
	s->v = v;
	s->v[s->n] = *t;
	s->v[s->n].comm[SR_COMM_LEN - 1] = '\0';
	s->v[s->n++].allowed = (uint32_t)(i - 1);
	return 0;
}

void sr_task_starts_release(struct sr_task_starts *s)
{
	free(s->v);
	free(s->masks);
	memset(s, 0, sizeof(*s));
}

bool sr_task_starts_have_root(const struct sr_task_starts *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		if (s->v[i].flags & SR_TASK_ROOT)
			return true;
	return false;
}

/* A new incarnation becomes the owner of tid. NULL: out of memory. */
static struct sr_task *new_task(struct sr_task_table *t, int32_t tid, uint64_t born_ns, unsigned known_by,
				struct sr_error *err)
{
	void *v = t->v;

	if (t->n >= UINT32_MAX) {
		sr_fail(err, SR_DAMAGED, "more than 4 billion tasks");
		return NULL;
	}
	if (reserve(&v, &t->cap, t->n, sizeof(*t->v), err))
		return NULL;
	t->v = v;
	if (tid != 0 && sr_tidmap_put(&t->map, tid, (uint32_t)t->n)) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory (for %zu tasks)", t->n);
		return NULL;
	}
	t->v[t->n] = (struct sr_task){ .tid = tid, .born_ns = born_ns, .prio = 120, .known_by = (uint8_t)known_by };
	return &t->v[t->n++];
}

/* The task that owns tid, which takes part in an event as known_by says. NULL: out of memory. */
static inline struct sr_task *touch(struct sr_task_table *t, int32_t tid, uint64_t now_ns, unsigned known_by,
				    struct sr_error *err)
{
	uint32_t i;

	if (tid == 0)
		return &t->v[0];
	i = sr_tidmap_get(&t->map, tid);
	if (i == 0 || (t->v[i].known_by & SR_GONE))
		return new_task(t, tid, now_ns, known_by, err);
	t->v[i].known_by |= (uint8_t)known_by;
	return &t->v[i];
}

static inline uint32_t index_of(const struct sr_task_table *t, const struct sr_task *task)
{
	return (uint32_t)(task - t->v);
}

size_t sr_task_of(struct sr_task_table *t, int32_t tid)
{
	struct sr_error err;
	uint32_t i;

	if (tid == 0)
		return 0;
	i = sr_tidmap_get(&t->map, tid);
	if (i == 0 && !new_task(t, tid, 0, SR_BY_NAME, &err))
		return SIZE_MAX;
	return i ? i : t->n - 1;
}

/* Are the task's ancestors at the start in the tree? mark[]: 0 open, 1 on the way, 2 done. */
static void resolve_tree(struct sr_task_table *t, uint8_t *mark, uint32_t i)
{
	uint32_t top = i;
	uint8_t in_tree;

	/* Up to the first task whose answer is known; a cycle, which only a hostile file has, ends it too. */
	while (top != 0 && mark[top] == 0 && !t->v[top].in_tree) {
		mark[top] = 1;
		top = t->v[top].parent;
	}
	in_tree = t->v[top].in_tree;
	for (; i != 0 && mark[i] == 1; i = t->v[i].parent) {
		mark[i] = 2;
		t->v[i].in_tree = in_tree;
	}
}

int sr_task_table_init(struct sr_task_table *t, const struct sr_task_starts *starts, struct sr_error *err)
{
	static const struct sr_task_starts none;
	struct sr_task *task;
	uint8_t *mark = NULL;

	if (!starts)
		starts = &none;
	memset(t, 0, sizeof(*t));
	task = new_task(t, 0, 0, SR_BY_LIFE, err);
	if (!task)
		goto fail;
	memcpy(task->comm, "swapper", sizeof("swapper"));
	for (size_t i = 0; i < starts->n; i++) {
		const struct sr_task_start *s = &starts->v[i];

		task = new_task(t, s->tid, 0, SR_BY_LIFE, err);
		if (!task)
			goto fail;
		task->tgid = s->tgid;
		task->start = (uint32_t)i + 1;
		task->flags = s->flags;
		task->in_tree = s->flags & SR_TASK_ROOT ? 1 : 0;
		task->prio = (int16_t)(s->policy == 6 ? -1 : s->rt_prio ? 99 - s->rt_prio : 120 + s->nice);
		memcpy(task->comm, s->comm, sizeof(task->comm));
		task->comm[SR_COMM_LEN - 1] = '\0';
	}
	mark = calloc(t->n, 1);
	if (!mark) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory (for %zu tasks)", t->n);
		goto fail;
	}
	for (uint32_t i = 1; i < t->n; i++) {
		const struct sr_task_start *s = &starts->v[i - 1];

		t->v[i].parent = sr_tidmap_get(&t->map, s->tid != s->tgid ? s->tgid : s->ppid);
	}
	/* The recorder is never in the tree, nor is what it started, but for the command itself. */
	for (uint32_t i = 1; i < t->n; i++) {
		if (t->v[i].flags & SR_TASK_RECORDER) {
			mark[i] = 2;
			t->v[i].in_tree = 0;
		}
	}
	for (uint32_t i = 1; i < t->n; i++)
		resolve_tree(t, mark, i);
	free(mark);
	return 0;
fail:
	sr_task_table_release(t);
	return -1;
}

static void set_comm(struct sr_task *task, const char *name)
{
	size_t len = strnlen(name, SR_COMM_LEN - 1);

	memset(task->comm, 0, sizeof(task->comm));
	memcpy(task->comm, name, len);
}

static void set_clone_flags(struct sr_task_table *t, struct sr_task *task, uint64_t flags)
{
	task->clone_flags = flags;
	task->tgid = flags & CLONE_THREAD_BIT ? t->v[task->parent].tgid : task->tid;
}

/*
 * A fork or a newtask event (told apart by by) makes child known: as a new incarnation, unless it is only the other
 * half of one that the other event, or a name, has announced.
 */
static struct sr_task *feed_birth(struct sr_task_table *t, int32_t parent, int32_t child, unsigned by, uint64_t now_ns,
				  struct sr_error *err)
{
	struct sr_task *task = touch(t, parent, now_ns, SR_BY_LIFE, err);
	const struct sr_task *p;
	uint32_t pi, ci;

	if (!task || child == 0)
		return task;
	pi = (uint32_t)(task - t->v);
	ci = sr_tidmap_get(&t->map, child);
	if (ci && ci != pi && !(t->v[ci].known_by & (by | SR_BY_LIFE | SR_GONE))) {
		task = &t->v[ci];
		task->known_by |= (uint8_t)by;
		if (by == SR_BY_NEWTASK && (task->known_by & SR_BY_FORK))
			return task; /* the fork knows the parent better than the context does */
	} else {
		task = new_task(t, child, now_ns, by, err);
		if (!task)
			return NULL;
	}
	p = &t->v[pi];
	task->born_ns = now_ns;
	task->parent = pi;
	task->in_tree = p->in_tree;
	task->flags = p->flags & SR_TASK_KTHREAD;
	task->prio = p->prio;
	if (!task->comm[0])
		memcpy(task->comm, p->comm, sizeof(task->comm));
	return task;
}

static int feed_exec(struct sr_task_table *t, const struct sr_event *ev, sr_name_fn name, void *arg,
		     struct sr_error *err)
{
	int32_t tid = ev->u.exec.tid, old = ev->u.exec.old_tid;
	struct sr_task *task = touch(t, old ? old : tid, ev->time_ns, SR_BY_LIFE, err);

	if (!task)
		return -1;
	if (old && tid && old != tid) {
		/* A thread that execs takes over the tid of its process's main thread, which is gone. */
		uint32_t leader = sr_tidmap_get(&t->map, tid);

		if (sr_tidmap_put(&t->map, tid, (uint32_t)(task - t->v)))
			return sr_fail(err, SR_ENVIRONMENT, "out of memory (for %zu tasks)", t->n);
		sr_tidmap_del(&t->map, old);
		if (leader && !t->v[leader].died_ns)
			t->v[leader].died_ns = ev->time_ns;
		task->tid = tid;
	}
	if (task == t->v)
		return 0;
	task->tgid = task->tid;
	task->flags &= (uint8_t)~SR_TASK_KTHREAD;
	if (name && !t->renames) {
		const char *path = name(arg, ev->u.exec.name), *slash = strrchr(path, '/');

		set_comm(task, slash ? slash + 1 : path);
	}
	return 0;
}

static int feed_switch(struct sr_task_table *t, const struct sr_event *ev, struct sr_error *err)
{
	struct sr_task *task = touch(t, ev->u.sw.prev, ev->time_ns, SR_BY_LIFE, err);

	if (!task)
		return -1;
	t->fed[0] = index_of(t, task);
	if (task != t->v) {
		if (!(ev->flags & SR_EV_REPAIRED))
			task->prio = ev->u.sw.prev_prio;
		if (ev->u.sw.prev_state == SR_STATE_DEAD || ev->u.sw.prev_state == SR_STATE_ZOMBIE) {
			task->known_by |= SR_GONE;
			if (!task->died_ns)
				task->died_ns = ev->time_ns;
		}
	}
	task = touch(t, ev->u.sw.next, ev->time_ns, SR_BY_LIFE, err);
	if (!task)
		return -1;
	t->fed[1] = index_of(t, task);
	if (ev->u.sw.prev == ev->u.sw.next)
		t->fed[0] = t->fed[1]; /* the tid's owner by now */
	if (task != t->v && !(ev->flags & SR_EV_REPAIRED))
		task->prio = ev->u.sw.next_prio;
	return 0;
}

static int feed_name(struct sr_task_table *t, const struct sr_event *ev, unsigned known_by, sr_name_fn name, void *arg,
		     struct sr_error *err)
{
	struct sr_task *task = touch(t, ev->u.rename.tid, ev->time_ns, known_by, err);

	if (!task)
		return -1;
	if (task != t->v && name)
		set_comm(task, name(arg, ev->u.rename.name));
	return 0;
}

int sr_task_table_feed_any(struct sr_task_table *t, const struct sr_event *ev, sr_name_fn name, void *arg,
			   struct sr_error *err)
{
	struct sr_task *task;

	switch ((enum sr_event_kind)ev->kind) {
	case SR_EV_SWITCH:
		return feed_switch(t, ev, err);
	case SR_EV_COMM:
		return feed_name(t, ev, SR_BY_NAME, name, arg, err);
	case SR_EV_BIND:
		return touch(t, ev->u.bind.tid, ev->time_ns, SR_BY_NAME, err) ? 0 : -1;
	case SR_EV_DECISION:
		return touch(t, ev->u.decision.tid, ev->time_ns, SR_BY_NAME, err) ? 0 : -1;
	case SR_EV_LOST:
	case SR_EV_FREQUENCY:
	case SR_EV_IDLE:
	case SR_EV_KINDS:
		return 0;
	default:
		break;
	}
	task = touch(t, ev->ctx, ev->time_ns, SR_BY_LIFE, err);
	if (!task)
		return -1;
	t->fed[0] = index_of(t, task);
	switch ((enum sr_event_kind)ev->kind) {
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		task = touch(t, ev->u.wake.tid, ev->time_ns, SR_BY_LIFE, err);
		if (!task)
			return -1;
		t->fed[1] = index_of(t, task);
		if (task != t->v)
			task->prio = ev->u.wake.prio;
		return 0;
	case SR_EV_MIGRATE:
		return touch(t, ev->u.migrate.tid, ev->time_ns, SR_BY_LIFE, err) ? 0 : -1;
	case SR_EV_FORK:
		return feed_birth(t, ev->u.fork.parent, ev->u.fork.child, SR_BY_FORK, ev->time_ns, err) ? 0 : -1;
	case SR_EV_NEWTASK:
		task = feed_birth(t, ev->ctx, ev->u.newtask.tid, SR_BY_NEWTASK, ev->time_ns, err);
		if (task && ev->u.newtask.tid != 0)
			set_clone_flags(t, task, ev->u.newtask.clone_flags);
		return task ? 0 : -1;
	case SR_EV_EXEC:
		return feed_exec(t, ev, name, arg, err);
	case SR_EV_EXIT:
		task = touch(t, ev->u.exit.tid, ev->time_ns, SR_BY_LIFE, err);
		if (task && task != t->v && !task->died_ns)
			task->died_ns = ev->time_ns;
		return task ? 0 : -1;
	case SR_EV_RENAME:
		t->renames = 1;
		return feed_name(t, ev, SR_BY_LIFE, name, arg, err);
	default:
		return 0;
	}
}

void sr_task_table_release(struct sr_task_table *t)
{
	free(t->v);
	sr_tidmap_release(&t->map);
	memset(t, 0, sizeof(*t));
}
