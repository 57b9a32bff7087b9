/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts messages that left no event into the programs: a WAKE of one task, and the WAIT of another that it ends. */
#include <stdlib.h>
#include <string.h>

#include "formats/model_messages.h"

int sr_messages_begin(struct sr_messages *d, struct sr_model *m)
{
	size_t i, k;

	*d = (struct sr_messages){ .m = m };
	d->wait_op = calloc(m->ntasks, sizeof(*d->wait_op));
	d->wake_op = calloc(m->ntasks, sizeof(*d->wake_op));
	if (!d->wait_op || !d->wake_op)
		return -1;
	for (i = 0; i < m->ntasks; i++) {
		const struct sr_program *p = &m->tasks[i];

		d->wait_op[i] = calloc(p->nwaits + 1, sizeof(size_t));
		d->wake_op[i] = malloc((p->nwaits + 1) * sizeof(size_t));
		if (!d->wait_op[i] || !d->wake_op[i])
			return -1;
		memset(d->wake_op[i], 0xff, (p->nwaits + 1) * sizeof(size_t));
		for (k = 0; k < p->nops; k++)
			if (sr_op_rests(&p->ops[k]))
				d->wait_op[i][p->ops[k].arg] = k;
		d->longest = p->nops > d->longest ? p->nops : d->longest;
	}
	for (i = 0; i < m->ntasks; i++)
		for (k = 0; k < m->tasks[i].nops; k++) {
			const struct sr_op *op = &m->tasks[i].ops[k];

			if (op->kind == SR_OP_WAKE && op->value < m->tasks[op->arg].nwaits &&
			    m->tasks[op->arg].waits[op->value].waker == i)
				d->wake_op[op->arg][op->value] = k;
		}
	return 0;
}

void sr_messages_end(struct sr_messages *d)
{
	size_t i;

	for (i = 0; i < d->m->ntasks; i++) {
		if (d->wait_op)
			free(d->wait_op[i]);
		if (d->wake_op)
			free(d->wake_op[i]);
	}
	free(d->wait_op);
	free(d->wake_op);
	free(d->v);
}

static int add(struct sr_messages *d, struct sr_insert x)
{
	if (d->n == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 256;
		struct sr_insert *bigger = reallocarray(d->v, cap, sizeof(*bigger));

		if (!bigger)
			return -1;
		d->v = bigger;
		d->cap = cap;
	}
	d->v[d->n++] = x;
	return 0;
}

int sr_messages_add(struct sr_messages *d, uint32_t from, struct sr_insert wake, uint32_t to, struct sr_insert wait,
		    uint64_t time_ns)
{
	wake.task = from;
	wake.partner = to;
	wait.task = to;
	wait.partner = from;
	wait.wait = true;
	wake.message = wait.message = d->messages++;
	wake.time_ns = wait.time_ns = time_ns;
	return add(d, wake) < 0 || add(d, wait) < 0 ? -1 : 0;
}

static int by_place(const void *a, const void *b)
{
	const struct sr_insert *x = a, *y = b;

	if (x->task != y->task)
		return x->task < y->task ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	if (x->offset_ns != y->offset_ns)
		return x->offset_ns < y->offset_ns ? -1 : 1;
	if (x->first != y->first)
		return x->first ? -1 : 1;
	return x->message < y->message ? -1 : x->message > y->message;
}

struct rebuilt {
	struct sr_op *ops;
	struct sr_wait *waits;
	uint32_t *number; /* of each old wait; the last: of those that no wait has */
	size_t nops, nwaits;
};

static void put(struct rebuilt *r, struct sr_op op, const struct sr_wait *wait)
{
	if (wait) {
		op.arg = (uint32_t)r->nwaits;
		r->waits[r->nwaits++] = *wait;
	}
	r->ops[r->nops++] = op;
}

/* cpu: where the task ran then */
static void put_insert(struct rebuilt *r, const struct sr_insert *x, uint16_t cpu, uint32_t *wait_of)
{
	struct sr_wait wait = { .needs = 1,
				.watch_task = UINT32_MAX,
				.waker = x->partner,
				.block_ns = x->time_ns,
				.wake_ns = x->time_ns,
				.buffer = x->buffer };

	if (!x->wait) {
		/* Its wait may not have its number yet. */
		put(r,
		    (struct sr_op){
			    .kind = SR_OP_WAKE, .flags = SR_WAKE_HIDDEN, .arg = x->partner, .value = x->message },
		    NULL);
		return;
	}
	wait_of[x->message] = (uint32_t)r->nwaits;
	put(r, (struct sr_op){ .kind = SR_OP_WAIT, .flags = SR_WAIT_HIDDEN | (x->lock ? SR_WAIT_LOCK : 0), .cpu = cpu },
	    &wait);
}

/* The program of a task with n inserts; 0 or -1. */
static int rebuild(const struct sr_program *p, const struct sr_insert *x, size_t n, uint32_t *wait_of,
		   struct rebuilt *r)
{
	size_t i = 0, k;
	uint16_t cpu = 0;

	r->ops = calloc(p->nops + 2 * n + 1, sizeof(*r->ops));
	r->waits = calloc(p->nwaits + n + 1, sizeof(*r->waits));
	r->number = calloc(p->nwaits + 1, sizeof(*r->number));
	if (!r->ops || !r->waits || !r->number)
		return -1;
	for (k = 0; k < p->nops; k++) {
		struct sr_op op = p->ops[k];
		uint64_t done = 0;

		if (op.kind == SR_OP_RUN)
			cpu = op.cpu;
		for (; i < n && x[i].at == k; i++) {
			if (op.kind == SR_OP_RUN && x[i].offset_ns > done) {
				struct sr_op part = op;

				part.value = x[i].offset_ns - done;
				put(r, part, NULL);
				done = x[i].offset_ns;
			}
			put_insert(r, &x[i], cpu, wait_of);
		}
		if (op.kind == SR_OP_RUN)
			op.value -= done;
		if (sr_op_rests(&op)) {
			r->number[op.arg] = (uint32_t)r->nwaits;
			put(r, op, &p->waits[op.arg]);
		} else if (op.kind != SR_OP_RUN || op.value) {
			put(r, op, NULL);
		}
	}
	r->number[p->nwaits] = (uint32_t)r->nwaits;
	return 0;
}

/* Waits have new numbers. */
static void renumber(struct sr_model *m, const struct rebuilt *r, const size_t *old_nwaits, const uint32_t *wait_of)
{
	size_t i, k;

	for (i = 0; i < m->ntasks; i++) {
		struct sr_program *p = &m->tasks[i];

		for (k = 0; k < p->nops; k++) {
			struct sr_op *op = &p->ops[k];

			if (op->kind == SR_OP_WAKE && op->flags & SR_WAKE_HIDDEN)
				op->value = wait_of[op->value];
			else if (op->kind == SR_OP_WAKE)
				/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): rebuild made all. */
				op->value = r[op->arg].number[op->value < old_nwaits[op->arg] ? op->value :
												old_nwaits[op->arg]];
		}
		for (k = 0; k < p->nwaits; k++)
			if (p->waits[k].watch_task != UINT32_MAX)
				/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the same. */
				p->waits[k].watch_wait = r[p->waits[k].watch_task].number[p->waits[k].watch_wait];
	}
}

int sr_messages_put_in(struct sr_messages *d)
{
	struct sr_model *m = d->m;
	struct rebuilt *r = calloc(m->ntasks, sizeof(*r));
	size_t *old_nwaits = calloc(m->ntasks, sizeof(*old_nwaits));
	uint32_t *wait_of = calloc(d->messages, sizeof(*wait_of));
	size_t i, from = 0, to;
	int ret = -1;

	if (!r || !old_nwaits || !wait_of)
		goto out;
	qsort(d->v, d->n, sizeof(*d->v), by_place);
	for (i = 0; i < m->ntasks; i++, from = to) {
		for (to = from; to < d->n && d->v[to].task == i; to++)
			;
		if (rebuild(&m->tasks[i], d->v + from, to - from, wait_of, &r[i]) < 0)
			goto out;
	}
	for (i = 0; i < m->ntasks; i++) {
		struct sr_program *p = &m->tasks[i];

		old_nwaits[i] = p->nwaits;
		free(p->ops);
		free(p->waits);
		p->ops = r[i].ops;
		p->waits = r[i].waits;
		p->nops = p->ops_cap = r[i].nops;
		p->nwaits = p->waits_cap = r[i].nwaits;
		r[i].ops = NULL;
		r[i].waits = NULL;
	}
	renumber(m, r, old_nwaits, wait_of);
	m->counts.hidden = d->messages;
	ret = 0;
out:
	for (i = 0; r && i < m->ntasks; i++) {
		free(r[i].ops);
		free(r[i].waits);
		free(r[i].number);
	}
	free(r);
	free(old_nwaits);
	free(wait_of);
	return ret;
}
