/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timeline repair: makes the switches of a stream consistent.
 *
 * An event whose ctx is not the task believed to be running on its cpu proves that a switch is missing
 * (pid filters, losses, tasks of some hosts). sr_repair puts one in, flagged SR_EV_REPAIRED, just before
 * the event that proves it and at that event's time, so that every consumer sees: on each cpu, prev of a
 * switch is next of the switch before. The state in which the missing prev left is SR_STATE_SLEEPING when
 * its next event is a wake of it, else SR_STATE_PREEMPTED; because that is not known yet at the time, the
 * repaired switch says SR_STATE_PREEMPTED and consumers let a later wake of the task correct it.
 * A task that appears on a second cpu has left the first: the first cpu is switched to idle (tid 0).
 *
 * In a filtered recording (scope tree or pid) a switch from an outside task to an outside task is not in
 * the stream at all; what ran there is then simply "an outside task", and is no repair.
 */
#ifndef SCHEDREC_FORMATS_TIMELINE_H
#define SCHEDREC_FORMATS_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"

struct sr_repair; /* per-cpu and per-tid state; memory grows with cpus and tids alive, not with events */

struct sr_repair *sr_repair_new(unsigned filtered, struct sr_error *err);
void sr_repair_free(struct sr_repair *r);

/* Takes the next event of the stream; out gets 1 to 5 events: repairs first, the event itself last.
 * Returns their number, -1 when memory runs out. */
int sr_repair_push(struct sr_repair *r, const struct sr_event *ev, struct sr_event out[5], struct sr_error *err);

uint64_t sr_repair_count(const struct sr_repair *r); /* switches put in so far */

#endif
