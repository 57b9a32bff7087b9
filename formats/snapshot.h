/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of the tasks at a moment of a stream: a start state, moved on by each event. What sr_snapshot_take
 * gives is the start state of a recording that begins right behind the last event fed; a struct sr_task_table made from
 * it names every later task as one fed from the beginning would.
 *
 * Only the tasks alive are kept, so that memory is bounded by the number of tids, not by events or forks.
 * One thread at a time.
 */
#ifndef SCHEDREC_FORMATS_SNAPSHOT_H
#define SCHEDREC_FORMATS_SNAPSHOT_H

#include "formats/error.h"
#include "formats/event.h"
#include "formats/task.h"

struct sr_snapshot;

/* at_start is copied; NULL: no start state. NULL: out of memory. */
struct sr_snapshot *sr_snapshot_new(const struct sr_task_starts *at_start, struct sr_error *err);
void sr_snapshot_free(struct sr_snapshot *s); /* NULL is allowed */

/* The next event, in the stream's order and as recorded (no repaired ones). name: as for sr_task_table_feed. */
int sr_snapshot_feed(struct sr_snapshot *s, const struct sr_event *ev, sr_name_fn name, void *name_arg,
		     struct sr_error *err);

/*
 * Fills out, which was zeroed, by ascending tid; the caller's to release. Each task has
 *   tgid, ppid     0 where the stream does not tell (a parent that has died, a task that was never forked)
 *   policy, nice   those of the start state as long as the priorities seen agree with them, else by the priority
 *   flags          SR_TASK_ROOT also where a task of the tree would have lost it because its parent is gone
 *   state          R: running, queued, woken or just forked; else the letter of its last switch-out; ?: not known
 *   last_cpu       where it ran, or was put, last
 *   allowed        as at the start, inherited by fork; all CPUs where that is not known
 */
int sr_snapshot_take(const struct sr_snapshot *s, struct sr_task_starts *out, struct sr_error *err);

/* What a start state cannot hold, as events with time 0 that tell it again: the clock of each cpu of which it is known
 * (SR_EV_FREQUENCY, by cpu), then what each task alive replays (SR_EV_BIND, by tid). *ev: the caller's to free. */
int sr_snapshot_retell(const struct sr_snapshot *s, struct sr_event **ev, size_t *n, struct sr_error *err);

#endif
