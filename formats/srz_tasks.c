/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tasks section: masks once each, then the tasks. */
#include "formats/srz_internal.h"

#include <stdlib.h>

static bool mask_isset(const struct sr_cpumask *m, unsigned cpu)
{
	return m->w[cpu / 64] >> (cpu % 64) & 1;
}

/* Runs of set cpus, each as the gap before it and its length - 1. */
void srz_mask_encode(const struct sr_cpumask *m, struct srz_buf *out)
{
	struct srz_buf runs = { 0 };
	unsigned nruns = 0, cpu = 0, last = 0, start;

	while (cpu < SR_MAX_CPUS) {
		if (!mask_isset(m, cpu)) {
			cpu++;
			continue;
		}
		for (start = cpu; cpu < SR_MAX_CPUS && mask_isset(m, cpu); cpu++)
			;
		srz_put_varint(&runs, start - last);
		srz_put_varint(&runs, cpu - start - 1);
		last = cpu;
		nruns++;
	}
	srz_put_varint(out, nruns);
	srz_put_bytes(out, runs.p, runs.n);
	out->failed |= runs.failed;
	srz_buf_release(&runs);
}

void srz_mask_decode(struct srz_view *v, struct sr_cpumask *m)
{
	uint64_t nruns = srz_take_max(v, SR_MAX_CPUS / 2, "has a mask of too many runs"), cpu = 0, end;

	for (; nruns && !v->bad; nruns--) {
		cpu += srz_take_max(v, SR_MAX_CPUS, "has a mask with a cpu out of range");
		end = cpu + srz_take_max(v, SR_MAX_CPUS, "has a mask with a cpu out of range") + 1;
		if (end > SR_MAX_CPUS)
			v->bad = "has a mask with a cpu out of range";
		for (; !v->bad && cpu < end; cpu++)
			m->w[cpu / 64] |= 1ull << (cpu % 64);
	}
}

int srz_tasks_encode(const struct sr_task_starts *t, struct srz_buf *out, struct sr_error *err)
{
	int32_t last = 0;
	size_t i;

	if (t->n > SRZ_MAX_TASKS)
		return sr_fail(err, SR_ENVIRONMENT, "%zu tasks at the start are more than a file can hold (%u)", t->n,
			       SRZ_MAX_TASKS);
	if (t->nmasks > SRZ_MAX_MASKS)
		return sr_fail(err, SR_ENVIRONMENT, "%zu different affinity masks are more than a file can hold (%d)",
			       t->nmasks, SRZ_MAX_MASKS);
	srz_put_varint(out, t->nmasks);
	for (i = 0; i < t->nmasks; i++)
		srz_mask_encode(&t->masks[i], out);
	srz_put_varint(out, t->n);
	for (i = 0; i < t->n; i++) {
		const struct sr_task_start *s = &t->v[i];
		size_t len = strnlen(s->comm, SR_COMM_LEN - 1);

		if (s->tid <= 0 || s->tgid < 0 || s->ppid < 0 || s->nice < -20 || s->nice > 19 || s->rt_prio > 99 ||
		    s->last_cpu >= SR_MAX_CPUS || s->allowed >= t->nmasks)
			return sr_fail(err, SR_BUG, "task %d of the start state has a value out of range", s->tid);
		srz_put_varint(out, srz_zigzag((int64_t)s->tid - last));
		srz_put_varint(out, srz_zigzag((int64_t)s->tgid - s->tid));
		srz_put_varint(out, (uint64_t)s->ppid);
		srz_put_varint(out, len);
		srz_put_bytes(out, s->comm, len);
		srz_put_varint(out, s->policy);
		srz_put_varint(out, srz_zigzag(s->nice));
		srz_put_varint(out, s->rt_prio);
		srz_put_varint(out, s->flags);
		srz_put_varint(out, (uint8_t)s->state);
		srz_put_varint(out, s->last_cpu);
		srz_put_varint(out, s->allowed);
		last = s->tid;
	}
	return out->failed ? sr_fail(err, SR_ENVIRONMENT, "out of memory") : 0;
}

/* base + a signed difference, within min..INT32_MAX. */
static int32_t take_id(struct srz_view *v, int32_t base, int32_t min)
{
	int64_t id = base + srz_unzigzag(srz_take_max(v, UINT32_MAX, "has a task id out of range"));

	if (!v->bad && (id < min || id > INT32_MAX))
		v->bad = "has a task id out of range";
	return (int32_t)id;
}

static void task_decode(struct srz_view *v, struct sr_task_start *s, int32_t last, size_t nmasks)
{
	uint64_t len, nice;
	const uint8_t *comm;

	s->tid = take_id(v, last, 1);
	s->tgid = take_id(v, s->tid, 0);
	s->ppid = (int32_t)srz_take_max(v, INT32_MAX, "has a task id out of range");
	len = srz_take_max(v, SR_COMM_LEN - 1, "has a comm that is too long");
	comm = srz_take_bytes(v, len);
	if (comm)
		memcpy(s->comm, comm, len);
	if (comm && memchr(comm, 0, len))
		v->bad = "has a comm with a NUL inside";
	s->policy = (uint8_t)srz_take_max(v, UINT8_MAX, "has a policy out of range");
	nice = srz_take_max(v, srz_zigzag(-20), "has a nice value out of range");
	s->nice = (int8_t)srz_unzigzag(nice);
	s->rt_prio = (uint8_t)srz_take_max(v, 99, "has a priority out of range");
	s->flags = (uint8_t)srz_take_max(v, UINT8_MAX, "has task flags out of range");
	s->state = (char)srz_take_max(v, UINT8_MAX, "has a task state out of range");
	s->last_cpu = (uint16_t)srz_take_max(v, SR_MAX_CPUS - 1, "has a cpu out of range");
	s->allowed = (uint32_t)srz_take_varint(v);
	if (!v->bad && s->allowed >= nmasks)
		v->bad = "has a mask index out of range";
}

const char *srz_tasks_decode(const uint8_t *p, size_t len, struct sr_task_starts *t)
{
	struct srz_view v = { p, p + len, NULL };
	size_t i, n;

	n = srz_take_max(&v, SRZ_MAX_MASKS, "has too many masks");
	if (n > (size_t)(v.end - v.p))
		return "has too many masks";
	t->masks = calloc(n ? n : 1, sizeof(*t->masks));
	if (!t->masks)
		return SRZ_NO_MEMORY;
	t->nmasks = t->masks_cap = n;
	for (i = 0; i < n && !v.bad; i++)
		srz_mask_decode(&v, &t->masks[i]);
	n = srz_take_max(&v, SRZ_MAX_TASKS, "has too many tasks");
	/* a task takes eleven bytes at least: what is not there needs no memory */
	if (n > (size_t)(v.end - v.p) / 11)
		return v.bad ? v.bad : "has too many tasks";
	t->v = calloc(n ? n : 1, sizeof(*t->v));
	if (!t->v)
		return SRZ_NO_MEMORY;
	t->cap = n;
	for (i = 0; i < n && !v.bad; i++, t->n++)
		task_decode(&v, &t->v[i], i ? t->v[i - 1].tid : 0, t->nmasks);
	if (!v.bad && v.p != v.end)
		v.bad = "has bytes behind its last task";
	return v.bad;
}
