/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tasks: what is known of a task at the start of a recording (struct sr_task_start, from /proc), and the
 * table of all tasks of a stream, in which a reused tid is a task of its own (struct sr_task_table).
 */
#ifndef SCHEDREC_FORMATS_TASK_H
#define SCHEDREC_FORMATS_TASK_H

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
int sr_task_table_feed(struct sr_task_table *t, const struct sr_event *ev, sr_name_fn name, void *arg,
		       struct sr_error *err);
/* Index of the task that owns this tid now; a tid not seen before gets an entry. 0 for tid 0.
 * SIZE_MAX when memory ran out. */
size_t sr_task_of(struct sr_task_table *t, int32_t tid);
void sr_task_table_release(struct sr_task_table *t);

#endif
