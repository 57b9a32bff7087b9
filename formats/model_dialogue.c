/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages that left no event. A wake is recorded only where its target sleeps, so of a dialogue a trace has a part:
 *
 *   client  --run--[wake]--tail-(sleeps).......--run--[wake]--tail------run--[wake]--tail-(sleeps)....--run
 *                    \                 /                 \      ^                \              /
 *   server            --[wait]--work-[wake]               --[wait]-work-*         --[wait]-work-[wake]
 *
 * The answer at * came while its client was still awake: two questions follow each other without an answer, and the
 * client did not sleep. In a replay it may come later than that, and then the client must sleep; without the message it
 * never would. In the same way a client that sleeps twice for the same server, and has not woken it between, has asked
 * while the server was awake.
 *
 * Both become ops of their own (SR_WAIT_HIDDEN, SR_WAKE_HIDDEN), as far from the ops around them as those of the same pair
 * are that were recorded (the medians of tail and work). The rules stand in model.h.
 */
#include <stdlib.h>
#include <string.h>

#include "formats/model_messages.h"

#define LEAST_MESSAGES 8 /* recorded, in each direction */
#define MASTER 3         /* who ends fewer of a task's waits, as a part of all, is not its server */
#define TOLD 3           /* one in so many of a client's waits for its server at least follows a recorded question */
#define MOSTLY_OF(n) (((n)*2 + 2) / 3) /* a loop that is also a client has so much of its waits ended by its server */
#define SERVERS 3                      /* of one client */
#define LOOK 1000                      /* ops that are looked at for what belongs together */
/* Longest CPU time from a wake to the sleep for a lock, and from the waker's first wake to its second. */
#define LOCK_RUN_NS 20000u
#define LOCK_HOLD_NS 100000u
#define LOCKED 4 /* one in so many of a pair's wakes on one CPU at least comes while the waker holds a lock */

struct dialogues {
	struct sr_messages *w;
	uint64_t **hold; /* by task and wait: how long its waker holds the lock that was put in behind it; 0: none was */
	uint64_t *tail, *work; /* ns, of the pair that is looked at */
	size_t ntail, nwork;
};

static uint64_t median_of(uint64_t *v, size_t n)
{
	if (!n)
		return 0;
	qsort(v, n, sizeof(*v), sr_by_size);
	return v[n / 2];
}

static bool wakes(const struct sr_op *op, uint32_t task)
{
	return op->kind == SR_OP_WAKE && op->arg == task;
}

static bool waits_for(const struct sr_program *p, const struct sr_op *op, uint32_t task)
{
	return op->kind == SR_OP_WAIT && p->waits[op->arg].waker == task;
}

/* A wake of a task by which it says something, and does not only let go of a lock. */
static bool tells(const struct dialogues *d, const struct sr_op *op, uint32_t task)
{
	const struct sr_program *p = &d->w->m->tasks[task];

	return wakes(op, task) && (op->value >= p->nwaits || sr_op_ends_unit(&p->ops[d->w->wait_op[task][op->value]]));
}

/* The CPU time of a server's from the client's wake to its own; false: it had another reason, or has answered already. */
static bool work_before(const struct sr_program *s, size_t at, uint32_t client, uint64_t *ns)
{
	size_t end = at > LOOK ? at - LOOK : 0;

	for (*ns = 0; at-- > end;) {
		const struct sr_op *op = &s->ops[at];

		if (op->kind == SR_OP_RUN)
			*ns += op->value;
		else if (wakes(op, client))
			return false;
		else if (sr_op_ends_unit(op))
			return waits_for(s, op, client);
	}
	return false;
}

/* Is `server` one, and `client` its client? Fills tail and work. */
static bool is_dialogue(struct dialogues *d, uint32_t client, uint32_t server)
{
	const struct sr_program *c = &d->w->m->tasks[client], *s = &d->w->m->tasks[server];
	size_t k, questions = 0, answers = 0, told = 0, waits = 0;
	bool asked = false, near = false;
	uint64_t ns = 0, cost = 0;

	d->ntail = d->nwork = 0;
	for (k = 0; k < c->nops; k++) {
		const struct sr_op *op = &c->ops[k];

		if (waits_for(c, op, server) && c->waits[op->arg].buffer)
			return false;
		if (tells(d, op, server)) {
			questions++;
			asked = near = true;
			ns = 0;
			cost = sr_wake_call_ns(op);
		} else if (op->kind == SR_OP_RUN) {
			ns += op->value;
		} else if (sr_op_ends_unit(op)) {
			waits += op->kind == SR_OP_WAIT;
			if (waits_for(c, op, server)) {
				answers++;
				told += asked;
				if (near)
					d->tail[d->ntail++] = ns > cost ? ns - cost : 0;
				asked = false;
			}
			near = false;
		}
	}
	for (k = 0; k < c->nwaits; k++)
		if (c->waits[k].waker == server && d->w->wake_op[client][k] != SIZE_MAX &&
		    work_before(s, d->w->wake_op[client][k], client, &ns))
			d->work[d->nwork++] = ns;
	return questions >= LEAST_MESSAGES && answers >= LEAST_MESSAGES && answers * MASTER >= waits &&
	       told * TOLD >= answers && d->ntail && d->nwork;
}

/* The CPU time between two ops; UINT64_MAX where there is anything but work. */
static uint64_t only_work(const struct sr_program *p, size_t from, size_t to)
{
	uint64_t ns = 0;

	while (++from < to) {
		if (p->ops[from].kind == SR_OP_RUN)
			ns += p->ops[from].value;
		else if (p->ops[from].kind != SR_OP_NOP)
			return UINT64_MAX;
	}
	return from == to ? ns : UINT64_MAX;
}

/* The wait behind a wait for the same waker that is one for a lock; NULL: there is none. */
static struct sr_op *lock_behind(struct dialogues *d, uint32_t task, size_t at)
{
	struct sr_program *p = &d->w->m->tasks[task];
	uint32_t waker = p->waits[p->ops[at].arg].waker;
	size_t next = at + 1, first = d->w->wake_op[task][p->ops[at].arg], second;

	while (!sr_op_ends_piece(&p->ops[next]))
		next++;
	if (!waits_for(p, &p->ops[next], waker) || p->tgid != d->w->m->tasks[waker].tgid ||
	    only_work(p, at, next) > LOCK_RUN_NS)
		return NULL;
	second = d->w->wake_op[task][p->ops[next].arg];
	return first < second && second != SIZE_MAX &&
			       only_work(&d->w->m->tasks[waker], first, second) <= LOCK_HOLD_NS ?
		       &p->ops[next] :
		       NULL;
}

static void mark_locks(struct dialogues *d)
{
	size_t i, k;

	for (i = 0; i < d->w->m->ntasks; i++) {
		struct sr_program *p = &d->w->m->tasks[i];

		for (k = 0; k < p->nops; k++)
			if (p->ops[k].kind == SR_OP_WAIT && p->waits[p->ops[k].arg].waker != UINT32_MAX) {
				struct sr_op *lock = lock_behind(d, (uint32_t)i, k);

				if (lock)
					lock->flags |= SR_WAIT_LOCK;
				d->w->m->counts.waits_lock += lock != NULL;
			}
	}
}

/* The place ns of CPU time before an op, but behind all that is no work. */
static struct sr_insert before(const struct sr_program *p, size_t at, uint64_t ns)
{
	while (at > 0 && (p->ops[at - 1].kind == SR_OP_RUN || p->ops[at - 1].kind == SR_OP_NOP)) {
		const struct sr_op *op = &p->ops[--at];

		if (op->kind == SR_OP_RUN && op->value >= ns)
			return (struct sr_insert){ .at = at, .offset_ns = op->value - ns };
		if (op->kind == SR_OP_RUN)
			ns -= op->value;
	}
	return (struct sr_insert){ .at = at };
}

/* The place ns of CPU time behind an op, but before the task rests. */
static struct sr_insert behind(const struct sr_program *p, size_t at, uint64_t ns)
{
	while (!sr_op_ends_unit(&p->ops[++at])) {
		const struct sr_op *op = &p->ops[at];

		if (op->kind != SR_OP_RUN)
			continue;
		if (op->value >= ns)
			return (struct sr_insert){ .at = at, .offset_ns = ns };
		ns -= op->value;
	}
	return (struct sr_insert){ .at = at };
}

static bool wakes_in_piece(const struct sr_program *p, size_t at, uint32_t task)
{
	size_t end = at + LOOK;

	while (!sr_op_ends_unit(&p->ops[++at]) && at < end)
		if (wakes(&p->ops[at], task))
			return true;
	return false;
}

/* Is an op of a server's part of what a wake by the client led to? Else it may be done before the client has asked. */
static bool follows(const struct sr_program *s, size_t at, uint32_t client)
{
	size_t end = at > LOOK ? at - LOOK : 0;

	while (at-- > end)
		if (sr_op_rests(&s->ops[at]) && (sr_op_ends_unit(&s->ops[at]) || waits_for(s, &s->ops[at], client)))
			return waits_for(s, &s->ops[at], client);
	return false;
}

/* Does a task release a lock after nothing but work? In an engine who waits for a lock does nothing else. */
static bool holds_lock(const struct dialogues *d, uint32_t task, size_t at)
{
	const struct sr_op *op = &d->w->m->tasks[task].ops[at];

	while (op->kind == SR_OP_RUN || op->kind == SR_OP_NOP)
		op++;
	return op->kind == SR_OP_WAKE && op->value < d->w->m->tasks[op->arg].nwaits &&
	       !sr_op_ends_unit(&d->w->m->tasks[op->arg].ops[d->w->wait_op[op->arg][op->value]]);
}

/* The answer that came between a question and the next. */
static int add_answer(struct dialogues *d, uint32_t client, uint32_t server, size_t question, uint64_t tail,
		      uint64_t work)
{
	const struct sr_program *c = &d->w->m->tasks[client], *s = &d->w->m->tasks[server];
	uint64_t wait = c->ops[question].value, hold = d->hold[server][wait];
	struct sr_insert sleep = behind(c, question, sr_wake_call_ns(&c->ops[question]) + (tail < hold ? hold : tail));

	if (holds_lock(d, client, sleep.at))
		return 0;
	return sr_messages_add(d->w, server, behind(s, d->w->wait_op[server][wait], work), client, sleep,
			       s->waits[wait].wake_ns);
}

/* How long a client that wakes its server goes on to hold a lock; 0: it holds none. */
static uint64_t hold_of(const struct dialogues *d, uint32_t client, uint32_t server)
{
	const struct sr_program *c = &d->w->m->tasks[client], *s = &d->w->m->tasks[server];
	size_t k;

	for (k = 0; k < c->nops; k++)
		if (wakes(&c->ops[k], server) && c->ops[k].value < s->nwaits && d->hold[server][c->ops[k].value])
			return d->hold[server][c->ops[k].value];
	return 0;
}

/* The question that came before the answer to it, and where it holds a lock the release of that. */
static int add_question(struct dialogues *d, uint32_t client, uint32_t server, size_t sleep, uint64_t tail,
			uint64_t work, uint64_t hold)
{
	const struct sr_program *c = &d->w->m->tasks[client], *s = &d->w->m->tasks[server];
	uint32_t wait = c->ops[sleep].arg;
	struct sr_insert hears = before(s, d->w->wake_op[client][wait], work);
	uint64_t time_ns = c->waits[wait].wake_ns;

	if (sr_messages_add(d->w, client, before(c, sleep, tail), server, hears, time_ns) < 0)
		return -1;
	if (!hold)
		return 0;
	if (sr_messages_add(d->w, client, before(c, sleep, tail > hold ? tail - hold : 0), server, hears, time_ns) < 0)
		return -1;
	d->w->v[d->w->n - 2].lock = d->w->v[d->w->n - 1].lock = true;
	return 0;
}

/* All of a pair that is missing. */
static int complete(struct dialogues *d, uint32_t client, uint32_t server)
{
	const struct sr_program *c = &d->w->m->tasks[client], *s = &d->w->m->tasks[server];
	uint64_t tail = median_of(d->tail, d->ntail), work = median_of(d->work, d->nwork), ns = 0;
	uint64_t hold = hold_of(d, client, server);
	size_t k, question = SIZE_MAX;
	bool begun = false;

	for (k = 0; k < c->nops; k++) {
		const struct sr_op *op = &c->ops[k];

		if (op->kind == SR_OP_RUN)
			ns += op->value;
		if (waits_for(c, op, server) && sr_op_ends_unit(op)) {
			size_t answer = d->w->wake_op[client][op->arg];

			if (begun && answer != SIZE_MAX && (question == SIZE_MAX || s->any) &&
			    !follows(s, answer, client) && add_question(d, client, server, k, tail, work, hold) < 0)
				return -1;
			question = SIZE_MAX;
			begun = true;
		} else if (tells(d, op, server)) {
			const struct sr_op *last = question == SIZE_MAX ? NULL : &c->ops[question];

			/* A second one so soon is no other question. */
			if (last && ns > sr_wake_call_ns(last) + 2 * tail && last->value < s->nwaits &&
			    !wakes_in_piece(s, d->w->wait_op[server][last->value], client) &&
			    add_answer(d, client, server, question, tail, work) < 0)
				return -1;
			question = k;
			ns = 0;
			begun = true;
		}
	}
	return 0;
}

/* The tasks that end most waits of one. */
static void servers_of(const struct sr_program *p, uint32_t *wakers, uint32_t *servers)
{
	size_t k, n = 0, found = 0, from;

	for (k = 0; k < p->nwaits; k++)
		if (p->waits[k].waker != UINT32_MAX)
			wakers[n++] = p->waits[k].waker;
	qsort(wakers, n, sizeof(*wakers), sr_by_number);
	for (from = 0; from < n && found < SERVERS; from = k) {
		for (k = from; k < n && wakers[k] == wakers[from]; k++)
			;
		if ((k - from) * MASTER >= n && k - from >= LEAST_MESSAGES && (!p->loop || k - from >= MOSTLY_OF(n)))
			servers[found++] = wakers[from];
	}
}

/*
 * The wakes of one task by another, of which some come while the waker holds a lock: where the woken one came later than
 * that, it did not sleep for it, and there is no second wake. In a replay it may come earlier. It waits at once then: the
 * lock is its first need.
 */
static int complete_lock(struct dialogues *d, uint32_t task, uint32_t waker, const uint64_t *at, size_t n)
{
	const struct sr_program *p = &d->w->m->tasks[task], *w = &d->w->m->tasks[waker];
	size_t i, wakes = 0;
	uint64_t hold;

	d->ntail = 0;
	for (i = 0; i < n; i++) {
		const struct sr_op *op = &p->ops[(uint32_t)at[i]];
		size_t wake = d->w->wake_op[task][op->arg];

		/* From another CPU it comes too late to find the lock held. */
		wakes += sr_op_ends_unit(op) && wake != SIZE_MAX && sr_cpu_at(w, wake, LOOK) == op->cpu;
		/* The one before it is for the same waker: else it would be none for a lock. */
		if (i && !sr_op_ends_unit(op)) {
			size_t first = d->w->wake_op[task][p->ops[(uint32_t)at[i - 1]].arg];
			uint64_t ns = only_work(w, first, wake), cost = sr_wake_call_ns(&w->ops[first]);

			d->tail[d->ntail++] = ns > cost ? ns - cost : 0;
		}
	}
	if (d->ntail < LEAST_MESSAGES || d->ntail * LOCKED < wakes)
		return 0;
	hold = median_of(d->tail, d->ntail);
	for (i = 0; i < n; i++) {
		size_t k = (uint32_t)at[i], next = k + 1, wake = d->w->wake_op[task][p->ops[k].arg];

		if (!sr_op_ends_unit(&p->ops[k]) || wake == SIZE_MAX)
			continue;
		while (!sr_op_ends_piece(&p->ops[next]))
			next++;
		if (p->ops[next].kind == SR_OP_END || !sr_op_ends_unit(&p->ops[next]))
			continue;
		if (sr_messages_add(d->w, waker, behind(w, wake, sr_wake_call_ns(&w->ops[wake]) + hold), task,
				    (struct sr_insert){ .at = k + 1 }, p->waits[p->ops[k].arg].wake_ns) < 0)
			return -1;
		d->w->v[d->w->n - 2].lock = d->w->v[d->w->n - 1].lock = true;
		d->w->v[d->w->n - 2].first = d->w->v[d->w->n - 1].first =
			true; /* part of the wake-up that it follows */
		d->hold[task][p->ops[k].arg] = hold;
	}
	return 0;
}

static int complete_locks(struct dialogues *d)
{
	const struct sr_model *m = d->w->m;
	uint64_t *waits = calloc(d->w->longest + 1, sizeof(*waits)); /* of a task: waker << 32 | op */
	size_t i, k, n, from;
	int ret = waits ? 0 : -1;

	for (i = 0; i < m->ntasks && ret == 0; i++) {
		const struct sr_program *p = &m->tasks[i];
		bool locks = false;

		for (n = k = 0; k < p->nops && k < UINT32_MAX; k++)
			if (p->ops[k].kind == SR_OP_WAIT && p->waits[p->ops[k].arg].waker != UINT32_MAX) {
				waits[n++] = (uint64_t)p->waits[p->ops[k].arg].waker << 32 | k;
				locks |= !sr_op_ends_unit(&p->ops[k]);
			}
		if (!locks)
			continue;
		qsort(waits, n, sizeof(*waits), sr_by_size);
		for (from = 0; from < n && ret == 0; from = k) {
			for (k = from; k < n && waits[k] >> 32 == waits[from] >> 32; k++)
				;
			ret = complete_lock(d, (uint32_t)i, (uint32_t)(waits[from] >> 32), waits + from, k - from);
		}
	}
	free(waits);
	return ret;
}

/*
 * Of two that are each other's server, messages from one to the other would be found twice. Then the server is the one that
 * waits for any, else the later one.
 */
static bool is_seen_from_server(struct dialogues *d, uint32_t (*servers)[SERVERS], uint32_t client, uint32_t server)
{
	const struct sr_program *c = &d->w->m->tasks[client], *s = &d->w->m->tasks[server];
	size_t k = 0;

	if (c->any == s->any ? client < server : s->any)
		return false;
	while (k < SERVERS && servers[server][k] != client)
		k++;
	return k < SERVERS && is_dialogue(d, server, client);
}

static int find_all(struct dialogues *d)
{
	const struct sr_model *m = d->w->m;
	uint32_t *wakers = calloc(d->w->longest + 1, sizeof(*wakers));
	uint32_t(*servers)[SERVERS] = malloc(m->ntasks * sizeof(*servers));
	uint32_t i;
	size_t k;
	int ret = wakers && servers ? 0 : -1;

	for (i = 0; i < m->ntasks && ret == 0; i++) {
		memset(servers[i], 0xff, sizeof(servers[i]));
		servers_of(&m->tasks[i], wakers, servers[i]);
	}
	for (i = 0; i < m->ntasks && ret == 0; i++)
		for (k = 0; k < SERVERS && servers[i][k] != UINT32_MAX && ret == 0; k++) {
			uint32_t server = servers[i][k];

			if (server != i && !is_seen_from_server(d, servers, i, server) && is_dialogue(d, i, server))
				ret = complete(d, i, server);
		}
	free(wakers);
	free(servers);
	return ret;
}

static int make_room(struct dialogues *d)
{
	const struct sr_model *m = d->w->m;
	size_t i;

	d->hold = calloc(m->ntasks, sizeof(*d->hold));
	d->tail = malloc((d->w->longest + 1) * sizeof(*d->tail));
	d->work = malloc((d->w->longest + 1) * sizeof(*d->work));
	if (!d->hold || !d->tail || !d->work)
		return -1;
	for (i = 0; i < m->ntasks; i++) {
		d->hold[i] = calloc(m->tasks[i].nwaits + 1, sizeof(uint64_t));
		if (!d->hold[i])
			return -1;
	}
	return 0;
}

int sr_messages_of_dialogues(struct sr_messages *w)
{
	struct dialogues d = { .w = w };
	size_t i;
	int ret = -1;

	if (make_room(&d) == 0) {
		mark_locks(&d);
		if (complete_locks(&d) == 0)
			ret = find_all(&d);
	}
	for (i = 0; d.hold && i < w->m->ntasks; i++)
		free(d.hold[i]);
	free(d.hold);
	free(d.tail);
	free(d.work);
	return ret;
}
