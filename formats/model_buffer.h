/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What model_buffer.c (sizes) and model_steps.c (what goes through at a time) know of bounded buffers. Numbers are of sr_model.tasks. */
#ifndef SCHEDREC_FORMATS_MODEL_BUFFER_H
#define SCHEDREC_FORMATS_MODEL_BUFFER_H

#include "formats/model_messages.h"

#define BUF_LEAST_SLEEPS 32 /* of both ends for each other */
#define BUF_LOOK 4096       /* ops that are looked at for a place */

struct buf_sleep {
	uint64_t pair; /* the tasks, the smaller number first */
	uint64_t time_ns;
	uint64_t done_ns[2]; /* CPU time of each of them by then */
	uint32_t wait;       /* its number */
	uint8_t end;         /* whose: 0 or 1 */
	bool told;
};

/* What goes through at a time, in work of each end, ns; 0: it is not known, or differs too much. */
struct buf_step {
	double ns[2];
};

struct buf {
	size_t from, to; /* its sleeps */
	uint8_t end;     /* whose work is its measure */
	uint64_t size_ns;
	struct buf_step step[2]; /* of the sleeps of either end */
};

struct buffers {
	struct sr_messages *w;
	struct buf_sleep *sleep;
	size_t nsleeps, *sleeps_of; /* of all, and of each task: those that anybody ends */
	struct buf_turn *turn[2];   /* at each end, of the pair that is looked at */
	struct buf *v;
	size_t n;
	size_t steps_left; /* that may still be put in for the one that is looked at */
};

static inline uint32_t buf_task_of(const struct buf_sleep *s, unsigned end)
{
	return (uint32_t)(end ? s->pair : s->pair >> 32);
}

/* model_buffer.c */

/* Where a task is at this sleep of the pair: its own wait, or its wake of the other. */
struct sr_insert buf_place_of(const struct buffers *b, const struct buf_sleep *s, unsigned end);
/* So much CPU time before an op, or before a place within it, whatever lies between; behind: the same. False: there is no such
 * place. */
bool buf_place_before(const struct sr_program *p, struct sr_insert from, uint64_t ns, struct sr_insert *out);
bool buf_place_behind(const struct sr_program *p, struct sr_insert from, uint64_t ns, struct sr_insert *out);
/* The task at `late` must not be there before the one at `early` is. -1: out of memory. */
int buf_add_bound(struct buffers *b, uint32_t early, struct sr_insert wake, uint32_t late, struct sr_insert wait,
		  uint64_t time_ns);

/* model_steps.c. Both return -1 without memory. */
int buf_find_steps(const struct buffers *b, struct buf *x);
/* What is missing between these two sleeps, which follow each other. */
int buf_add_steps(struct buffers *b, const struct buf *x, const struct buf_sleep *from, const struct buf_sleep *to);

#endif
