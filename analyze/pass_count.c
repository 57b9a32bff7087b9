/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pass: from what is known of an interval to sums and histograms, of what the scope and the filters count. */
#include "analyze/pass_internal.h"

/* The time on the cpu up to now, into the sums. */
void ana_pass_account_run(struct ana_pass *p, struct subject *s, uint64_t now)
{
	uint64_t run = after(now, s->since_ns);

	if (!self(p))
		p->cpus[s->cpu].stats.run_ns += run;
	if (!ana_pass_counts(p, s, s->cpu))
		return;
	if (now > p->last_run)
		p->last_run = now;
	if (self(p))
		return;
	s->row.cpu_ns += run;
	p->cpus[s->cpu].row.busy_ns += run;
}

void ana_pass_stall(struct subject *s, uint64_t ns)
{
	if (!s->active || ns <= s->row.stall_ns)
		return;
	s->row.stall_ns = ns;
	s->row.stall_at = s->active_ns;
}

/* s leaves its cpu behind a stretch that is known as a whole. */
void ana_pass_count_slice(struct ana_pass *p, struct subject *s, uint64_t now)
{
	uint64_t run = after(now, s->since_ns);

	if (!ana_pass_counts(p, s, s->cpu))
		return;
	ana_pass_note(p, HIST_SLICE, run);
	if (!s->row.slices++ || run < s->row.min_slice_ns)
		s->row.min_slice_ns = run;
	if (run > s->row.max_slice_ns)
		s->row.max_slice_ns = run;
	s->row.slice_sum_ns += run;
	s->row.slice_squares += (double)run * (double)run;
}

void ana_pass_count_cause(struct ana_pass *p, unsigned cause)
{
	p->by_cause[cause < SR_CAUSES ? cause : SR_CAUSE_NONE]++;
}

void ana_pass_count_migration(struct ana_pass *p, struct subject *s, unsigned from, unsigned to)
{
	const struct sr_machine *m = p->cfg.machine;

	if (ana_pass_shows_cpu(p, (int)from))
		p->cpus[from].row.migrations_out++;
	if (!ana_pass_shows_cpu(p, (int)to))
		return;
	s->row.migrations++;
	p->migrations++;
	p->cpus[to].row.migrations_in++;
	if (!m || from >= m->ncpus || to >= m->ncpus || !m->v[from].online || !m->v[to].online)
		p->level_unknown = true;
	else
		p->by_level[sr_machine_level(m, from, to)]++;
	if (s->decided && s->decided_to == (int)to)
		ana_pass_count_cause(p, s->decided_cause);
	else
		ana_pass_count_cause(p, s->wait == WAIT_WAKE && s->placed >= 0 && s->placed != (int)from ?
						SR_CAUSE_WAKE :
						SR_CAUSE_KERNEL);
}
