/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event: the one stream that recordings, replays and simulations have in common.
 *
 * Times are ns of CLOCK_MONOTONIC (a simulation: ns since its start). Tasks are named by their tid as
 * the kernel gave it, in the initial pid namespace; tids are reused, so a tid means the task that owned
 * it at that time (struct sr_task_table in task.h keeps the incarnations apart).
 *
 * The order of a stream is (time, stream, cpu, order of recording on that cpu). Within one cpu of one
 * stream times never decrease.
 */
#ifndef SCHEDREC_FORMATS_EVENT_H
#define SCHEDREC_FORMATS_EVENT_H

#include <stdint.h>

#define SR_MAX_CPUS 4096 /* a file that names a higher cpu is refused */
#define SR_COMM_LEN 16   /* with its NUL, as in the kernel */

/* The values are those of the file format: never renumber, only add (FORMAT.md lists them). */
enum sr_event_kind {
	SR_EV_SWITCH = 1,
	SR_EV_WAKING = 2,     /* in the waker's context; target_cpu is where the wakee was, not where it goes */
	SR_EV_WAKEUP = 3,     /* the wakee is on a run queue; target_cpu is the placement */
	SR_EV_WAKEUP_NEW = 4, /* the same for a new task's first time */
	SR_EV_MIGRATE = 5,
	SR_EV_FORK = 6,
	SR_EV_EXEC = 7,
	SR_EV_EXIT = 8,
	SR_EV_RENAME = 9,     /* the task renamed itself (task_rename) */
	SR_EV_NEWTASK = 10,   /* beside a fork (the recorder puts it right behind): the clone flags */
	SR_EV_COMM = 11,      /* not a kernel event: from here on this tid's comm is this name */
	SR_EV_LOST = 12,      /* not a kernel event: events of this cpu were lost just before this time */
	SR_EV_DECISION = 13,  /* a policy's decision (stream 1 of a replay or simulation) */
	SR_EV_BIND = 14,      /* from here on this tid replays that task of the source recording */
	SR_EV_FREQUENCY = 15, /* power:cpu_frequency: a cpu's clock from now on */
	SR_EV_IDLE = 16,      /* power:cpu_idle: a cpu enters or leaves an idle state */
	SR_EV_KINDS
};

/* A task's state as it leaves the cpu, the same for every kernel. */
enum sr_state {
	SR_STATE_RUNNING = 0,   /* still runnable: it yielded */
	SR_STATE_PREEMPTED = 1, /* still runnable: it was preempted (R+) */
	SR_STATE_SLEEPING = 2,  /* S */
	SR_STATE_DISK = 3,      /* D */
	SR_STATE_STOPPED = 4,   /* T */
	SR_STATE_TRACED = 5,    /* t */
	SR_STATE_DEAD = 6,      /* X */
	SR_STATE_ZOMBIE = 7,    /* Z */
	SR_STATE_PARKED = 8,    /* P */
	SR_STATE_IDLE = 9,      /* I */
	SR_STATE_OTHER = 10,
	SR_STATES
};

/* sr_event.flags */
enum {
	SR_EV_HARDIRQ = 1, /* recorded in hard interrupt context: ctx was merely interrupted */
	SR_EV_SOFTIRQ = 2, /* in soft interrupt context */
	SR_EV_NMI = 4,
	SR_EV_REPAIRED = 8, /* never in a file: put in by sr_repair (timeline.h) for one that was missing */
	SR_EV_TIMED = 16,   /* never in a file: of a repaired switch whose time is known */
	SR_EV_MOVED = 32,   /* never in a file: of a switch of a replay's thread that is moved (timeline.h) */
	SR_EV_FILE_FLAGS = 7
};
#define SR_IDLE_LEFT UINT32_MAX
#define SR_EV_INTERRUPT (SR_EV_HARDIRQ | SR_EV_SOFTIRQ | SR_EV_NMI)

/* Why a policy was asked, or acted; the causes of migrations. Values are the file format's. */
enum sr_cause {
	SR_CAUSE_NONE = 0,
	SR_CAUSE_FORK = 1,
	SR_CAUSE_EXEC = 2,
	SR_CAUSE_WAKE = 3,
	SR_CAUSE_NEWIDLE = 4,
	SR_CAUSE_TICK = 5,
	SR_CAUSE_ACTIVE = 6, /* a running task was pushed away */
	SR_CAUSE_KERNEL = 7,
	SR_CAUSES
};

struct sr_event {
	uint64_t time_ns;
	int32_t ctx;  /* tid of the task that was running (common_pid); 0 is the idle task */
	uint16_t cpu; /* the cpu that recorded the event */
	uint8_t kind; /* enum sr_event_kind */
	uint8_t flags;
	union {
		struct {
			int32_t prev, next;
			int16_t prev_prio, next_prio; /* the kernel's: -1 deadline, 0..99 RT, 100..139 nice */
			uint8_t prev_state;           /* enum sr_state */
		} sw;
		struct {
			int32_t tid;
			int16_t prio;
			uint16_t target_cpu;
		} wake; /* WAKING, WAKEUP, WAKEUP_NEW */
		struct {
			int32_t tid;
			int16_t prio;
			uint16_t from, to;
		} migrate;
		struct {
			int32_t parent, child;
		} fork;
		struct {
			int32_t tid, old_tid;
			uint32_t name; /* file name executed: index into the file's names */
		} exec;
		struct {
			int32_t tid;
			int16_t prio;
			uint8_t group_dead; /* 0 no, 1 the last thread of its process, 2 the kernel does not tell */
		} exit;
		struct {
			int32_t tid;
			uint32_t name; /* the new comm */
		} rename;              /* RENAME, COMM */
		struct {
			int32_t tid;
			uint64_t clone_flags;
		} newtask;
		struct {
			uint64_t count;   /* events lost, 0: the number is not known */
			uint32_t span_us; /* since the event before, for the reader's convenience; saturates */
		} lost;
		struct {
			int32_t tid;
			int16_t from, to; /* -1: not known, or left to the kernel */
			uint8_t cause;    /* enum sr_cause */
			uint32_t cost_ns; /* the decision and the system calls that carried it out */
		} decision;
		struct {
			int32_t tid;
			uint32_t source; /* index into the source recording's sr_task_table */
		} bind;
		struct {
			uint32_t khz;
			uint16_t target_cpu;
		} frequency;
		struct {
			uint32_t state; /* the idle state's number; SR_IDLE_LEFT: the cpu leaves it */
			uint16_t target_cpu;
		} idle;
	} u;
};

/* Kinds that tell of a cpu's hardware, not of tasks: whoever follows tasks ignores them. */
static inline int sr_event_is_power(unsigned kind)
{
	return kind == SR_EV_FREQUENCY || kind == SR_EV_IDLE;
}

const char *sr_event_kind_name(unsigned kind); /* "sched_switch", ..., "?" */
char sr_state_letter(unsigned state);          /* 'R', 'R' (preempted too), 'S', ..., '?' */
const char *sr_cause_name(unsigned cause);     /* "fork", ... as in migrations_by_cause.* */

/* Is this state one in which the task is not runnable (so that a switch in it is a voluntary one)? */
static inline int sr_state_sleeps(unsigned state)
{
	return state != SR_STATE_RUNNING && state != SR_STATE_PREEMPTED;
}

#endif
