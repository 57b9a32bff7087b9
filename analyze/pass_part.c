/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pass: where a part of a recording begins. */
#include "analyze/pass_internal.h"

#include <string.h>

/* What came before the part that counts is known, and counted no more; what it cuts is marked so. */
void ana_pass_open_part(struct ana_pass *p, uint64_t now)
{
	p->part_open = true;
	p->ran = false;
	p->first_ns = p->last_ns = p->first_run = p->last_run = now;
	for (size_t i = 1; i < p->nsubjects; i++) {
		struct subject *s = &p->subjects[i];

		s->row = (struct ana_task_row){ .index = s->row.index, .source = s->row.source };
		s->cut = true;
		s->ran = s->in_scope && s->state == RUNNING;
		p->ran |= s->ran;
		if (s->state == RUNNING)
			s->since_ns = now;
	}
	for (size_t c = 0; c < p->ncpus; c++)
		p->cpus[c].row = (struct ana_cpu_row){ .cpu = (unsigned)c };
	memset(p->latency, 0, sizeof(*p->latency));
	memset(p->delay, 0, sizeof(*p->delay));
	memset(p->slice, 0, sizeof(*p->slice));
	memset(p->preempt, 0, sizeof(*p->preempt));
	memset(p->sleep, 0, sizeof(*p->sleep));
	memset(p->decision, 0, sizeof(*p->decision));
	memset(p->by_level, 0, sizeof(p->by_level));
	memset(p->by_cause, 0, sizeof(p->by_cause));
	p->migrations = p->balancer_ns = p->lost = p->censored = 0;
	p->saw_decision = false;
	p->repaired_before = sr_repair_count(p->repair);
	ana_pairs_release(&p->pairs);
	ana_pairs_release(&p->soft_pairs);
	if (p->runnable_ns)
		memset(p->runnable_ns, 0, p->runnable_cap * sizeof(*p->runnable_ns));
	p->runnable_n = 0;
	p->runnable_begun = p->nrunnable != 0;
	p->runnable_since = now;
}
