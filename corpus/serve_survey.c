/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The corpus in numbers: one pass over the rows, in bounded memory, kept until something changes. */
#include <stdlib.h>
#include <string.h>

#include "corpus/serve_internal.h"

#define FRESH_NS (2ull * 1000000000)  /* not made anew before, whatever has changed */
#define FRESH_TIMES 50                /* nor before so many times what it took */
#define STALE_NS (60ull * 1000000000) /* other processes change the store, too */

struct pass {
	struct crp_survey *v;
	uint64_t random;
};

static void count_group(struct crp_groups *g, const char *text, uint64_t bytes)
{
	size_t i = 0;

	if (!*text)
		text = "not known";
	while (i < g->n && strcmp(g->v[i].text, text) != 0)
		i++;
	if (i == CRP_GROUPS) {
		g->others++;
		return;
	}
	if (i == g->n) {
		snprintf(g->v[i].text, sizeof(g->v[i].text), "%s", text);
		g->n++;
	}
	g->v[i].traces++;
	g->v[i].bytes += bytes;
	/* Frequent ones come to the front, where they are found soon. */
	if (i && g->v[i].traces > g->v[i - 1].traces) {
		struct crp_group swap = g->v[i];

		g->v[i] = g->v[i - 1];
		g->v[i - 1] = swap;
	}
}

static unsigned program_number(const char *name)
{
	unsigned i = 0;

	while (crp_programs[i] && strcmp(crp_programs[i], name) != 0)
		i++;
	return i;
}

/* Each trace is as likely to be among the points (a reservoir); always the same ones of the same corpus. */
static void add_point(struct pass *p, const struct crp_row *row)
{
	struct crp_survey *v = p->v;
	uint64_t at = v->npoints;

	if (v->npoints == CRP_POINTS) {
		p->random ^= p->random << 13;
		p->random ^= p->random >> 7;
		p->random ^= p->random << 17;
		at = p->random % v->traces;
		if (at >= CRP_POINTS)
			return;
	} else {
		v->npoints++;
	}
	v->point[at] = (struct crp_dot){ (double)row->duration_ns / 1e9, (double)row->events, row->cpus,
					 program_number(row->program) };
}

static int survey_row(void *arg, const struct crp_row *row, struct sr_error *err)
{
	struct pass *p = arg;
	struct crp_survey *v = p->v;
	char cpus[32] = "";

	v->traces++;
	v->bytes += row->bytes;
	v->events += row->events;
	v->duration_ns += row->duration_ns;
	if (row->added_s > v->newest_s)
		v->newest_s = row->added_s;
	if (row->cpus)
		snprintf(cpus, sizeof(cpus), "%u", row->cpus);
	count_group(&v->programs, row->program, row->bytes);
	count_group(&v->machines, row->machine, row->bytes);
	count_group(&v->models, row->cpu_model, row->bytes);
	count_group(&v->kernels, row->kernel, row->bytes);
	count_group(&v->people, row->contributor, row->bytes);
	count_group(&v->licences, row->licence, row->bytes);
	count_group(&v->cpus, cpus, row->bytes);
	if (row->duration_ns && row->events)
		add_point(p, row);
	return 0;
}

static int most_first(const void *a, const void *b)
{
	const struct crp_group *x = a, *y = b;

	if (x->traces != y->traces)
		return x->traces < y->traces ? 1 : -1;
	return strcmp(x->text, y->text);
}

static void sort_groups(struct crp_groups *g)
{
	qsort(g->v, g->n, sizeof(g->v[0]), most_first);
}

int crp_survey_update(struct crp_server *s, struct sr_error *err)
{
	uint64_t now = crp_now_ns(), generation = atomic_load(&s->generation);
	uint64_t age = now - s->survey->made_ns, fresh = s->survey->took_ns * FRESH_TIMES;
	struct pass p = { .random = 88172645463325252ull };

	if (s->survey->made_ns &&
	    (age < FRESH_NS || age < fresh || (generation == s->survey->generation && age < STALE_NS)))
		return 0;
	p.v = calloc(1, sizeof(*p.v));
	if (!p.v)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	if (crp_list(s->lister, NULL, survey_row, &p, err)) {
		free(p.v);
		return -1;
	}
	sort_groups(&p.v->programs);
	sort_groups(&p.v->machines);
	sort_groups(&p.v->models);
	sort_groups(&p.v->kernels);
	sort_groups(&p.v->people);
	sort_groups(&p.v->licences);
	sort_groups(&p.v->cpus);
	p.v->contributors = p.v->people.n;
	p.v->made_ns = crp_now_ns();
	p.v->took_ns = p.v->made_ns - now;
	p.v->generation = generation;
	free(s->survey);
	s->survey = p.v;
	return 0;
}
