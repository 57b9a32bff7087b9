/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounded buffers: a pipe between two processes. Who writes sleeps when it is full, who reads when it is empty, and a wake is
 * recorded only where the other end slept:
 *
 *   reader  (empty)[wait]--run--run--run------run---[wake]---------run------
 *                    /                                  \
 *   writer  --run-[wake]--run, room full of work--(full)[wait]--run---------
 *
 * From the reader's last sleep to the writer's next one the writer has filled the buffer, by so much work of its own; that
 * is the buffer's size. Neither end may be further ahead of the other than that, though nothing in the recording says so
 * where it never came to it: on one CPU the writer would write on and on, and the reader never find it empty.
 *
 * So each recorded sleep at one end says two things. The one that is in the recording: this one did not get further before
 * the other was there. And that the other was a buffer away from its own limit: it must not be there before this one has
 * come to within a buffer of its sleep. That is a message of its own (SR_WAKE_HIDDEN, SR_WAIT_HIDDEN). Where the next sleep is
 * at the other end, that says itself how far it got.
 */
#include <stdlib.h>

#include "formats/model_buffer.h"

#define LEAST_NS 1000 /* size: less is no work */
#define MOST_NS 1e15  /* more no buffer */
#define LEAST_TURNS 4 /* times that an end sleeps after the other one has: so often the size is measured */
#define TOLD 3        /* more than one in so many sleeps behind a wake of the other: they ask and answer */
/* The upper quartile of the sizes that were measured is so many times the lower one at most: of ends that work evenly, else. */
#define EVEN 2
#define SPREAD 4
#define MOST_PASSES 8
#define PART 6        /* of the sleeps of one end at least the other one ends one in so many */
#define MOST_STEPS 16 /* that are put in for each sleep of a pair, in the mean */
#define MOST_PIECES 4 /* halves of a buffer between two sleeps; beyond that they may do something else */

/* Work from a sleep of the other end to the next one of this end. */
struct buf_turn {
	double own, others;
};

static int by_pair_and_time(const void *a, const void *b)
{
	const struct buf_sleep *x = a, *y = b;

	if (x->pair != y->pair)
		return x->pair < y->pair ? -1 : 1;
	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->end != y->end ? x->end - y->end : (x->wait > y->wait) - (x->wait < y->wait);
}

/* Did it wake that one since it last slept? */
static bool has_told(const struct sr_program *p, size_t at, uint32_t whom)
{
	size_t end = at > BUF_LOOK ? at - BUF_LOOK : 0;

	while (at-- > end && !sr_op_ends_unit(&p->ops[at]))
		if (p->ops[at].kind == SR_OP_WAKE && p->ops[at].arg == whom)
			return true;
	return false;
}

/* All sleeps that another process ends. */
static int find_sleeps(struct buffers *b)
{
	const struct sr_model *m = b->w->m;
	uint64_t **woken = calloc(m->ntasks, sizeof(*woken)); /* by task and wait: CPU time of its waker by then */
	size_t i, k, n = 0;
	int ret = -1;

	for (i = 0; woken && i < m->ntasks; i++) {
		woken[i] = calloc(m->tasks[i].nwaits + 1, sizeof(**woken));
		if (!woken[i])
			goto out;
		n += m->tasks[i].nwaits;
	}
	b->sleep = calloc(n + 1, sizeof(*b->sleep));
	b->sleeps_of = calloc(m->ntasks, sizeof(*b->sleeps_of));
	if (!woken || !b->sleep || !b->sleeps_of)
		goto out;
	for (i = 0; i < m->ntasks; i++) {
		uint64_t done = 0;

		for (k = 0; k < m->tasks[i].nops; k++) {
			const struct sr_op *op = &m->tasks[i].ops[k];

			if (op->kind == SR_OP_RUN)
				done += op->value;
			else if (op->kind == SR_OP_WAKE && op->value < m->tasks[op->arg].nwaits)
				woken[op->arg][op->value] = done;
		}
	}
	for (i = 0; i < m->ntasks; i++) {
		const struct sr_program *p = &m->tasks[i];
		uint64_t done = 0;

		for (k = 0; k < p->nops; k++) {
			const struct sr_op *op = &p->ops[k];
			uint32_t waker = op->kind == SR_OP_WAIT ? p->waits[op->arg].waker : UINT32_MAX;
			bool second = waker < i;

			if (op->kind == SR_OP_RUN)
				done += op->value;
			b->sleeps_of[i] += waker != UINT32_MAX;
			if (waker == UINT32_MAX || waker == i || m->tasks[waker].tgid == p->tgid ||
			    b->w->wake_op[i][op->arg] == SIZE_MAX)
				continue;
			b->sleep[b->nsleeps++] = (struct buf_sleep){
				.pair = second ? (uint64_t)waker << 32 | i : (uint64_t)i << 32 | waker,
				.time_ns = p->waits[op->arg].wake_ns,
				.done_ns = { second ? woken[i][op->arg] : done, second ? done : woken[i][op->arg] },
				.wait = op->arg,
				.end = second,
				.told = has_told(p, k, waker),
			};
		}
	}
	qsort(b->sleep, b->nsleeps, sizeof(*b->sleep), by_pair_and_time);
	ret = 0;
out:
	for (i = 0; woken && i < m->ntasks; i++)
		free(woken[i]);
	free(woken);
	return ret;
}

static int by_own(const void *a, const void *b)
{
	const struct buf_turn *x = a, *y = b;

	return (x->own > y->own) - (x->own < y->own);
}

/* The upper quartile, where the lower one is not too far from it; 0: there is no agreement. */
static double agreed(struct buf_turn *v, size_t n, double spread)
{
	qsort(v, n, sizeof(*v), by_own);
	return v[n / 4].own > 0 && v[n - 1 - n / 4].own <= v[n / 4].own * spread ? v[n - 1 - n / 4].own : 0;
}

/*
 * The size at an end, in work of its task; 0: it has none. did: what both did for the pair. Meanwhile the other end takes
 * out (or puts in) what its own work is worth, where it works evenly; where it does something else in between, or nothing,
 * the sizes so found do not agree with each other, and it counts as nothing: then the size is rather too large.
 */
static double size_at(struct buf_turn *v, size_t n, double did, double others)
{
	double size, rate = others > 0 ? did / others : 0;

	if (n < LEAST_TURNS || did <= 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		v[i].own -= rate * v[i].others;
	size = agreed(v, n, EVEN);
	if (size > 0)
		return size;
	for (size_t i = 0; i < n; i++)
		v[i].own += rate * v[i].others;
	return agreed(v, n, SPREAD);
}

/* Is there one between the two of these sleeps? */
static bool is_buffer(struct buffers *b, size_t from, size_t to, struct buf *out)
{
	const struct buf_sleep *first = &b->sleep[from], *last = &b->sleep[to - 1];
	size_t told = 0, n[2] = { 0 }, slept[2] = { 0 };
	double did[2], size[2];

	if (to - from < BUF_LEAST_SLEEPS)
		return false;
	for (size_t i = from; i < to; i++) {
		const struct buf_sleep *s = &b->sleep[i];
		unsigned end = s->end;

		told += s->told;
		slept[end]++;
		if (i > from && end != s[-1].end)
			b->turn[end][n[end]++] =
				(struct buf_turn){ (double)s->done_ns[end] - (double)s[-1].done_ns[end],
						   (double)s->done_ns[!end] - (double)s[-1].done_ns[!end] };
	}
	if (told * TOLD > to - from || (slept[0] * PART < b->sleeps_of[buf_task_of(first, 0)] &&
					slept[1] * PART < b->sleeps_of[buf_task_of(first, 1)]))
		return false;
	for (int end = 0; end < 2; end++)
		did[end] = (double)last->done_ns[end] - (double)first->done_ns[end];
	for (int end = 0; end < 2; end++)
		size[end] = size_at(b->turn[end], n[end], did[end], did[!end]);
	/* Who takes all that there is at once needs less work for it than piece by piece: the larger part is nearer. */
	*out = (struct buf){ .from = from, .to = to, .end = size[1] * did[0] > size[0] * did[1] };
	out->size_ns = size[out->end] < MOST_NS ? (uint64_t)size[out->end] : 0;
	return out->size_ns >= LEAST_NS;
}

static void mark(struct buffers *b, const struct buf *x, bool is)
{
	for (size_t i = x->from; i < x->to; i++) {
		const struct buf_sleep *s = &b->sleep[i];

		b->w->m->tasks[buf_task_of(s, s->end)].waits[s->wait].buffer = is;
	}
}

static int find_buffers(struct buffers *b)
{
	size_t from, to;

	b->turn[0] = calloc(b->nsleeps + 1, sizeof(*b->turn[0]));
	b->turn[1] = calloc(b->nsleeps + 1, sizeof(*b->turn[1]));
	b->v = calloc(b->nsleeps / BUF_LEAST_SLEEPS + 1, sizeof(*b->v));
	if (!b->turn[0] || !b->turn[1] || !b->v)
		return -1;
	for (from = 0; from < b->nsleeps; from = to) {
		for (to = from; to < b->nsleeps && b->sleep[to].pair == b->sleep[from].pair; to++)
			;
		if (!is_buffer(b, from, to, &b->v[b->n]))
			continue;
		if (buf_find_steps(b, &b->v[b->n]) < 0)
			return -1;
		mark(b, &b->v[b->n++], true);
	}
	return 0;
}

bool buf_place_before(const struct sr_program *p, struct sr_insert from, uint64_t ns, struct sr_insert *out)
{
	size_t at = from.at, end = at > BUF_LOOK ? at - BUF_LOOK : 0;
	uint64_t left = from.offset_ns;

	for (;;) {
		if (left >= ns) {
			*out = (struct sr_insert){ .at = at, .offset_ns = left - ns };
			return true;
		}
		ns -= left;
		do {
			if (at <= end)
				return false;
			at--;
		} while (p->ops[at].kind != SR_OP_RUN);
		left = p->ops[at].value;
	}
}

bool buf_place_behind(const struct sr_program *p, struct sr_insert from, uint64_t ns, struct sr_insert *out)
{
	size_t at = from.at, end = at + BUF_LOOK < p->nops ? at + BUF_LOOK : p->nops;

	for (ns += from.offset_ns; at < end; at++) {
		uint64_t value = p->ops[at].kind == SR_OP_RUN ? p->ops[at].value : 0;

		if (value > ns) {
			*out = (struct sr_insert){ .at = at, .offset_ns = ns };
			return true;
		}
		ns -= value;
	}
	return false;
}

int buf_add_bound(struct buffers *b, uint32_t early, struct sr_insert wake, uint32_t late, struct sr_insert wait,
		  uint64_t time_ns)
{
	wait.buffer = true;
	return sr_messages_add(b->w, early, wake, late, wait, time_ns);
}

struct sr_insert buf_place_of(const struct buffers *b, const struct buf_sleep *s, unsigned end)
{
	uint32_t sleeper = buf_task_of(s, s->end);

	return (struct sr_insert){ .at = s->end == end ? b->w->wait_op[sleeper][s->wait] :
							 b->w->wake_op[sleeper][s->wait] };
}

static int bound_at_sleep(struct buffers *b, const struct buf *x, size_t i)
{
	const struct buf_sleep *s = &b->sleep[i];
	const struct sr_program *tasks = b->w->m->tasks;
	uint32_t here = buf_task_of(s, x->end), there = buf_task_of(s, !x->end), sleeper = buf_task_of(s, s->end);
	size_t wait = b->w->wait_op[sleeper][s->wait], wake = b->w->wake_op[sleeper][s->wait];
	struct sr_insert place;

	if (s->end == x->end)
		return buf_place_before(&tasks[here], (struct sr_insert){ .at = wait }, x->size_ns, &place) ?
			       buf_add_bound(b, here, place, there, (struct sr_insert){ .at = wake }, s->time_ns) :
			       0;
	if (i + 1 < x->to && s[1].end == x->end)
		return 0;
	return buf_place_behind(&tasks[here], (struct sr_insert){ .at = wake }, x->size_ns, &place) ?
		       buf_add_bound(b, there, (struct sr_insert){ .at = wait + 1 }, here, place, s->time_ns) :
		       0;
}

/* From one sleep to the next they go on together, and neither gets a buffer further ahead than it was. */
static int bounds_between(struct buffers *b, const struct buf *x, const struct buf_sleep *from,
			  const struct buf_sleep *to)
{
	const struct sr_program *tasks = b->w->m->tasks;
	unsigned e = x->end, o = !x->end;
	uint32_t here = buf_task_of(from, e), there = buf_task_of(from, o);
	uint64_t ns = to->done_ns[e] - from->done_ns[e], others = to->done_ns[o] - from->done_ns[o];
	size_t pieces = (size_t)(2 * ns / x->size_ns), i;
	int ret = 0;

	if (pieces > MOST_PIECES)
		return 0;
	for (i = 1; i < pieces && ret == 0; i++) {
		uint64_t time_ns = from->time_ns + (to->time_ns - from->time_ns) / pieces * i;
		struct sr_insert here_at, there_at, before, behind;

		if (!buf_place_behind(&tasks[here], buf_place_of(b, from, e), ns / pieces * i, &here_at) ||
		    !buf_place_behind(&tasks[there], buf_place_of(b, from, o), others / pieces * i, &there_at))
			continue;
		if (buf_place_before(&tasks[here], here_at, x->size_ns, &before))
			ret = buf_add_bound(b, here, before, there, there_at, time_ns);
		if (ret == 0 && buf_place_behind(&tasks[here], here_at, x->size_ns, &behind))
			ret = buf_add_bound(b, there, there_at, here, behind, time_ns);
	}
	return ret;
}

static int complete(struct buffers *b, const struct buf *x)
{
	b->steps_left = MOST_STEPS * (x->to - x->from);
	for (size_t i = x->from; i < x->to; i++) {
		const struct buf_sleep *s = &b->sleep[i];

		if (i > x->from && (buf_add_steps(b, x, s - 1, s) < 0 || bounds_between(b, x, s - 1, s) < 0))
			return -1;
		if (bound_at_sleep(b, x, i) < 0)
			return -1;
	}
	return 0;
}

/* Who goes on with whatever has come must not do so with a message of a buffer. */
static bool waits_for_any(const struct buffers *b, const struct buf *x)
{
	const struct buf_sleep *s = &b->sleep[x->from];
	const struct sr_program *tasks = b->w->m->tasks;

	return tasks[buf_task_of(s, 0)].any || tasks[buf_task_of(s, 1)].any;
}

/* Without its buffers a task has more waits that count, and may be one itself. */
static int drop_those_of_any(struct buffers *b)
{
	size_t kept, dropped = 1, i;

	for (int pass = 0; pass < MOST_PASSES && dropped; pass++) {
		if (b->n && sr_model_find_any(b->w->m, false) < 0)
			return -1;
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who calls frees b->v. */
		for (i = kept = 0; i < b->n; i++)
			if (waits_for_any(b, &b->v[i]))
				mark(b, &b->v[i], false);
			else
				b->v[kept++] = b->v[i];
		dropped = b->n - kept;
		b->n = kept;
	}
	return 0;
}

static int complete_all(struct buffers *b)
{
	int ret = drop_those_of_any(b);

	b->w->m->counts.buffers = b->n;
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who calls frees b->v. */
	for (size_t i = 0; i < b->n && ret == 0; i++)
		ret = complete(b, &b->v[i]);
	return ret;
}

int sr_messages_of_buffers(struct sr_messages *w)
{
	struct buffers b = { .w = w };
	int ret = -1;

	w->m->counts.buffers = 0;
	if (find_sleeps(&b) == 0 && find_buffers(&b) == 0)
		ret = complete_all(&b);
	free(b.sleep);
	free(b.sleeps_of);
	free(b.turn[0]);
	free(b.turn[1]);
	free(b.v);
	return ret;
}
