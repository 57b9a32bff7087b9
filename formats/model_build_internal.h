/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model while it is built from a recording's events; model.c feeds them. */
#ifndef SCHEDREC_FORMATS_MODEL_BUILD_INTERNAL_H
#define SCHEDREC_FORMATS_MODEL_BUILD_INTERNAL_H

#include "formats/model_internal.h"
#include "formats/timeline.h"

#define NO_PRIO (-1000)

/* Where a task competes: the number of its session, and the index of its group + 1. */
struct place {
	uint32_t session, group;
};

enum run_state { NEW, RUNNABLE, RUNNING, BLOCKED, DEAD };

/* What building knows of a replayed task beside its program. */
struct build_task {
	enum run_state state;
	uint64_t in_ns, block_ns;
	uint64_t pending_ns; /* CPU time not yet in a RUN */
	uint64_t events;     /* recorded in its context since the last RUN: each cost the task tracepoint_ns */
	uint64_t last_wake_ns, last_in_ns, last_out_ns;
	uint64_t seen_ns;        /* when an event last showed it running */
	uint64_t ran_ns, bursts; /* from switch to switch, both recorded */
	int waker_cpu;           /* of the last wake by a replayed task, -1: by another */
	size_t wait_op;          /* op of the open or last wait, SIZE_MAX: none */
	bool in_after_wake;      /* the last switch-in followed a wake, not a preemption */
	bool out_repaired;       /* its last switch-out was put in: nobody knows whether it slept */
	bool disk;
	int16_t prio;                  /* the kernel's, as seen last; NO_PRIO: not yet */
	const struct sr_cpumask *mask; /* as of now; NULL: not known */
	uint8_t normal, rt; /* its policy whenever its priority is a normal one, and when it is a real-time one */
	uint16_t last_cpu;
	struct place place; /* as of now */
	char comm[SR_COMM_LEN];
	size_t fork_op; /* the FORK in its parent's program */
	/* The wake that it is at. */
	size_t wake_op; /* SIZE_MAX: none */
	uint32_t wake_target;
	uint64_t waking_ns;
	/* A wake that came before the sleep that it ends. */
	bool early;
	uint32_t early_waker; /* UINT32_MAX: timed */
	size_t early_op;
	bool early_softirq, early_outside;
};

struct build {
	struct sr_model *m;
	const struct sr_model_options *o;
	struct srz_reader *r;
	struct sr_task_table table;
	struct sr_repair *repair;
	struct sr_task_table named; /* all tasks with their last names, when they are chosen by name */
	struct build_task *bt;
	size_t bt_cap;
	uint32_t *of_task; /* table index -> model task + 1; 0: not looked at, UINT32_MAX: outside */
	size_t of_task_cap;
	uint32_t *session_of_set; /* the session of each of attrs' sets */
	struct place *place;      /* table index -> where it is as of now */
	size_t place_cap;
	struct sr_soft_wake *soft;
	size_t nsoft, soft_cap;
	bool whole_system;
	uint64_t from, to;
	uint64_t cpu_seen[SR_MAX_CPUS / 64]; /* an event there has told what it ran */
	bool cut;                            /* the window begins behind the recording's start state */
	size_t alive;
	struct sr_error *err;
};

int sr_build_oom(struct sr_error *err);
/* Room for `need` entries of that size, new ones all 0. */
int sr_build_grow(void *array, size_t *cap, size_t need, size_t size, struct sr_error *err);
int sr_build_op(struct build *b, struct sr_program *p, struct sr_op op);
int sr_build_name(struct build *b, const char *name, uint32_t *index);
/* The CPU time that task i used up to now becomes a RUN. */
int sr_build_run(struct build *b, uint32_t i, uint64_t now);
int sr_build_end(struct build *b, uint32_t i, uint64_t now, unsigned exited);
/* Of an event after which a tid may be another task's: that tid; 0: it is none. */
int32_t sr_build_new_owner(const struct sr_event *ev);
/* The task at this index of the table has lost its tid to another. */
int sr_build_gone(struct build *b, uint32_t k, uint64_t now);
/* The model task of a tid as of now; UINT32_MAX: not replayed. It may move b->bt and b->m->tasks. */
int sr_build_task(struct build *b, int32_t tid, uint32_t *index);

int sr_build_open_wait(struct build *b, uint32_t i, uint64_t now);
/* The open wait of task i ends at `now`, by a replayed waker or (UINT32_MAX) by the clock: what did it then? */
void sr_build_close_wait(struct build *b, uint32_t i, uint32_t waker, enum sr_sleep what, uint64_t now);
/* A sleep whose beginning is not in the recording. */
int sr_build_reopen_wait(struct build *b, uint32_t i, uint64_t now);
int sr_build_soft(struct build *b, uint32_t waker, uint32_t target, size_t waker_op);
void sr_build_drop_early(struct build *b, struct build_task *t);
int sr_build_wake(struct build *b, const struct sr_event *ev, uint32_t i);
/* A sched_wakeup of task i by the task in whose context it is. */
void sr_build_woken(struct build *b, const struct sr_event *ev, uint32_t i, uint32_t waker);

/* Task i begins to run with this priority. */
int sr_build_prio(struct build *b, uint32_t i, int16_t prio, uint64_t now);
/* What was read of task i; NULL: nothing. */
void sr_build_attr(struct build *b, uint32_t i, const struct sr_attr *attr);
/* What a task of the start has; last: of each tid, the index + 1 of its last entry in attrs up to the start. */
void sr_build_start(struct build *b, uint32_t i, const struct sr_task *task, const struct sr_tidmap *last);
void sr_build_inherit(struct build *b, uint32_t parent, uint32_t child);
int sr_build_exec(struct build *b, const struct sr_event *ev, uint32_t i);

/* model_place.c: where each task of the recording competes, also outside of the model and before its window. */
int sr_build_places_start(struct build *b);
int sr_build_places_feed(struct build *b, const struct sr_event *ev); /* after the table */
struct place sr_build_place_of(const struct build *b, size_t task);   /* by its index in the table */
/* Task i may compete elsewhere than when it was last looked at. */
int sr_build_place(struct build *b, uint32_t i, uint64_t now);
int sr_build_sessions_count(struct build *b);

int sr_build_event(struct build *b, const struct sr_event *ev);

#endif
