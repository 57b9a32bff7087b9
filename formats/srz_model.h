/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the chunk codec: how the fields of an event turn into bytes of columns, and back.
 *
 * Both directions are one function, srz_model_event(), compiled twice (enc constant), so that they cannot drift
 * apart. Fields are coded against what the events before them in this chunk (in stream order) foretell; a
 * foretold value is a zero byte, and deflate makes nothing of many zeros. FORMAT.md lists the rules.
 */
#ifndef SCHEDREC_FORMATS_SRZ_MODEL_H
#define SCHEDREC_FORMATS_SRZ_MODEL_H

#include "formats/srz_internal.h"

/* Column ids. */
enum srz_column {
	SRZ_COL_OPS = 1, /* the event's op (kind, flags): grouped by cpu */
	SRZ_COL_TIMES,   /* magnitudes of the time steps: grouped by the step's context */
	SRZ_COL_BITS,    /* the bits below the magnitude */
	SRZ_COL_NEXT,    /* task symbols of next in switches */
	SRZ_COL_WAKEE,   /* of the task in waking */
	SRZ_COL_TASK,    /* all other task symbols */
	SRZ_COL_FAR,     /* slots of tasks that are not among the recent ones */
	SRZ_COL_TIDS,    /* tid of each task as it first appears */
	SRZ_COL_PRIO,
	SRZ_COL_CPU,
	SRZ_COL_STATE,
	SRZ_COL_MISC,  /* fields of the rare kinds */
	SRZ_COL_EXT,   /* payloads of kinds above SR_EV_IDLE: length, bytes */
	SRZ_COL_POWER, /* idle states and clock frequencies */
	SRZ_COL_AFTER, /* of next in switches, where no task is known to have been woken for the cpu */
	SRZ_COL_IRQ,   /* of the task in waking from interrupt context */
	SRZ_COL_WOKEN, /* of the task in wakeup */
	SRZ_COLS
};

/* Flags of an op: the event's own three, then: */
enum {
	SRZ_OP_CTX = 8,   /* ctx is coded; else it is the cpu's current task */
	SRZ_OP_PREV = 16, /* switch: prev is coded; else it is ctx */
	SRZ_OP_FLAGS = 31
};

/* Task symbols: 0 the foretold task, 1 + rank in the recency list, then: */
#define SRZ_RECENT 253
enum { SRZ_SYM_NEW = SRZ_RECENT + 1, SRZ_SYM_FAR = SRZ_RECENT + 2 };

#define SRZ_NO_SLOT UINT32_MAX

struct srz_slot {
	int32_t tid;
	uint32_t wakee; /* slot it woke last */
	uint32_t after; /* slot that ran after it */
	int16_t prio;
	uint16_t cpu;
	uint8_t state;
};

struct srz_cpu_state {
	uint32_t cur;               /* slot running, SRZ_NO_SLOT: not known */
	uint32_t waking;            /* slot of the last waking (or newborn) on this cpu */
	uint32_t incoming;          /* slot whose waking, on any cpu, named this cpu */
	uint32_t woken;             /* slot last put on this cpu's queue and not run since; 0: none */
	uint32_t irq_wakee;         /* slot last woken from interrupt context */
	uint32_t idle, idle_before; /* the last two idle states */
	uint32_t khz;
};

struct srz_col {
	uint8_t *p;
	uint8_t *at;  /* what is to be written or read next */
	uint8_t *end; /* decoding: behind the last */
	size_t cap;
};

static inline size_t srz_col_done(const struct srz_col *c)
{
	return (size_t)(c->at - c->p);
}

static inline size_t srz_col_len(const struct srz_col *c)
{
	return (size_t)(c->end - c->p);
}

struct srz_hash {
	int32_t tid;
	uint32_t slot, generation;
};

struct srz_model {
	const char *bad; /* decoding: the first thing found wrong */
	struct srz_col col[SRZ_COLS];
	struct srz_slot *slot;
	uint32_t nslots, slots_cap;
	uint32_t nrecent, recent[SRZ_RECENT];
	uint32_t name, source;
	int32_t last_tid;
	struct srz_cpu_state cpu[SR_MAX_CPUS];
	/* encoding: tid -> slot */
	struct srz_hash *hash;
	uint32_t hash_cap, generation;
};

#define SRZ_INLINE static inline __attribute__((always_inline))

static inline void srz_model_fail(struct srz_model *m, const char *bad)
{
	if (!m->bad)
		m->bad = bad;
}

SRZ_INLINE unsigned srz_model_byte(struct srz_model *m, enum srz_column id, unsigned v, int enc)
{
	struct srz_col *c = &m->col[id];

	if (enc) {
		*c->at++ = (uint8_t)v;
		return v;
	}
	if (__builtin_expect(c->at == c->end, 0)) {
		srz_model_fail(m, "a column ends too early");
		return 0;
	}
	return *c->at++;
}

uint64_t srz_model_take(struct srz_model *m, enum srz_column id, uint64_t max);

SRZ_INLINE uint64_t srz_model_varint(struct srz_model *m, enum srz_column id, uint64_t v, uint64_t max, int enc)
{
	struct srz_col *c = &m->col[id];

	if (enc) {
		for (; v >= 0x80; v >>= 7)
			*c->at++ = (uint8_t)(v | 0x80);
		*c->at++ = (uint8_t)v;
		return 0;
	}
	if (c->at < c->end && *c->at < 0x80 && *c->at <= max)
		return *c->at++;
	return srz_model_take(m, id, max);
}

/* A 16-bit value as its difference from the foretold one. */
SRZ_INLINE int16_t srz_model_near(struct srz_model *m, enum srz_column id, int16_t v, int16_t foretold, int enc)
{
	struct srz_col *c = &m->col[id];
	int16_t d = (int16_t)(uint16_t)((unsigned)(uint16_t)v - (uint16_t)foretold);

	if (enc) {
		srz_model_varint(m, id, srz_zigzag(d), 0, enc);
		return v;
	}
	if (__builtin_expect(c->at < c->end && !*c->at, 1)) {
		c->at++;
		return foretold;
	}
	d = (int16_t)srz_unzigzag(srz_model_varint(m, id, 0, UINT16_MAX, enc));
	return (int16_t)(uint16_t)((unsigned)(uint16_t)foretold + (uint16_t)d);
}

SRZ_INLINE uint16_t srz_model_cpu(struct srz_model *m, uint16_t v, uint16_t foretold, int enc)
{
	v = (uint16_t)srz_model_near(m, SRZ_COL_CPU, (int16_t)v, (int16_t)foretold, enc);
	if (!enc && v >= SR_MAX_CPUS) {
		srz_model_fail(m, "a cpu is out of range");
		return 0;
	}
	return v;
}

SRZ_INLINE int16_t srz_model_prio(struct srz_model *m, uint32_t slot, int16_t v, int enc)
{
	struct srz_slot *s = &m->slot[slot];

	return s->prio = srz_model_near(m, SRZ_COL_PRIO, v, s->prio, enc);
}

/* Encoding: the slot of a tid, SRZ_NO_SLOT when it has none yet. */
static inline struct srz_hash *srz_model_find(struct srz_model *m, int32_t tid)
{
	uint32_t i = (uint32_t)tid * 2654435761u & (m->hash_cap - 1);

	while (m->hash[i].generation == m->generation && m->hash[i].tid != tid)
		i = (i + 1) & (m->hash_cap - 1);
	return &m->hash[i];
}

SRZ_INLINE void srz_model_to_front(struct srz_model *m, uint32_t slot, uint32_t rank)
{
	uint32_t moved = slot, i;

	/* Mostly there is next to nothing to move. */
	if (rank >= 16) {
		memmove(m->recent + 1, m->recent, rank * sizeof(*m->recent));
		m->recent[0] = slot;
		return;
	}
	for (i = 0; i <= rank; i++) {
		uint32_t next = m->recent[i];

		m->recent[i] = moved;
		moved = next;
	}
}

SRZ_INLINE void srz_model_appear(struct srz_model *m, uint32_t slot)
{
	if (m->nrecent < SRZ_RECENT)
		m->nrecent++;
	srz_model_to_front(m, slot, m->nrecent - 1);
}

static inline uint32_t srz_model_new_slot(struct srz_model *m, int32_t tid, uint16_t cpu)
{
	m->slot[m->nslots] = (struct srz_slot){ .tid = tid, .prio = 120, .cpu = cpu };
	return m->nslots++;
}

/* Decoding: the task of a symbol that is not 0. */
uint32_t srz_model_other(struct srz_model *m, unsigned sym, uint16_t cpu);

/* Encoding: the place of a slot among the recent ones; n: it is not there. */
static inline uint32_t srz_model_rank(const uint32_t *recent, uint32_t n, uint32_t slot)
{
	typedef uint32_t four __attribute__((vector_size(16)));
	const four want = { slot, slot, slot, slot };
	uint64_t any[2];
	uint32_t rank;
	four a, b, hit;

	for (rank = 0; rank + 8 <= n; rank += 8) {
		memcpy(&a, recent + rank, sizeof(a));
		memcpy(&b, recent + rank + 4, sizeof(b));
		hit = (four)(a == want) | (four)(b == want);
		memcpy(any, &hit, sizeof(any));
		if (any[0] | any[1])
			break;
	}
	for (; rank < n && recent[rank] != slot; rank++)
		;
	return rank;
}

/* The caller has made room for as many slots as there can be tasks in the chunk. */
SRZ_INLINE uint32_t srz_model_task(struct srz_model *m, enum srz_column id, int32_t tid, uint32_t foretold,
				   uint16_t cpu, int enc)
{
	uint32_t slot, rank;
	unsigned sym;

	if (enc) {
		struct srz_hash *h = srz_model_find(m, tid);

		if (h->generation != m->generation) {
			srz_model_byte(m, id, SRZ_SYM_NEW, enc);
			srz_model_varint(m, SRZ_COL_TIDS, srz_zigzag((int64_t)tid - m->last_tid), 0, enc);
			m->last_tid = tid;
			slot = srz_model_new_slot(m, tid, cpu);
			*h = (struct srz_hash){ tid, slot, m->generation };
			srz_model_appear(m, slot);
			return slot;
		}
		slot = h->slot;
		if (slot == foretold) {
			srz_model_byte(m, id, 0, enc);
			return slot;
		}
		rank = srz_model_rank(m->recent, m->nrecent, slot);
		if (rank < m->nrecent) {
			srz_model_byte(m, id, rank + 1, enc);
			srz_model_to_front(m, slot, rank);
			return slot;
		}
		srz_model_byte(m, id, SRZ_SYM_FAR, enc);
		srz_model_varint(m, SRZ_COL_FAR, slot, 0, enc);
		srz_model_appear(m, slot);
		return slot;
	}
	sym = srz_model_byte(m, id, 0, enc);
	return sym ? srz_model_other(m, sym, cpu) : foretold;
}

/* Kinds whose ctx says which task runs on the cpu. */
static inline bool srz_kind_runs(unsigned kind)
{
	return (kind >= SR_EV_SWITCH && kind <= SR_EV_NEWTASK) || sr_event_is_power(kind);
}

/* A 32-bit value as its difference from the foretold one. */
SRZ_INLINE uint32_t srz_model_near32(struct srz_model *m, enum srz_column id, uint32_t v, uint32_t foretold, int enc)
{
	if (enc) {
		srz_model_varint(m, id, srz_zigzag((int32_t)(v - foretold)), 0, enc);
		return v;
	}
	return foretold + (uint32_t)srz_unzigzag(srz_model_varint(m, id, 0, UINT32_MAX, enc));
}

SRZ_INLINE void srz_model_power(struct srz_model *m, struct sr_event *ev, int enc)
{
	struct srz_cpu_state *cs;

	if (ev->kind == SR_EV_FREQUENCY) {
		ev->u.frequency.target_cpu = srz_model_cpu(m, ev->u.frequency.target_cpu, ev->cpu, enc);
		cs = &m->cpu[ev->u.frequency.target_cpu];
		ev->u.frequency.khz = srz_model_near32(m, SRZ_COL_POWER, ev->u.frequency.khz, cs->khz, enc);
		cs->khz = ev->u.frequency.khz;
	} else {
		ev->u.idle.target_cpu = srz_model_cpu(m, ev->u.idle.target_cpu, ev->cpu, enc);
		cs = &m->cpu[ev->u.idle.target_cpu];
		/* entering and leaving take turns, and the state entered is mostly the one before */
		ev->u.idle.state = srz_model_near32(m, SRZ_COL_POWER, ev->u.idle.state, cs->idle_before, enc);
		cs->idle_before = cs->idle;
		cs->idle = ev->u.idle.state;
	}
}

SRZ_INLINE void srz_model_switch(struct srz_model *m, struct sr_event *ev, struct srz_cpu_state *cs, uint32_t ctx,
				 unsigned op_flags, int enc)
{
	uint32_t prev = ctx, next, foretold;
	struct srz_slot *s;
	unsigned sym;

	if (op_flags & SRZ_OP_PREV)
		prev = srz_model_task(m, SRZ_COL_TASK, ev->u.sw.prev, cs->waking, ev->cpu, enc);
	s = &m->slot[prev];
	sym = ev->u.sw.prev_state == s->state ? 0 : ev->u.sw.prev_state + 1u;
	sym = srz_model_byte(m, SRZ_COL_STATE, sym, enc);
	if (!enc && sym > SR_STATES)
		srz_model_fail(m, "a task state is out of range");
	else if (sym)
		s->state = (uint8_t)(sym - 1);
	foretold = cs->woken ? cs->woken : s->after;
	next = srz_model_task(m, cs->woken ? SRZ_COL_NEXT : SRZ_COL_AFTER, ev->u.sw.next, foretold, ev->cpu, enc);
	s->after = next;
	if (!enc) {
		ev->u.sw.prev = s->tid;
		ev->u.sw.next = m->slot[next].tid;
		ev->u.sw.prev_state = s->state;
	}
	ev->u.sw.prev_prio = srz_model_prio(m, prev, ev->u.sw.prev_prio, enc);
	ev->u.sw.next_prio = srz_model_prio(m, next, ev->u.sw.next_prio, enc);
	if (cs->woken == next)
		cs->woken = 0;
	cs->cur = next;
	m->slot[next].cpu = ev->cpu;
}

SRZ_INLINE void srz_model_wake(struct srz_model *m, struct sr_event *ev, struct srz_cpu_state *cs, uint32_t ctx,
			       int enc)
{
	bool waking = ev->kind == SR_EV_WAKING;
	uint32_t *foretold, slot;

	if (!waking) {
		foretold = cs->waking ? &cs->waking : &cs->incoming;
		slot = srz_model_task(m, SRZ_COL_WOKEN, ev->u.wake.tid, *foretold, ev->cpu, enc);
		*foretold = 0;
	} else {
		foretold = ev->flags & SR_EV_INTERRUPT ? &cs->irq_wakee : &m->slot[ctx].wakee;
		slot = srz_model_task(m, ev->flags & SR_EV_INTERRUPT ? SRZ_COL_IRQ : SRZ_COL_WAKEE, ev->u.wake.tid,
				      *foretold, ev->cpu, enc);
		*foretold = slot;
		cs->waking = slot;
	}
	ev->u.wake.prio = srz_model_prio(m, slot, ev->u.wake.prio, enc);
	ev->u.wake.target_cpu = srz_model_cpu(m, ev->u.wake.target_cpu, m->slot[slot].cpu, enc);
	if (!enc)
		ev->u.wake.tid = m->slot[slot].tid;
	m->slot[slot].cpu = ev->u.wake.target_cpu;
	if (waking)
		m->cpu[ev->u.wake.target_cpu].incoming = slot;
	else
		m->cpu[ev->u.wake.target_cpu].woken = slot;
}

SRZ_INLINE void srz_model_migrate(struct srz_model *m, struct sr_event *ev, struct srz_cpu_state *cs, int enc)
{
	uint32_t slot = srz_model_task(m, SRZ_COL_TASK, ev->u.migrate.tid, cs->waking, ev->cpu, enc);

	if (!enc)
		ev->u.migrate.tid = m->slot[slot].tid;
	ev->u.migrate.prio = srz_model_prio(m, slot, ev->u.migrate.prio, enc);
	ev->u.migrate.from = srz_model_cpu(m, ev->u.migrate.from, m->slot[slot].cpu, enc);
	ev->u.migrate.to = srz_model_cpu(m, ev->u.migrate.to, ev->cpu, enc);
	m->slot[slot].cpu = ev->u.migrate.to;
	m->cpu[ev->u.migrate.to].incoming = slot;
}

/* A cpu or -1. */
SRZ_INLINE int16_t srz_model_any_cpu(struct srz_model *m, int16_t v, int16_t foretold, int enc)
{
	v = srz_model_near(m, SRZ_COL_CPU, v, foretold, enc);
	if (!enc && (v < -1 || v >= SR_MAX_CPUS))
		srz_model_fail(m, "a cpu is out of range");
	return v;
}

/* Names mostly come in the order in which they were put into the file. */
SRZ_INLINE uint32_t srz_model_name(struct srz_model *m, uint32_t v, int enc)
{
	uint32_t d = v - m->name;

	if (enc)
		srz_model_varint(m, SRZ_COL_MISC, srz_zigzag((int32_t)d), 0, enc);
	else
		v = m->name + (uint32_t)srz_unzigzag(srz_model_varint(m, SRZ_COL_MISC, 0, UINT32_MAX, enc));
	return m->name = v;
}

/* The kinds that are rare. */
SRZ_INLINE void srz_model_rare(struct srz_model *m, struct sr_event *ev, struct srz_cpu_state *cs, uint32_t ctx,
			       int enc)
{
	uint32_t a, b;

	switch (ev->kind) {
	case SR_EV_FORK:
		a = srz_model_task(m, SRZ_COL_TASK, ev->u.fork.parent, ctx, ev->cpu, enc);
		b = srz_model_task(m, SRZ_COL_TASK, ev->u.fork.child, cs->waking, ev->cpu, enc);
		if (!enc) {
			ev->u.fork.parent = m->slot[a].tid;
			ev->u.fork.child = m->slot[b].tid;
		}
		m->slot[b].prio = m->slot[a].prio;
		cs->waking = b;
		break;
	case SR_EV_EXEC:
		a = srz_model_task(m, SRZ_COL_TASK, ev->u.exec.tid, ctx, ev->cpu, enc);
		b = srz_model_task(m, SRZ_COL_TASK, ev->u.exec.old_tid, a, ev->cpu, enc);
		if (!enc) {
			ev->u.exec.tid = m->slot[a].tid;
			ev->u.exec.old_tid = m->slot[b].tid;
		}
		ev->u.exec.name = srz_model_name(m, ev->u.exec.name, enc);
		break;
	case SR_EV_EXIT:
		a = srz_model_task(m, SRZ_COL_TASK, ev->u.exit.tid, ctx, ev->cpu, enc);
		if (!enc)
			ev->u.exit.tid = m->slot[a].tid;
		ev->u.exit.prio = srz_model_prio(m, a, ev->u.exit.prio, enc);
		ev->u.exit.group_dead = (uint8_t)srz_model_byte(m, SRZ_COL_MISC, ev->u.exit.group_dead, enc);
		if (!enc && ev->u.exit.group_dead > 2)
			srz_model_fail(m, "group_dead is out of range");
		break;
	case SR_EV_RENAME:
	case SR_EV_COMM:
		a = srz_model_task(m, SRZ_COL_TASK, ev->u.rename.tid, ctx, ev->cpu, enc);
		if (!enc)
			ev->u.rename.tid = m->slot[a].tid;
		ev->u.rename.name = srz_model_name(m, ev->u.rename.name, enc);
		break;
	case SR_EV_NEWTASK:
		a = srz_model_task(m, SRZ_COL_TASK, ev->u.newtask.tid, cs->waking, ev->cpu, enc);
		if (enc) {
			srz_model_varint(m, SRZ_COL_MISC, ev->u.newtask.clone_flags, 0, enc);
		} else {
			ev->u.newtask.tid = m->slot[a].tid;
			ev->u.newtask.clone_flags = srz_model_varint(m, SRZ_COL_MISC, 0, UINT64_MAX, enc);
		}
		cs->waking = a;
		break;
	case SR_EV_LOST:
		if (enc) {
			srz_model_varint(m, SRZ_COL_MISC, ev->u.lost.count, 0, enc);
			srz_model_varint(m, SRZ_COL_MISC, ev->u.lost.span_us, 0, enc);
		} else {
			ev->u.lost.count = srz_model_varint(m, SRZ_COL_MISC, 0, UINT64_MAX, enc);
			ev->u.lost.span_us = (uint32_t)srz_model_varint(m, SRZ_COL_MISC, 0, UINT32_MAX, enc);
		}
		break;
	case SR_EV_DECISION:
		a = srz_model_task(m, SRZ_COL_TASK, ev->u.decision.tid, cs->waking, ev->cpu, enc);
		if (!enc)
			ev->u.decision.tid = m->slot[a].tid;
		ev->u.decision.from = srz_model_any_cpu(m, ev->u.decision.from, (int16_t)m->slot[a].cpu, enc);
		ev->u.decision.to = srz_model_any_cpu(m, ev->u.decision.to, ev->u.decision.from, enc);
		ev->u.decision.cause = (uint8_t)srz_model_byte(m, SRZ_COL_MISC, ev->u.decision.cause, enc);
		if (enc)
			srz_model_varint(m, SRZ_COL_MISC, ev->u.decision.cost_ns, 0, enc);
		else
			ev->u.decision.cost_ns = (uint32_t)srz_model_varint(m, SRZ_COL_MISC, 0, UINT32_MAX, enc);
		if (!enc && ev->u.decision.cause >= SR_CAUSES)
			srz_model_fail(m, "a cause is out of range");
		else if (!enc && m->bad)
			break;
		if (ev->u.decision.to >= 0)
			m->slot[a].cpu = (uint16_t)ev->u.decision.to;
		break;
	case SR_EV_BIND:
		a = srz_model_task(m, SRZ_COL_TASK, ev->u.bind.tid, cs->waking, ev->cpu, enc);
		if (enc) {
			srz_model_varint(m, SRZ_COL_MISC, srz_zigzag((int32_t)(ev->u.bind.source - m->source)), 0, enc);
		} else {
			ev->u.bind.tid = m->slot[a].tid;
			ev->u.bind.source = m->source + (uint32_t)srz_unzigzag(
								srz_model_varint(m, SRZ_COL_MISC, 0, UINT32_MAX, enc));
		}
		m->source = ev->u.bind.source + 1;
		break;
	case SR_EV_FREQUENCY:
	case SR_EV_IDLE:
		srz_model_power(m, ev, enc);
		break;
	}
}

/* Encoding: the flags of this event's op. */
static inline unsigned srz_model_op_flags(const struct srz_model *m, const struct sr_event *ev)
{
	uint32_t cur = m->cpu[ev->cpu].cur;
	unsigned f = ev->flags;

	if (cur == SRZ_NO_SLOT || m->slot[cur].tid != ev->ctx)
		f |= SRZ_OP_CTX;
	if (ev->kind == SR_EV_SWITCH && ev->u.sw.prev != ev->ctx)
		f |= SRZ_OP_PREV;
	return f;
}

/* ev has time, cpu, kind and flags; encoding: everything. */
SRZ_INLINE void srz_model_event(struct srz_model *m, struct sr_event *ev, unsigned op_flags, int enc)
{
	struct srz_cpu_state *cs = &m->cpu[ev->cpu];
	uint32_t ctx = cs->cur;

	if (op_flags & SRZ_OP_CTX) {
		ctx = srz_model_task(m, SRZ_COL_TASK, ev->ctx, cs->woken, ev->cpu, enc);
		if (srz_kind_runs(ev->kind))
			cs->cur = ctx;
	} else if (!enc && ctx == SRZ_NO_SLOT) {
		srz_model_fail(m, "a cpu's task is not known");
		return;
	}
	if (!enc)
		ev->ctx = m->slot[ctx].tid;
	switch (ev->kind) {
	case SR_EV_SWITCH:
		srz_model_switch(m, ev, cs, ctx, op_flags, enc);
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		srz_model_wake(m, ev, cs, ctx, enc);
		break;
	case SR_EV_MIGRATE:
		srz_model_migrate(m, ev, cs, enc);
		break;
	default:
		srz_model_rare(m, ev, cs, ctx, enc);
	}
}

#endif
