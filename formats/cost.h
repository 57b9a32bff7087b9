/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a recording cost and what it lacks: how far it can be trusted. From the file's meta values and counts; what
 * they do not tell is negative (a double) or 0.
 */
#ifndef SCHEDREC_FORMATS_COST_H
#define SCHEDREC_FORMATS_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/srz.h"
#include "formats/task.h"

/*
 * From here on whoever uses a recording is warned.
 *   lost          a p99 rests on one value in a hundred: with more events lost than that, it may be any other
 *   gap           a tenth of the time of which nothing is known can hold another phase of the load
 *   disturbance   less than what differs from run to run on a quiet machine, a few per cent, is not seen; a tenth is
 */
#define SR_COST_LOST_SHARE 0.01
#define SR_COST_GAP_SHARE 0.10
#define SR_COST_DISTURBANCE 0.10
/* With more events lost than kept, what is left is no picture of the load: replaying it means nothing. */
#define SR_COST_LOST_TOO_MUCH 0.50

/* What only the events tell; a zeroed struct has seen none. */
struct sr_cost_count {
	uint64_t longest_gap_ns;
	uint64_t lost_unknown; /* places where the number of lost events is not known */
	/* with sr_cost_count_task */
	uint64_t task_events, task_ns; /* traced in the recorded tasks' context; their CPU time */
	bool tasks_known, has_root;
	struct sr_cost_cpu *cpu; /* SR_MAX_CPUS */
};

/* Each event of the file. */
static inline void sr_cost_count_event(struct sr_cost_count *c, const struct sr_event *ev)
{
	uint64_t gap_ns;

	if (ev->kind != SR_EV_LOST)
		return;
	gap_ns = (uint64_t)ev->u.lost.span_us * 1000;
	c->lost_unknown += ev->u.lost.count == 0;
	if (gap_ns > c->longest_gap_ns)
		c->longest_gap_ns = gap_ns;
}

/* Also counts by task: sr_cost_begin_tasks once, then each event, repaired (timeline.h), after the table was fed it.
 * The recorded tasks are the command's tree, or all but the idle task and the recorder where there is no command. */
int sr_cost_begin_tasks(struct sr_cost_count *c, const struct sr_task_starts *starts, struct sr_error *err);
void sr_cost_count_task(struct sr_cost_count *c, const struct sr_event *ev, struct sr_task_table *t);
void sr_cost_count_release(struct sr_cost_count *c);

/* The counts of a whole file, without those by task; rewinds it. Reads nothing where nothing was lost. */
int sr_cost_count_file(struct sr_cost_count *c, struct srz_reader *r, struct sr_error *err);

struct sr_cost {
	uint64_t events;      /* traced: those of the kernel */
	uint64_t duration_ns; /* of the recording */
	unsigned cpus;        /* online */

	double tracepoint_ns; /* one traced event, as measured when the recording began */
	double tracing_ns;    /* all of them */
	double recorder_ns;   /* the recorder's CPU time, from its start to its end */
	double drain_ns;      /* of it: draining while the command ran */
	double disturbance; /* tracing and draining (where that is not known, the recorder) as a share of CPUs x duration */
	double task_share; /* tracing in the tasks' own context as a share of their CPU time */

	uint64_t lost, lost_places;
	bool lost_more;    /* there are places where the number is not known */
	double lost_share; /* of all events there were */
	uint64_t longest_gap_ns;
	double gap_share;       /* of the recording; at most 1 */
	uint64_t resolution_ns; /* of the times; 1: they are exact */
};

void sr_cost_of(const struct srz_reader *r, const struct sr_cost_count *count, struct sr_cost *out);

/* Why the recording is to be used with care, as part of a sentence ("4.1% of the events were lost, ..."); false:
 * there is no reason. buf >= 256. */
bool sr_cost_doubt(const struct sr_cost *c, char *buf, size_t len);
bool sr_cost_hopeless(const struct sr_cost *c); /* SR_COST_LOST_TOO_MUCH */

#endif
