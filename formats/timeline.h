/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timeline repair: makes the switches of a stream consistent.
 *
 * An event whose ctx is not the task believed to be running on its cpu proves that a switch is missing
 * (pid filters, losses, tasks of some hosts). sr_repair puts one in, flagged SR_EV_REPAIRED, just before
 * the event that proves it and at that event's time (but see below), so that every consumer sees: on each cpu, prev of a
 * switch is next of the switch before. The first event on a cpu establishes what runs there, without a repair.
 * A task that appears on a second cpu has left the first: the first cpu is switched to idle (tid 0), unless it was
 * switched already.
 *
 * When the missing switch is one from the idle task, the task may have run for long before its first event. If it was
 * woken (or moved) to that cpu while the cpu idled, it ran from soon after that on: the repaired switch comes as long
 * after that wake, or after the last event since that shows the cpu still idle, as switches from idle that are there did
 * until then (their median; apart for events that the idle cpu wrote itself and those of others, whose word it must
 * get first; nothing below 5 of them, unless
 * sr_repair_expect has told before). It is flagged SR_EV_TIMED: its time is known but for the scatter of that delay, a
 * few us. This is before events that were handed out already:
 * a consumer that integrates over time must not let its clock go back; per task the times are in order. (There are
 * hosts on which a cpu writes no switch from idle at all: without these, all wake-ups there would have no latency.)
 *
 * A switch that was put in has, for prev, the state SR_STATE_DEAD when its exit was seen, else SR_STATE_PREEMPTED: whether
 * it slept is not known yet, and consumers let a later wake of the task correct it. Priorities are those last
 * seen on that cpu, or 120; ctx is prev.
 *
 * A replay moves threads by their affinity. One that runs is moved by the kernel's stopper, and whoever asked waits for
 * that, in the state D: no wait of the workload's. In a recording of a replay (a thread counts as its own after its
 * BIND) a switch in D by who has just woken a stopper (priority 0) becomes one in SR_STATE_PREEMPTED, flagged
 * SR_EV_MOVED: it is as if the policy's decision took that long. The stopper's wake of a task that did not sleep says
 * nothing.
 *
 * Events without a reliable ctx (COMM, LOST, DECISION, BIND) pass untouched and prove nothing. After a loss
 * the next event of the cpu shows by the same rule what was lost. An exec by a thread that takes over its process's
 * tid changes the running task's name, which is no switch.
 *
 * Filtered recordings (scope tree or pid): the kernel writes an event when the task in whose context it happens is
 * in its filter, a switch when prev or next is, a wake when the wakee or the context is. So a switch from an outside
 * task to another is not in the stream, and nothing is missing when it is not. A task counts as inside
 * when the start state names it as one of the filter's (SR_TASK_ROOT), or once the stream has proved it: it forked, was forked, exec'd, exited, renamed itself or moved a task in its own
 * context, it was switched to or from the idle task, or it was woken in the idle task's context. It stops to when it is
 * dead. A disagreement is a missing switch when one of the two tasks is inside (an inside task's switches
 * must be there), and none when neither is: then the cpu's task simply is another, and the next switch's prev differs
 * from the last one's next. An outside task that appears elsewhere is silently no longer on its first cpu.
 */
#ifndef SCHEDREC_FORMATS_TIMELINE_H
#define SCHEDREC_FORMATS_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/task.h"

struct srz_reader;
struct sr_repair; /* memory grows with cpus and tids, not with events */

/* starts: of a filtered recording; NULL when there is no start state. */
struct sr_repair *sr_repair_new(unsigned filtered, const struct sr_task_starts *starts, struct sr_error *err);
void sr_repair_free(struct sr_repair *r);

/* Takes the next event of the stream; out gets 1 to 5 events: repairs first, the event itself last.
 * Returns their number; -1 when memory runs out or the cpu is not below SR_MAX_CPUS. */
int sr_repair_push(struct sr_repair *r, const struct sr_event *ev, struct sr_event out[5], struct sr_error *err);
/* The same for who would rather not copy: 0 where out would only get the event as it is. */
int sr_repair_step(struct sr_repair *r, const struct sr_event *ev, struct sr_event out[5], struct sr_error *err);

/* How long after the last word of it a cpu leaves idle, median, ns; 0: not known. [1]: the idle cpu's own word. */
struct sr_idle_delays {
	uint64_t ns[2];
};

/* What sr_repair does to a stream: for who passes it again, and need not repair it again. A zeroed struct is an empty one. */
struct sr_repair_log {
	struct sr_repair_note {
		uint64_t nth;       /* number of the stream's event, from 0 */
		struct sr_event ev; /* one of those that come in its place: repairs, the event itself last */
	} * v;
	size_t n, cap;
	bool whole; /* nothing else is repaired in the stream; else the log says nothing */
};
void sr_repair_log_release(struct sr_repair_log *log);

/* Reads a stream for its delays, where they are needed: as far as the 65,536th event, and no further than where a stream
 * has taught its readers both before it needed any. What it has not taught by then is rare enough to stay unknown until
 * it does. Leaves the reader rewound. log (NULL: not wanted) becomes whole where the end was reached. */
int sr_idle_delays_read(struct srz_reader *r, unsigned filtered, struct sr_idle_delays *d, struct sr_repair_log *log,
			struct sr_error *err);
void sr_repair_expect(struct sr_repair *r, const struct sr_idle_delays *d); /* until it has learnt its own */

uint64_t sr_repair_count(const struct sr_repair *r); /* switches put in so far */

#endif
