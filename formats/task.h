/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tasks: what is known of a task at the start of a recording (struct sr_task_start, from /proc), and the
 * table of all tasks of a stream, in which a reused tid is a task of its own (struct sr_task_table).
 */
#ifndef SCHEDREC_FORMATS_TASK_H
#define SCHEDREC_FORMATS_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/tidmap.h"

struct sr_cpumask {
	uint64_t w[SR_MAX_CPUS / 64];
};

void sr_cpumask_set(struct sr_cpumask *m, unsigned cpu);
int sr_cpumask_isset(const struct sr_cpumask *m, unsigned cpu);
unsigned sr_cpumask_count(const struct sr_cpumask *m);
/* "0-3,8": cpus below SR_MAX_CPUS, one newline at the end is allowed (as in /proc); a wrong list is SR_USAGE.
 * sr_cpumask_format: len must be >= 64, and a list that does not fit ends in ",...". */
int sr_cpumask_parse(struct sr_cpumask *m, const char *list, struct sr_error *err);
void sr_cpumask_format(const struct sr_cpumask *m, char *buf, size_t len);

/* sr_task_start.flags */
enum {
	SR_TASK_KTHREAD = 1,
	SR_TASK_RECORDER = 2, /* schedrec's own: never replayed, its CPU time is the recorder's share */
	SR_TASK_ROOT = 4,     /* the recorded command, or a task named by -p */
};

/* Linux scheduling policies as sched(7) numbers them. */
enum {
	SR_SCHED_OTHER = 0,
	SR_SCHED_FIFO = 1,
	SR_SCHED_RR = 2,
	SR_SCHED_BATCH = 3,
	SR_SCHED_IDLE = 5,
	SR_SCHED_DEADLINE = 6,
	SR_SCHED_EXT = 7,
};

struct sr_task_start {
	int32_t tid, tgid, ppid;
	char comm[SR_COMM_LEN];
	uint8_t policy;
	int8_t nice;     /* -20..19 */
	uint8_t rt_prio; /* 1..99 under FIFO and RR, else 0 */
	uint8_t flags;
	char state; /* as /proc/PID/stat has it: R S D T ... */
	uint16_t last_cpu;
	uint32_t allowed; /* index into sr_task_starts.masks */
};

/* Owned arrays; a zeroed struct is an empty one. */
struct sr_task_starts {
	struct sr_task_start *v;
	size_t n, cap;
	struct sr_cpumask *masks; /* each different mask once */
	size_t nmasks, masks_cap;
};

/* allowed: the cpus it may run on; NULL: not known, taken as all. */
int sr_task_starts_add(struct sr_task_starts *s, const struct sr_task_start *t, const struct sr_cpumask *allowed,
		       struct sr_error *err);
void sr_task_starts_release(struct sr_task_starts *s);
/* Is there a task that the recording is of (SR_TASK_ROOT)? NULL: no. */
bool sr_task_starts_have_root(const struct sr_task_starts *s);

/*
 * All tasks of a stream. Feed it each event in order; then look tids up as of the last event fed.
 * A fork (or a first appearance) starts a new incarnation of a tid; exit ends one.
 * Index 0 is the idle task (tid 0 of every cpu). Indices are given in order of appearance: first the start
 * state's tasks in their order, then as the events name them, so that two passes over one file agree.
 */
struct sr_task {
	int32_t tid, tgid; /* tgid 0: not known */
	uint32_t parent;   /* index of the forking task, 0: none or not known; at the start: of the process's main
				* thread for a thread, else of the parent process's main thread */
	uint32_t start;    /* index into the start state + 1, 0: born later */
	uint64_t born_ns, died_ns; /* 0: before the first event; 0: alive at the end */
	uint64_t clone_flags;      /* of NEWTASK, 0: not known */
	char comm[SR_COMM_LEN];
	int16_t prio;     /* last seen */
	uint8_t flags;    /* SR_TASK_* */
	uint8_t in_tree;  /* it is the recorded command or descends from it (or from a -p task); 0 for the recorder */
	uint8_t known_by; /* task.c's own */
};

struct sr_task_table {
	struct sr_task *v;
	size_t n, cap;
	struct sr_tidmap map; /* tid -> index of its current incarnation */
	uint32_t fed[2]; /* tasks of the event fed last: prev and next of a switch; of a wake ctx, and who is woken */
	uint8_t renames; /* the stream has SR_EV_RENAME, so an exec's file name need not stand in for the comm */
};

/* starts: NULL when there is no start state. */
int sr_task_table_init(struct sr_task_table *t, const struct sr_task_starts *starts, struct sr_error *err);
/* Events put in by sr_repair may be fed too. name: looks up a name index of the file the event came from (see srz_name_at); may be NULL. */
typedef const char *(*sr_name_fn)(void *arg, uint32_t name);
static inline int sr_task_table_feed(struct sr_task_table *t, const struct sr_event *ev, sr_name_fn name, void *arg,
				     struct sr_error *err);
/* Index of the task that owns this tid now; a tid not seen before gets an entry. 0 for tid 0.
 * SIZE_MAX when memory ran out. */
size_t sr_task_of(struct sr_task_table *t, int32_t tid);
void sr_task_table_release(struct sr_task_table *t);

/* ---- task.c's own, but for speed ---- */

/*
 * sr_task.known_by: what has told of an incarnation, to tell the news of a fork apart from a reused tid.
 * task_newtask comes just before or (in other sources) after the fork itself, and a name may come before both.
 */
enum {
	SR_BY_NAME = 1, /* COMM, BIND or DECISION only name a tid */
	SR_BY_FORK = 2,
	SR_BY_NEWTASK = 4,
	SR_BY_LIFE = 8, /* it ran, was woken, or was there at the start */
	SR_GONE = 16,   /* it has left its cpu for the last time: what comes now under its tid is another task */
};

int sr_task_table_feed_any(struct sr_task_table *t, const struct sr_event *ev, sr_name_fn name, void *arg,
			   struct sr_error *err);

/* The index of a task that has been seen and is alive; UINT32_MAX: it is not such a one. */
static inline uint32_t sr_task_alive(const struct sr_task_table *t, int32_t tid)
{
	uint32_t i = tid ? sr_tidmap_get(&t->map, tid) : 0;

	return (i || !tid) && !(t->v[i].known_by & SR_GONE) ? i : UINT32_MAX;
}

/* Nearly all events: of two tasks that are known and go on living. True: that is it, and t has taken it in. */
static inline bool sr_task_table_feed_plain(struct sr_task_table *t, const struct sr_event *ev)
{
	uint32_t a, b;

	if (ev->kind == SR_EV_SWITCH) {
		if (ev->flags & SR_EV_REPAIRED || ev->u.sw.prev_state == SR_STATE_DEAD ||
		    ev->u.sw.prev_state == SR_STATE_ZOMBIE)
			return false;
		a = sr_task_alive(t, ev->u.sw.prev);
		b = sr_task_alive(t, ev->u.sw.next);
	} else if (ev->kind == SR_EV_WAKEUP || ev->kind == SR_EV_WAKING) {
		a = sr_task_alive(t, ev->ctx);
		b = sr_task_alive(t, ev->u.wake.tid);
	} else {
		return false;
	}
	if (a == UINT32_MAX || b == UINT32_MAX)
		return false;
	t->fed[0] = a;
	t->fed[1] = b;
	if (a) {
		t->v[a].known_by |= SR_BY_LIFE;
		if (ev->kind == SR_EV_SWITCH)
			t->v[a].prio = ev->u.sw.prev_prio;
	}
	if (b) {
		t->v[b].known_by |= SR_BY_LIFE;
		t->v[b].prio = ev->kind == SR_EV_SWITCH ? ev->u.sw.next_prio : ev->u.wake.prio;
	}
	return true;
}

static inline int sr_task_table_feed(struct sr_task_table *t, const struct sr_event *ev, sr_name_fn name, void *arg,
				     struct sr_error *err)
{
	return sr_task_table_feed_plain(t, ev) ? 0 : sr_task_table_feed_any(t, ev, name, arg, err);
}

#endif
