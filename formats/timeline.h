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
 * woken (or moved) to that cpu while the cpu idled, it ran from then on: the repaired switch has the time of that
 * wake, or of the last event since that shows the cpu still idle. This is before events that were handed out already:
 * a consumer that integrates over time must not let its clock go back; per task the times are in order. (There are
 * hosts on which a cpu writes no switch from idle at all.)
 *
 * A switch that was put in has, for prev, the state SR_STATE_DEAD when its exit was seen, else SR_STATE_PREEMPTED: whether
 * it slept is not known yet, and consumers let a later wake of the task correct it. Priorities are those last
 * seen on that cpu, or 120; ctx is prev.
 *
 * Events without a reliable ctx (COMM, LOST, DECISION, BIND) pass untouched and prove nothing. After a loss
 * the next event of the cpu shows by the same rule what was lost. An exec by a thread that takes over its process's
 * tid changes the running task's name, which is no switch.
 *
 * Filtered recordings (scope tree or pid): the kernel writes an event when the task in whose context it happens is
 * in its filter, a switch when prev or next is, a wake when the wakee or the context is. So a switch from an outside
 * task to another is not in the stream, and nothing is missing when it is not. A task counts as inside once
 * the stream has proved it: it forked, was forked, exec'd, exited, renamed itself or moved a task in its own
 * context, it was switched to or from the idle task, or it was woken in the idle task's context. It stops to when it is
 * dead. A disagreement is a missing switch when one of the two tasks is inside (an inside task's switches
 * must be there), and none when neither is: then the cpu's task simply is another, and the next switch's prev differs
 * from the last one's next. An outside task that appears elsewhere is silently no longer on its first cpu.
 */
#ifndef SCHEDREC_FORMATS_TIMELINE_H
#define SCHEDREC_FORMATS_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"

struct sr_repair; /* memory grows with cpus and, when filtered, with the inside tids alive; not with events */

struct sr_repair *sr_repair_new(unsigned filtered, struct sr_error *err);
void sr_repair_free(struct sr_repair *r);

/* Takes the next event of the stream; out gets 1 to 5 events: repairs first, the event itself last.
 * Returns their number; -1 when memory runs out or the cpu is not below SR_MAX_CPUS. */
int sr_repair_push(struct sr_repair *r, const struct sr_event *ev, struct sr_event out[5], struct sr_error *err);

uint64_t sr_repair_count(const struct sr_repair *r); /* switches put in so far */

#endif
