/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine as a tree: packages, nodes, caches, clusters, cores. Places that hold the same CPUs stand on one line, and
 * so do neighbours that look alike:
 *
 *   package, L3 24 MiB: CPUs 0-19
 *       6 x core of 2 threads, L2 2 MiB (P): CPUs 0-1; 2-3; 4-5; 6-7; 8-9; 10-11
 *       2 x cluster, L2 2 MiB: CPUs 12-15; 16-19
 *           4 x core, capacity 620 (E): CPUs 12-15
 */
#include "replay/cmd_topology.h"

#include <stdlib.h>
#include <string.h>

enum place { PACKAGE, NODE, CACHE, CLUSTER, CORE, PLACES };

#define KEYS 0x10000u
#define DISTANCES 32       /* that are told apart where there are many nodes */
#define NO_CLUSTER 0x8000u /* and the core */

/* CPUs that are one at some place. */
struct part {
	uint16_t *cpu;
	unsigned n;
	unsigned inner; /* the first place at which they are several; PLACES: none */
	char *look;     /* a line, and after it what is inside: the same for parts that differ in their CPUs only */
};

struct drawing {
	const struct sr_machine *m;
	enum place order[PLACES]; /* a package may hold nodes, or a node packages */
	int of_key[KEYS];         /* -1 */
	bool failed;              /* out of memory */
};

static unsigned key_of(const struct drawing *d, unsigned cpu, unsigned at)
{
	const struct sr_cpu *c = &d->m->v[cpu];

	switch (d->order[at]) {
	case PACKAGE:
		return c->package;
	case NODE:
		return c->node;
	case CACHE:
		return c->llc;
	case CLUSTER:
		return c->clustered ? c->cluster : NO_CLUSTER | c->core;
	default:
		return c->core;
	}
}

static bool is_one(const struct drawing *d, const struct part *p, unsigned at)
{
	for (unsigned i = 1; i < p->n; i++)
		if (key_of(d, p->cpu[i], at) != key_of(d, p->cpu[0], at))
			return false;
	return true;
}

/* ---- a line ---- */

static void write_place(const struct drawing *d, FILE *f, const struct part *p, enum place place)
{
	const struct sr_cpu *c = &d->m->v[p->cpu[0]];

	if (place == PACKAGE)
		fputs(", package", f);
	else if (place == NODE && d->m->nnodes > 1)
		fputs(", node", f);
	else if (place == CLUSTER && c->clustered)
		fputs(", cluster", f);
	else if (place == CORE)
		fprintf(f, p->n > 1 ? ", core of %u threads" : ", core", p->n);
}

/* The caches that are just these CPUs'. */
static void write_caches(const struct drawing *d, FILE *f, const struct part *p)
{
	for (unsigned l = SR_CACHE_LEVELS; l-- > 0;) {
		uint16_t i = d->m->v[p->cpu[0]].cache[l];
		const struct sr_cache *c = &d->m->caches[i];

		if (i == SR_NO_CORE || c->ncpus != p->n)
			continue;
		fprintf(f, ", L%u", c->level);
		if (c->kib >= 1024 && c->kib % 1024 == 0)
			fprintf(f, " %u MiB", c->kib >> 10);
		else if (c->kib)
			fprintf(f, " %u KiB", c->kib);
	}
}

static void write_kind(const struct drawing *d, FILE *f, const struct part *p)
{
	const struct sr_cpu *c = &d->m->v[p->cpu[0]];

	if (c->capacity < 1024)
		fprintf(f, ", capacity %u", c->capacity);
	if (c->kind != SR_NO_CORE && d->m->nkinds > 1 && d->m->kinds[c->kind].name[0])
		fprintf(f, " (%s)", d->m->kinds[c->kind].name);
}

/* What p is, at this place and those below at which it is still one. */
static void write_line(const struct drawing *d, FILE *f, struct part *p, unsigned at)
{
	for (; at < PLACES && is_one(d, p, at); at++)
		write_place(d, f, p, d->order[at]);
	p->inner = at;
	write_caches(d, f, p);
	if (at == PLACES)
		write_kind(d, f, p);
	fputc('\n', f);
}

/* ---- parts ---- */

static void free_parts(struct part *v, unsigned n)
{
	for (unsigned i = 0; v && i < n; i++) {
		free(v[i].cpu);
		free(v[i].look);
	}
	free(v);
}

static void write_inside(struct drawing *d, FILE *f, const struct part *p);

/* What is in p at its inner place, by first CPUs, each with its look. NULL with d->failed. */
static struct part *split(struct drawing *d, const struct part *p, unsigned *n)
{
	struct part *v = calloc(p->n, sizeof(*v));

	*n = 0;
	for (unsigned i = 0; v && i < p->n; i++) {
		int *k = &d->of_key[key_of(d, p->cpu[i], p->inner)];

		if (*k < 0)
			*k = (int)(*n)++;
		v[*k].n++;
	}
	for (unsigned k = 0; v && k < *n; k++) {
		v[k].cpu = calloc(v[k].n, sizeof(*v[k].cpu));
		d->failed |= !v[k].cpu;
		v[k].n = 0;
	}
	for (unsigned i = 0; v && i < p->n && !d->failed; i++) {
		struct part *to = &v[d->of_key[key_of(d, p->cpu[i], p->inner)]];

		to->cpu[to->n++] = p->cpu[i];
	}
	for (unsigned i = 0; i < p->n; i++)
		d->of_key[key_of(d, p->cpu[i], p->inner)] = -1;
	for (unsigned k = 0; v && k < *n && !d->failed; k++) {
		size_t len;
		FILE *f = open_memstream(&v[k].look, &len);

		if (f) {
			write_line(d, f, &v[k], p->inner);
			write_inside(d, f, &v[k]);
		}
		d->failed |= !f || fclose(f);
	}
	if (v && !d->failed)
		return v;
	d->failed = true;
	free_parts(v, *n);
	return NULL;
}

static unsigned run_of(const struct part *v, unsigned i, unsigned n)
{
	unsigned run = 1;

	while (i + run < n && !strcmp(v[i].look, v[i + run].look))
		run++;
	return run;
}

/* The looks of what is in p, in short. */
static void write_inside(struct drawing *d, FILE *f, const struct part *p)
{
	unsigned n = 0;
	struct part *v = p->inner < PLACES ? split(d, p, &n) : NULL;

	for (unsigned i = 0; v && i < n; i += run_of(v, i, n))
		fprintf(f, "%u{%s}", run_of(v, i, n), v[i].look);
	free_parts(v, n);
}

/* ---- drawing ---- */

static struct topology_set set_of(const void *arg, unsigned i)
{
	const struct part *v = arg;

	return (struct topology_set){ v[i].cpu, v[i].n };
}

/* The line of v[0] for all of a run, and their CPUs; single ones as one list. */
static void draw_line(struct drawing *d, const struct part *v, unsigned run, int indent)
{
	struct part together = { NULL, run, 0, NULL };
	int column = printf("%*s", indent, "");

	if (run > 1)
		column += printf("%u x ", run);
	column += printf("%.*s: CPUs ", (int)strcspn(v->look, "\n") - 2, v->look + 2); /* without its first comma */
	if (v->n > 1 || run == 1) {
		topology_print_sets(column, set_of, v, run);
		return;
	}
	together.cpu = calloc(run, sizeof(*together.cpu));
	for (unsigned i = 0; together.cpu && i < run; i++)
		together.cpu[i] = v[i].cpu[0];
	if (together.cpu)
		topology_print_sets(column, set_of, &together, 1);
	d->failed |= !together.cpu;
	free(together.cpu);
}

static void draw_inside(struct drawing *d, const struct part *p, int indent)
{
	unsigned n = 0, run;
	struct part *v = p->inner < PLACES ? split(d, p, &n) : NULL;

	for (unsigned i = 0; v && i < n; i += run) {
		run = run_of(v, i, n);
		draw_line(d, v + i, run, indent);
		draw_inside(d, &v[i], indent + 4);
	}
	free_parts(v, n);
}

static void draw_all(struct drawing *d, struct part *all)
{
	size_t len;
	FILE *f = open_memstream(&all->look, &len);

	if (!f) {
		d->failed = true;
		return;
	}
	write_line(d, f, all, 0);
	if (fclose(f)) {
		d->failed = true;
		return;
	}
	if (all->look[0] == ',') {
		draw_line(d, all, 1, 0);
		draw_inside(d, all, 4);
	} else {
		draw_inside(d, all, 0); /* several at the first place */
	}
}

/* ---- the rest ---- */

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Each distance with how often it is there, from one node to another; of many only the smallest ones and the greatest. */
static int count_distances(const struct sr_machine *m)
{
	size_t n = (size_t)m->nnodes * m->nnodes, kinds = 0;
	uint32_t *v = calloc(n, sizeof(*v));

	if (!v)
		return -1;
	memcpy(v, m->distance, n * sizeof(*v));
	qsort(v, n, sizeof(*v), by_number);
	for (size_t i = 0, next; i < n; i = next) {
		for (next = i + 1; next < n && v[next] == v[i];)
			next++;
		kinds++;
		if (kinds <= DISTANCES || next == n)
			printf("%6u: %zu pair%s\n", v[i], next - i, next - i == 1 ? "" : "s");
		else if (kinds == DISTANCES + 1)
			puts("   ...");
	}
	free(v);
	return 0;
}

static void print_distances(struct drawing *d)
{
	const struct sr_machine *m = d->m;

	if (m->nnodes < 2)
		return;
	puts("\ndistances between nodes");
	if (m->nnodes > 16) {
		d->failed |= count_distances(m) < 0;
		return;
	}
	printf("%6s", "");
	for (unsigned k = 0; k < m->nnodes; k++)
		printf("%5u", k);
	putchar('\n');
	for (unsigned i = 0; i < m->nnodes; i++) {
		printf("%6u", i);
		for (unsigned k = 0; k < m->nnodes; k++)
			printf("%5u", m->distance[(size_t)i * m->nnodes + k]);
		putchar('\n');
	}
}

void topology_barred(const struct sr_machine *m, unsigned why, struct sr_cpumask *mask)
{
	memset(mask, 0, sizeof(*mask));
	for (unsigned i = 0; i < m->ncpus; i++)
		if (m->v[i].barred & why)
			sr_cpumask_set(mask, i);
}

static void print_mask(const char *text, const struct sr_cpumask *mask)
{
	char list[70];

	sr_cpumask_format(mask, list, sizeof(list));
	if (*list)
		printf("%s: CPUs %s\n", text, list);
}

static void print_unused(const struct sr_machine *m)
{
	struct sr_cpumask mask;

	print_mask("switched off", &m->offline);
	topology_barred(m, SR_BARRED_ISOLATED, &mask);
	print_mask("isolated, used only when named", &mask);
	topology_barred(m, SR_BARRED_CPUSET, &mask);
	print_mask("not for this process", &mask);
}

int topology_draw_machine(const struct sr_machine *m)
{
	static const enum place package_first[PLACES] = { PACKAGE, NODE, CACHE, CLUSTER, CORE };
	static const enum place node_first[PLACES] = { NODE, PACKAGE, CACHE, CLUSTER, CORE };
	struct part all = { calloc(m->ncpus, sizeof(*all.cpu)), 0, 0, NULL };
	struct drawing *d = calloc(1, sizeof(*d));
	bool in_node = false, failed = true;

	if (!d || !all.cpu)
		goto out;
	d->m = m;
	memset(d->of_key, 0xff, sizeof(d->of_key));
	for (unsigned i = 0; i < m->ncpus; i++)
		if (m->v[i].core != SR_NO_CORE)
			all.cpu[all.n++] = (uint16_t)i;
	for (unsigned i = 1; i < all.n; i++)
		in_node |= m->v[all.cpu[i]].node == m->v[all.cpu[i - 1]].node &&
			   m->v[all.cpu[i]].package != m->v[all.cpu[i - 1]].package;
	memcpy(d->order, in_node ? node_first : package_first, sizeof(d->order));
	putchar('\n');
	draw_all(d, &all);
	print_unused(m);
	print_distances(d);
	failed = d->failed;
out:
	free(all.cpu);
	free(all.look);
	free(d);
	return failed ? -1 : 0;
}
