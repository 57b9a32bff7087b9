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
		s->active = false;
		ana_period_restart(s);
		s->ran = s->state == RUNNING && ana_pass_counts(p, s, s->cpu);
		p->ran |= s->ran;
		if (s->state == RUNNING)
			s->since_ns = now;
	}
	for (size_t c = 0; c < p->ncpus; c++) {
		p->cpus[c].row = (struct ana_cpu_row){ .cpu = (unsigned)c };
		p->cpus[c].stats = (struct ana_cpu_stats){ 0 };
		if (p->cpus[c].idle_since != NOT_KNOWN) {
			p->cpus[c].idle_since = now;
			p->cpus[c].idle_cut = true;
		}
	}
	if (p->load)
		ana_load_restart(p->load, now);
	for (unsigned i = 0; i < HISTS; i++)
		if (p->hist[i])
			memset(p->hist[i], 0, sizeof(*p->hist[i]));
	memset(p->by_level, 0, sizeof(p->by_level));
	memset(p->by_cause, 0, sizeof(p->by_cause));
	p->migrations = p->balancer_ns = p->lost = p->censored = 0;
	p->saw_decision = false;
	p->repaired_before = p->repaired;
	ana_pairs_release(&p->pairs);
	ana_pairs_release(&p->soft_pairs);
	if (p->runnable_ns)
		memset(p->runnable_ns, 0, p->runnable_cap * sizeof(*p->runnable_ns));
	p->runnable_n = 0;
	p->runnable_begun = p->nrunnable != 0;
	p->runnable_since = now;
}
