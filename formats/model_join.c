/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several models as one load: beside each other (recordings merged, or copies of one), or one after the other (a loop).
 *
 * Tasks of the second come behind those of the first, with their numbers in wakes and forks moved. Processes stay apart:
 * the tgids of each get a range of their own, above all that those before have.
 */
#include <stdlib.h>
#include <string.h>

#include "formats/model_internal.h"

static int oom(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory for the workload models together");
}

static int grow_to(void *array, size_t *cap, size_t need, size_t size)
{
	void **v = array, *bigger;

	if (need <= *cap)
		return 0;
	bigger = reallocarray(*v, need, size);
	if (!bigger)
		return -1;
	memset((char *)bigger + *cap * size, 0, (need - *cap) * size);
	*v = bigger;
	*cap = need;
	return 0;
}

/* Room for n more operations at the front. */
static int make_room(struct sr_program *p, size_t n)
{
	if (grow_to(&p->ops, &p->ops_cap, p->nops + n, sizeof(*p->ops)) < 0)
		return -1;
	memmove(p->ops + n, p->ops, p->nops * sizeof(*p->ops));
	p->nops += n;
	return 0;
}

/* A wait of its own, which is not of the recording; its number. */
static int add_wait(struct sr_program *p, struct sr_wait w, uint32_t *number)
{
	if (p->nwaits >= UINT32_MAX || grow_to(&p->waits, &p->waits_cap, p->nwaits + 1, sizeof(*p->waits)) < 0)
		return -1;
	w.watch_task = w.waker = UINT32_MAX;
	*number = (uint32_t)p->nwaits;
	p->waits[p->nwaits++] = w;
	return 0;
}

/* A task that runs from the start on sleeps until its recording begins. */
static int begin_at(struct sr_program *p, uint64_t offset_ns)
{
	uint32_t wait;

	if (!offset_ns || p->parent != UINT32_MAX || !p->nops || sr_op_rested(&p->ops[0]))
		return 0;
	/* Its time is moved by the offset with all the others. */
	if (add_wait(p, (struct sr_wait){ 0 }, &wait) < 0 || make_room(p, 1) < 0)
		return -1;
	p->ops[0] = (struct sr_op){ .kind = SR_OP_SLEEP, .flags = SR_SLEEP_OUTSIDE, .arg = wait, .value = offset_ns };
	return 0;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a < UINT64_MAX - b ? a + b : UINT64_MAX;
}

/* What stands before the second model's in the first. */
struct before {
	uint32_t tasks, names, sessions, source;
	uint64_t offset_ns;
};

static void move_numbers(struct sr_program *p, const struct before *before)
{
	size_t i;

	p->source += before->source;
	if (p->parent != UINT32_MAX)
		p->parent += before->tasks;
	if (p->session)
		p->session += before->sessions;
	if (p->dispatcher)
		p->dispatcher += before->tasks;
	for (i = 0; i < p->nops; i++) {
		struct sr_op *op = &p->ops[i];

		if (op->kind == SR_OP_WAKE || op->kind == SR_OP_FORK)
			op->arg += before->tasks;
		else if (op->kind == SR_OP_NAME && op->arg != SR_NAME_KEPT)
			op->arg += before->names;
		else if (op->kind == SR_OP_SESSION)
			op->arg += before->sessions;
	}
	for (i = 0; i < p->nwaits; i++) {
		struct sr_wait *w = &p->waits[i];

		if (w->watch_task != UINT32_MAX)
			w->watch_task += before->tasks;
		if (w->waker != UINT32_MAX)
			w->waker += before->tasks;
		/* 0 is the recording's start, which nobody saw. */
		if (w->block_ns)
			w->block_ns = plus(w->block_ns, before->offset_ns);
		w->wake_ns = plus(w->wake_ns, before->offset_ns);
		w->deadline_ns = plus(w->deadline_ns, before->offset_ns);
	}
}

static void add_counts(struct sr_model_counts *to, const struct sr_model_counts *from)
{
	size_t i;

	_Static_assert(sizeof(*to) % sizeof(uint64_t) == 0, "struct sr_model_counts is counters only");
	for (i = 0; i < sizeof(*to) / sizeof(uint64_t); i++)
		((uint64_t *)to)[i] += ((const uint64_t *)from)[i];
}

/* A mask of one table, where it stands in another. */
static void move_mask(const struct sr_cpumask **mask, const struct sr_attrs *from, const struct sr_cpumask *to,
		      const uint32_t *map)
{
	if (from->nmasks && *mask >= from->masks && *mask < from->masks + from->nmasks) {
		size_t i = (size_t)(*mask - from->masks);

		*mask = &to[map ? map[i] : i];
	}
}

static void move_attrs(struct sr_program *p, const struct sr_attrs *from, const struct sr_attrs *to,
		       const uint32_t *masks, const uint32_t *groups)
{
	size_t i;

	if (p->allowed)
		move_mask(&p->allowed, from, to->masks, masks);
	if (p->group < from->ngroups)
		p->group = groups[p->group];
	for (i = 0; i < p->nops; i++)
		if (p->ops[i].kind == SR_OP_MASK)
			p->ops[i].arg = masks[p->ops[i].arg];
		else if (p->ops[i].kind == SR_OP_GROUP && p->ops[i].arg < from->ngroups)
			p->ops[i].arg = groups[p->ops[i].arg];
}

/* The masks and groups of from become into's. A copy for a loop has none: its tasks use into's as they are. */
static int join_attrs(struct sr_model *into, struct sr_model *from)
{
	struct sr_attrs *a = &from->attrs, old = into->attrs;
	uint32_t *masks = calloc(a->nmasks + 1, sizeof(*masks)), *groups = calloc(a->ngroups + 1, sizeof(*groups));
	bool full = !masks || !groups;
	size_t i;

	for (i = 0; !full && i < a->nmasks; i++)
		full = (masks[i] = sr_attrs_mask(&into->attrs, &a->masks[i])) == SR_ATTR_NONE;
	for (i = 0; !full && i < a->ngroups; i++)
		full = (groups[i] = sr_attrs_group_as_set(&into->attrs, &a->groups[i])) == SR_ATTR_NONE;
	/* The table may have moved as it grew; the address of what it was is only compared with. */
	for (i = 0; into->attrs.masks != old.masks && i < into->ntasks; i++)
		if (into->tasks[i].allowed)
			move_mask(&into->tasks[i].allowed, &old, into->attrs.masks, NULL);
	for (i = 0; !full && (a->nmasks || a->ngroups) && i < from->ntasks; i++)
		move_attrs(&from->tasks[i], a, &into->attrs, masks, groups);
	free(masks);
	free(groups);
	return full ? -1 : 0;
}

static int keep_starts(struct sr_model *into, struct sr_model *from)
{
	size_t i;

	if (grow_to(&into->joined, &into->joined_cap, into->njoined + 1 + from->njoined, sizeof(*into->joined)) < 0)
		return -1;
	into->joined[into->njoined++] = from->starts;
	for (i = 0; i < from->njoined; i++)
		into->joined[into->njoined++] = from->joined[i];
	memset(&from->starts, 0, sizeof(from->starts));
	from->njoined = 0;
	return 0;
}

/* The highest tgid and ppid. */
static int32_t highest_tgid(const struct sr_model *m)
{
	int32_t max = 0;
	size_t i;

	for (i = 0; i < m->ntasks; i++) {
		if (m->tasks[i].tgid > max)
			max = m->tasks[i].tgid;
		if (m->tasks[i].ppid > max)
			max = m->tasks[i].ppid;
	}
	return max;
}

int sr_model_join(struct sr_model *into, struct sr_model *from, uint64_t offset_ns, uint32_t source,
		  struct sr_error *err)
{
	size_t i, tasks = into->ntasks, names = into->nnames;
	int8_t *nice = realloc(into->session_nice, into->nsessions + from->nsessions + 1);
	const struct before before = { (uint32_t)tasks, (uint32_t)names, (uint32_t)into->nsessions, source, offset_ns };
	uint64_t end = plus(into->start_ns, plus(offset_ns, from->end_ns - from->start_ns));
	int32_t tgids, more = highest_tgid(from);

	if (!nice)
		return oom(err);
	into->session_nice = nice;
	if (into->parts + from->parts + 1 >= SR_MODEL_PARTS)
		return sr_fail(err, SR_USAGE, "at most %d recordings, copies and loops in one load", SR_MODEL_PARTS);
	if (!into->highest_tgid)
		into->highest_tgid = highest_tgid(into);
	tgids = into->highest_tgid;
	if (more > INT32_MAX - tgids)
		return sr_fail(err, SR_USAGE, "more processes than a load can hold");
	if (from->ntasks > UINT32_MAX - 2 - tasks || from->nnames > UINT32_MAX - names)
		return sr_fail(err, SR_USAGE, "more tasks than a replay can hold");
	if (grow_to(&into->tasks, &into->tasks_cap, tasks + from->ntasks, sizeof(*into->tasks)) < 0 ||
	    grow_to(&into->names, &into->names_cap, names + from->nnames, sizeof(*into->names)) < 0)
		return oom(err);
	for (i = 0; i < from->ntasks; i++)
		if (begin_at(&from->tasks[i], offset_ns) < 0)
			return oom(err);
	if (join_attrs(into, from) < 0 || keep_starts(into, from) < 0)
		return oom(err);
	into->parts++;
	into->highest_tgid = tgids + more;
	for (i = 0; i < from->nsessions; i++)
		into->session_nice[into->nsessions++] = from->session_nice[i];
	for (i = 0; i < from->ntasks; i++) {
		struct sr_program *p = &from->tasks[i];

		move_numbers(p, &before);
		if (p->tgid > 0)
			p->tgid += tgids;
		if (p->ppid > 0)
			p->ppid += tgids;
		into->tasks[into->ntasks++] = *p;
	}
	for (i = 0; i < from->nnames; i++)
		into->names[into->nnames++] = from->names[i];
	from->ntasks = from->nnames = 0;
	into->parts += from->parts;
	if (source + from->nsources > into->nsources)
		into->nsources = source + from->nsources;
	if (end > into->end_ns)
		into->end_ns = end;
	if (from->cpus > into->cpus)
		into->cpus = from->cpus;
	into->run_ns += from->run_ns;
	into->max_alive += from->max_alive;
	add_counts(&into->counts, &from->counts);
	into->counts.sessions -= into->own_session && from->own_session;
	into->own_session |= from->own_session;
	sr_model_free(from);
	return 0;
}

static void *copy_of(const void *v, size_t n, size_t size)
{
	void *copy = calloc(n + 1, size);

	if (copy && n)
		memcpy(copy, v, n * size);
	return copy;
}

/* Masks stay the original's, which outlives the copy: it is joined to it. */
static struct sr_model *copy_model(const struct sr_model *m)
{
	struct sr_model *c = calloc(1, sizeof(*c));
	size_t i;

	if (!c)
		return NULL;
	*c = *m;
	memset(&c->starts, 0, sizeof(c->starts));
	memset(&c->attrs, 0, sizeof(c->attrs));
	c->joined = NULL;
	c->njoined = c->joined_cap = c->nnames = 0;
	c->tasks = copy_of(m->tasks, m->ntasks, sizeof(*m->tasks));
	c->names = calloc(m->nnames + 1, sizeof(*c->names));
	c->session_nice = copy_of(m->session_nice, m->nsessions, sizeof(*c->session_nice));
	c->tasks_cap = m->ntasks;
	c->names_cap = m->nnames;
	c->ntasks = 0;
	if (!c->tasks || !c->names || !c->session_nice)
		goto fail;
	for (i = 0; i < m->nnames; i++) {
		c->names[i] = strdup(m->names[i]);
		if (!c->names[i])
			goto fail;
		c->nnames++;
	}
	for (i = 0; i < m->ntasks; i++) {
		struct sr_program *p = &c->tasks[i];

		p->ops = copy_of(m->tasks[i].ops, p->nops, sizeof(*p->ops));
		p->waits = copy_of(m->tasks[i].waits, p->nwaits, sizeof(*p->waits));
		p->ops_cap = p->nops;
		p->waits_cap = p->nwaits;
		c->ntasks++;
		if (!p->ops || !p->waits)
			goto fail;
	}
	return c;
fail:
	sr_model_free(c);
	return NULL;
}

/* splitmix64 */
static uint64_t draw(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

int sr_model_copies(struct sr_model *m, size_t n, uint64_t spread_ns, uint64_t seed, struct sr_error *err)
{
	struct sr_model *once = n > 1 ? copy_model(m) : NULL;
	size_t k;
	int ret = 0;

	if (n < 2)
		return 0;
	if (!once)
		return oom(err);
	for (k = 1; k < n && ret == 0; k++) {
		uint64_t offset = spread_ns < UINT64_MAX ? draw(&seed) % (spread_ns + 1) : draw(&seed);
		struct sr_model *copy = copy_model(once);

		ret = copy ? sr_model_join(m, copy, offset, 0, err) : oom(err);
		if (ret < 0)
			sr_model_free(copy);
	}
	sr_model_free(once);
	return ret;
}

static int wake_at_end(struct sr_program *p, uint32_t task, uint32_t wait)
{
	if (grow_to(&p->ops, &p->ops_cap, p->nops + 1, sizeof(*p->ops)) < 0)
		return -1;
	p->ops[p->nops] = p->ops[p->nops - 1];
	p->ops[p->nops - 1] = (struct sr_op){ .kind = SR_OP_WAKE, .arg = task, .value = wait };
	p->nops++;
	return 0;
}

/* The tasks [from, to) begin when all of [prev, from) have ended: these wake the first of them, which wakes the rest. */
static int chain(struct sr_model *m, size_t prev, size_t from, size_t to)
{
	uint32_t first = UINT32_MAX, wait, gate = 0;
	size_t i, wakes = 0;

	for (i = from; i < to; i++) {
		struct sr_program *p = &m->tasks[i];

		if (p->parent != UINT32_MAX)
			continue;
		if (add_wait(p, (struct sr_wait){ .needs = first == UINT32_MAX ? (uint32_t)(from - prev) : 1 }, &wait) <
			    0 ||
		    make_room(p, 1) < 0)
			return -1;
		p->ops[0] = (struct sr_op){ .kind = SR_OP_WAIT, .arg = wait };
		if (first == UINT32_MAX) {
			first = (uint32_t)i;
			gate = wait;
		} else {
			wakes++;
		}
	}
	for (i = prev; i < from; i++)
		if (wake_at_end(&m->tasks[i], first, gate) < 0)
			return -1;
	if (make_room(&m->tasks[first], wakes) < 0)
		return -1;
	m->tasks[first].ops[0] = m->tasks[first].ops[wakes];
	for (wakes = 0, i = first + 1; i < to; i++)
		if (m->tasks[i].parent == UINT32_MAX)
			m->tasks[first].ops[++wakes] = (struct sr_op){ .kind = SR_OP_WAKE,
								       .arg = (uint32_t)i,
								       .value = m->tasks[i].ops[0].arg };
	return 0;
}

/* One more turn behind the k that m has; its n tasks begin when all of the turn before have ended. */
static int add_turn(struct sr_model *m, const struct sr_model *once, size_t k, uint64_t length, struct sr_error *err)
{
	struct sr_model *copy = copy_model(once);
	size_t i, n = once->ntasks;

	if (!copy)
		return oom(err);
	for (i = 0; i < n; i++)
		move_numbers(&copy->tasks[i], &(struct before){ .offset_ns = plus(0, length * k) });
	if (sr_model_join(m, copy, 0, 0, err) < 0) {
		sr_model_free(copy);
		return -1;
	}
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the copy is gone, its tasks are m's. */
	return chain(m, (k - 1) * n, k * n, (k + 1) * n) < 0 ? oom(err) : 0;
}

int sr_model_loop(struct sr_model *m, size_t times, struct sr_error *err)
{
	struct sr_model *once;
	uint64_t length = m->end_ns - m->start_ns;
	size_t k, i, first = 0;
	int ret = 0;

	if (times < 2)
		return 0;
	once = copy_model(m);
	if (!once)
		return oom(err);
	for (k = 1; k < times && ret == 0; k++)
		ret = add_turn(m, once, k, length, err);
	for (i = 0; i < once->ntasks; i++)
		first += once->tasks[i].parent == UINT32_MAX;
	m->max_alive = once->max_alive + (times - 1) * first;
	sr_model_free(once);
	m->end_ns = plus(m->start_ns, length * times);
	return ret;
}
