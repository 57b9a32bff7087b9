/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes through a bounded buffer at a time. A writer writes a page, and the reader sleeps for each, unless it is late: then
 * several pages are there, and it takes them without a sleep, as it does with all that is in a buffer that was full. A replayed
 * reader is late elsewhere. Where it is not it would find those pages there too soon, and the sleeps that it loses where it is
 * late would have no others in their place. So each step that left no event becomes a message (SR_WAKE_HIDDEN,
 * SR_WAIT_HIDDEN). The same holds for the writer, and room.
 *
 *   reader  (empty)[wait]-1-2-3-4-(empty)[wait]-1-(empty)[wait]-1-
 *                    /    : : :           /          /
 *   writer  -------[wake]-2-3-4--------[wake]-----[wake]----------      2, 3, 4: hidden
 *
 * A step is the least work between two sleeps of one end, where a quarter of these is about that: data come in pages, whose
 * work is much the same.
 */
#include <stdlib.h>

#include "formats/model_buffer.h"

#define NEAR 1.5       /* so far from the least tenth a step may be */
#define MOST_STEPS 256 /* between two sleeps; what takes longer is something else too */
#define SELDOM 32      /* who sleeps once in so many sleeps of the pair, or less, is no concern of the other */
#define FAR 3          /* bufferfuls: further from a sleep the steps' own scatter adds up to more than is in a buffer */

static bool is_known(const struct buf_step *x)
{
	return x->ns[0] > 0 || x->ns[1] > 0;
}

/* Mean of those that are near the least, where a quarter of all is; 0: there is no such part. */
static double usual(double *v, size_t n)
{
	const size_t least = n / 10;
	double most, sum = 0;
	size_t i;

	qsort(v, n, sizeof(*v), sr_by_double);
	most = v[least] * NEAR;
	if (v[least] <= 0 || v[n / 4] > most)
		return 0;
	for (i = least; i < n && v[i] <= most; i++)
		sum += v[i];
	return sum / (double)(i - least);
}

/* What an end gets at a time: by the work of either from one sleep of it to the next. */
static int find_step(const struct buffers *b, const struct buf *x, unsigned end, struct buf_step *out)
{
	double *v = malloc((x->to - x->from) * sizeof(*v));

	*out = (struct buf_step){ 0 };
	if (!v)
		return -1;
	for (unsigned whose = 0; whose < 2; whose++) {
		size_t n = 0;

		for (size_t i = x->from + 1; i < x->to; i++) {
			const struct buf_sleep *s = &b->sleep[i];

			if (s->end == end && s[-1].end == end)
				v[n++] = (double)s->done_ns[whose] - (double)s[-1].done_ns[whose];
		}
		if (n >= BUF_LEAST_SLEEPS)
			out->ns[whose] = usual(v, n);
	}
	free(v);
	return 0;
}

int buf_find_steps(const struct buffers *b, struct buf *x)
{
	size_t slept[2] = { 0 };

	for (unsigned end = 0; end < 2; end++)
		if (find_step(b, x, end, &x->step[end]) < 0)
			return -1;
	/* What goes in also goes out. */
	for (size_t i = x->from; i < x->to; i++)
		slept[b->sleep[i].end]++;
	for (unsigned end = 0; end < 2; end++)
		if (!is_known(&x->step[end]) && slept[end] * SELDOM >= x->to - x->from)
			x->step[end] = x->step[!end];
	return 0;
}

/* The time that a sleep took. */
static double length_of(const struct buffers *b, const struct buf_sleep *s)
{
	const struct sr_wait *w = &b->w->m->tasks[buf_task_of(s, s->end)].waits[s->wait];

	return (double)(w->wake_ns - w->block_ns);
}

/* How many steps there are in so much work of an end and of the other. */
static size_t steps_in(const struct buf_step *x, unsigned end, double own, double others)
{
	double n = MOST_STEPS, part[2];

	part[end] = own;
	part[!end] = others;
	for (int i = 0; i < 2; i++)
		if (x->ns[i] > 0 && part[i] / x->ns[i] < n)
			n = part[i] / x->ns[i];
	return is_known(x) && n < MOST_STEPS ? (size_t)(n + 0.5) : 0;
}

/* Another thread of the other end's process was there in between: what this one did is not all. */
static bool had_others(const struct buffers *b, uint32_t here, uint32_t there, size_t from, size_t to)
{
	const struct sr_program *tasks = b->w->m->tasks, *p = &tasks[here];

	if (to - from > BUF_LOOK)
		return true;
	for (size_t i = from + 1; i < to; i++) {
		uint32_t waker = p->ops[i].kind == SR_OP_WAIT ? p->waits[p->ops[i].arg].waker : there;

		if (waker != there && waker != UINT32_MAX && tasks[waker].tgid == tasks[there].tgid)
			return true;
	}
	return false;
}

/* So much work of a task behind, or (negative) before, where it was at a sleep of the pair. */
static bool place_near(const struct buffers *b, const struct buf_sleep *s, unsigned end, double ns,
		       struct sr_insert *out)
{
	const struct sr_program *p = &b->w->m->tasks[buf_task_of(s, end)];
	struct sr_insert at = buf_place_of(b, s, end);

	return ns < 0 ? buf_place_before(p, at, (uint64_t)-ns, out) : buf_place_behind(p, at, (uint64_t)ns, out);
}

/* The end at own ns behind its place at `from` needs the other one at others ns. */
static int add_step(struct buffers *b, const struct buf_sleep *from, const struct buf_sleep *to, unsigned end,
		    double own, double others)
{
	double part = own / ((double)to->done_ns[end] - (double)from->done_ns[end]);
	struct sr_insert wait, wake;

	if (!b->steps_left || !place_near(b, from, end, own, &wait) || !place_near(b, from, !end, others, &wake))
		return 0;
	b->steps_left--;
	return buf_add_bound(b, buf_task_of(from, !end), wake, buf_task_of(from, end), wait,
			     from->time_ns + (uint64_t)((double)(to->time_ns - from->time_ns) * part));
}

/*
 * From a sleep of an end to its next one both did as many steps. The other's come no later than they can have done: when this
 * end was there, the other one had left at most what it did in this one's sleep, and on another CPU while this one worked.
 */
static int between_sleeps(struct buffers *b, const struct buf *x, const struct buf_sleep *from,
			  const struct buf_sleep *to)
{
	const struct sr_program *tasks = b->w->m->tasks;
	const unsigned e = to->end;
	const uint32_t here = buf_task_of(from, e), there = buf_task_of(from, !e);
	const size_t first = buf_place_of(b, from, e).at, last = buf_place_of(b, to, e).at;
	const double own = (double)to->done_ns[e] - (double)from->done_ns[e];
	const double others = (double)to->done_ns[!e] - (double)from->done_ns[!e];
	const size_t steps = steps_in(&x->step[e], e, own, others);
	const bool beside = sr_cpu_at(&tasks[here], last, BUF_LOOK) !=
			    sr_cpu_at(&tasks[there], buf_place_of(b, to, !e).at, BUF_LOOK);
	double left = length_of(b, to);
	int ret = 0;

	if (steps < 2 || had_others(b, here, there, first, last))
		return 0;
	left = left < others / (double)steps ? left : others / (double)steps;
	for (size_t i = 1; i < steps && ret == 0; i++) {
		double part = (double)i / (double)steps;
		double latest = others - left - (beside ? own * (1 - part) : 0);
		double at = others * part < latest ? others * part : latest;

		if (at > 0)
			ret = add_step(b, from, to, e, own * part, at);
	}
	return ret;
}

/*
 * One end slept, and the next to sleep is the other one. Who slept needs the other's steps from there on. For the other it
 * was a buffer ahead: its steps need those that this end did before.
 */
static int in_turn(struct buffers *b, const struct buf *x, const struct buf_sleep *from, const struct buf_sleep *to,
		   unsigned end)
{
	const double own = x->step[end].ns[end], others = x->step[end].ns[!end], measure = x->step[end].ns[x->end];
	const double did = (double)to->done_ns[end] - (double)from->done_ns[end];
	double full, most;
	int ret = 0;

	if (own <= 0 || others <= 0)
		return 0;
	full = (double)x->size_ns / measure;
	most = did / own < FAR * full ? did / own : FAR * full;
	for (size_t i = 1; (double)i < most && i < MOST_STEPS && ret == 0; i++)
		ret = add_step(b, from, to, end, own * (double)i, others * ((double)i - (from->end == end ? 0 : full)));
	return ret;
}

int buf_add_steps(struct buffers *b, const struct buf *x, const struct buf_sleep *from, const struct buf_sleep *to)
{
	if (from->end == to->end)
		return between_sleeps(b, x, from, to);
	return in_turn(b, x, from, to, 0) < 0 ? -1 : in_turn(b, x, from, to, 1);
}
