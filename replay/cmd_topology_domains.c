/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domains as pictures: for each level its spans, and in each span the groups as boxes.
 *
 *   +-----------+-----------+
 *   | 0-1       | 2-3       |
 *   | power 140 | power 140 |
 *   +-----------+-----------+
 */
#include "replay/cmd_topology.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LIST_WIDTH 22 /* of the CPUs in a box */
#define BOXES 17      /* that are drawn one by one */
#define RUN_ENDS 2    /* of a longer run of equal boxes: so many at its beginning, and one at its end */
#define MAX_BOXES 4096

struct box {
	char cpus[LIST_WIDTH + 2], power[32];
	bool gap; /* stands for several */
};

static bool same_params(const struct rpl_sd_params *a, const struct rpl_sd_params *b)
{
	return a->min_ms == b->min_ms && a->max_ms == b->max_ms && a->busy_factor == b->busy_factor &&
	       a->imbalance_pct == b->imbalance_pct && a->nice_tries == b->nice_tries && a->flags == b->flags &&
	       a->hot_ns == b->hot_ns;
}

static bool same_group(const struct rpl_group *a, const struct rpl_group *b)
{
	return a->n == b->n && a->power == b->power;
}

/* Do the two differ in nothing but their CPUs? */
static bool alike(const struct rpl_span *a, const struct rpl_span *b)
{
	if (a->n != b->n || a->ngroups != b->ngroups || !same_params(&a->par, &b->par))
		return false;
	for (unsigned k = 0; k < a->ngroups; k++)
		if (!same_group(&a->group[k], &b->group[k]))
			return false;
	return true;
}

static void print_params(const struct rpl_sd_params *p)
{
	char hot[32];
	bool any = false;

	printf("  interval %u to %u ms, busy x%u; imbalance %u %%; hot %s; push at failure %u\n", p->min_ms, p->max_ms,
	       p->busy_factor, p->imbalance_pct, p->hot_ns ? sr_format_time(hot, sizeof(hot), (double)p->hot_ns) : "0",
	       p->nice_tries + 3);
	printf("  flags:");
	for (unsigned bit = 1; bit <= RPL_SD_SHARE_CPUPOWER; bit <<= 1)
		if (p->flags & bit) {
			printf(" %s", rpl_sd_flag_name(bit));
			any = true;
		}
	puts(any ? "" : " none");
}

/* ---- boxes ---- */

static void fill_box(struct box *b, const struct rpl_group *g, bool own)
{
	char list[LIST_WIDTH + 1];

	snprintf(b->cpus, sizeof(b->cpus), "%s%s", own ? "*" : "", topology_cpu_list(list, LIST_WIDTH, g->cpu, g->n));
	snprintf(b->power, sizeof(b->power), "power %u", g->power);
	b->gap = false;
}

/* Of long runs of equal groups only the ends; the one that holds the cpu (own, -1: no cpu) is always there. */
static unsigned make_boxes(const struct rpl_span *s, int own, struct box *v)
{
	unsigned n = 0;

	for (unsigned k = 0; k < s->ngroups && n + RUN_ENDS + 2 < MAX_BOXES;) {
		unsigned run = 1;

		while (k + run < s->ngroups && same_group(&s->group[k], &s->group[k + run]) && (int)(k + run) != own)
			run++;
		for (unsigned i = 0; i < run; i++) {
			if (s->ngroups > BOXES && run > RUN_ENDS + 2 && i == RUN_ENDS) {
				snprintf(v[n].cpus, sizeof(v->cpus), "%u alike", run - RUN_ENDS - 1);
				v[n].power[0] = '\0';
				v[n++].gap = true;
				i = run - 1;
			}
			fill_box(&v[n++], &s->group[k + i], (int)(k + i) == own);
		}
		k += run;
	}
	return n;
}

static int box_width(const struct box *b)
{
	size_t cpus = strlen(b->cpus), power = strlen(b->power);

	return (int)(cpus > power ? cpus : power) + 2;
}

static void print_edge(const struct box *v, unsigned n)
{
	fputs("  +", stdout);
	for (unsigned i = 0; i < n; i++) {
		for (int k = box_width(&v[i]); k > 0; k--)
			putchar(v[i].gap ? '.' : '-');
		putchar('+');
	}
	putchar('\n');
}

static void print_texts(const struct box *v, unsigned n, bool power)
{
	fputs("  |", stdout);
	for (unsigned i = 0; i < n; i++)
		printf(" %-*s|", box_width(&v[i]) - 1, power ? v[i].power : v[i].cpus);
	putchar('\n');
}

static void draw_boxes(const struct rpl_span *s, int own)
{
	struct box *v = calloc(MAX_BOXES, sizeof(*v));
	unsigned n = v ? make_boxes(s, own, v) : 0;

	for (unsigned first = 0; first < n;) {
		unsigned row = 0;
		int column = 3;

		while (first + row < n && (!row || column + box_width(&v[first + row]) < TOPOLOGY_WIDTH))
			column += box_width(&v[first + row++]) + 1;
		print_edge(v + first, row);
		print_texts(v + first, row, false);
		print_texts(v + first, row, true);
		print_edge(v + first, row);
		first += row;
	}
	free(v);
}

/* ---- levels ---- */

static struct topology_set span_set(const void *arg, unsigned i)
{
	const struct rpl_span *const *v = arg;

	return (struct topology_set){ v[i]->cpu, v[i]->n };
}

static int print_name(const struct rpl_sd_level *l)
{
	return l->distance ? printf("%s, distance %u", l->name, l->distance) : printf("%s", l->name);
}

/* The nodes that see one of the n spans: where the spans of a level differ by who looks. */
static int print_viewers(const struct rpl_domains *d, const struct rpl_sd_level *l, const struct rpl_span *const *v,
			 unsigned n)
{
	uint16_t nodes[SR_MAX_CPUS] = { 0 };
	char list[LIST_WIDTH + 1];
	unsigned count = 0;

	for (unsigned node = 0; node < d->machine->nnodes; node++)
		for (unsigned i = 0; i < n; i++)
			/* A node without a usable CPU looks from nowhere. */
			if (&l->span[l->span_of[node]] == v[i] && v[i]->node[node])
				nodes[count++] = (uint16_t)node;
	return printf(", seen from node%s %s%s", count > 1 ? "s" : "",
		      topology_cpu_list(list, LIST_WIDTH, nodes, count), n > 1 ? " alike" : "");
}

static bool same_cpus(const struct rpl_span *a, const struct rpl_span *b)
{
	return a->n == b->n && !memcmp(a->cpu, b->cpu, a->n * sizeof(*a->cpu));
}

/* Is the span in some cpu's stack? Those of a single group may be left out of them. */
static bool in_use(const struct rpl_domains *d, const struct rpl_span *s)
{
	for (unsigned i = 0; i < s->n; i++)
		for (unsigned k = 0; k < d->depth[s->cpu[i]]; k++)
			if (rpl_stack(d, s->cpu[i])[k].span == s)
				return true;
	return false;
}

/* Each kind of span of the level once, with the CPUs of all of its kind. Returns how many kinds. */
static unsigned draw_level(const struct rpl_domains *d, const struct rpl_sd_level *l)
{
	const struct rpl_span **v = calloc(l->nspans + 1, sizeof(*v));
	bool *done = calloc(l->nspans + 1, sizeof(*done));
	unsigned kinds = 0;

	for (unsigned i = 0; v && done && i < l->nspans; i++) {
		unsigned n = 0;
		int column;

		if (done[i] || !in_use(d, &l->span[i]))
			continue;
		for (unsigned k = i; k < l->nspans; k++)
			if (!done[k] && alike(&l->span[i], &l->span[k])) {
				done[k] = true;
				v[n++] = &l->span[k];
			}
		putchar('\n');
		column = print_name(l);
		if (l->distance && l->nspans > 1)
			column += print_viewers(d, l, v, n);
		else if (n > 1)
			column += printf(", %u spans alike", n);
		while (n > 1 && same_cpus(v[n - 2], v[n - 1]))
			n--;
		column += printf(": CPUs ");
		topology_print_sets(column, span_set, v, n);
		print_params(&l->span[i].par);
		draw_boxes(&l->span[i], -1);
		kinds++;
	}
	free(v);
	free(done);
	return kinds;
}

void topology_draw_domains(const struct rpl_domains *d, int cpu)
{
	unsigned drawn = 0;

	for (unsigned k = d->nlevels; cpu < 0 && k-- > 0;)
		drawn += draw_level(d, &d->level[k]);
	if (cpu >= 0)
		printf("\nfrom CPU %d, largest first (* its own group)\n", cpu);
	for (unsigned k = cpu < 0 ? 0 : d->depth[cpu]; k-- > 0; drawn++) {
		const struct rpl_sd *sd = &rpl_stack(d, (unsigned)cpu)[k];
		int column;

		putchar('\n');
		column = print_name(&d->level[sd->span->level]) + printf(": CPUs ");
		topology_print_sets(column, span_set, &sd->span, 1);
		print_params(&sd->span->par);
		draw_boxes(sd->span, (int)sd->own);
	}
	if (!drawn)
		puts("\nno domains: there is nothing to balance");
}

/* ---- JSON ---- */

static void json_cpus(struct cmd_json *j, const uint16_t *cpu, unsigned n)
{
	char list[SR_MAX_CPUS * 5];

	cmd_json_str(j, "cpus", topology_cpu_list(list, sizeof(list) - 1, cpu, n));
}

static void json_span(struct cmd_json *j, const struct rpl_span *s, int own)
{
	cmd_json_open(j, NULL, '{');
	json_cpus(j, s->cpu, s->n);
	cmd_json_u64(j, "min_interval_ms", s->par.min_ms);
	cmd_json_u64(j, "max_interval_ms", s->par.max_ms);
	cmd_json_u64(j, "busy_factor", s->par.busy_factor);
	cmd_json_u64(j, "imbalance_pct", s->par.imbalance_pct);
	cmd_json_u64(j, "cache_hot_ns", s->par.hot_ns);
	cmd_json_u64(j, "cache_nice_tries", s->par.nice_tries);
	cmd_json_open(j, "flags", '[');
	for (unsigned bit = 1; bit <= RPL_SD_SHARE_CPUPOWER; bit <<= 1)
		if (s->par.flags & bit)
			cmd_json_str(j, NULL, rpl_sd_flag_name(bit));
	cmd_json_close(j, ']');
	if (own >= 0)
		cmd_json_u64(j, "own_group", (uint64_t)own);
	cmd_json_open(j, "groups", '[');
	for (unsigned k = 0; k < s->ngroups; k++) {
		cmd_json_open(j, NULL, '{');
		json_cpus(j, s->group[k].cpu, s->group[k].n);
		cmd_json_u64(j, "power", s->group[k].power);
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
	cmd_json_close(j, '}');
}

void topology_json_domains(struct cmd_json *j, const struct rpl_domains *d, int cpu)
{
	unsigned depth = cpu < 0 ? d->nlevels : d->depth[cpu];

	cmd_json_open(j, "levels", '[');
	for (unsigned k = 0; k < depth; k++) {
		const struct rpl_sd *sd = cpu < 0 ? NULL : &rpl_stack(d, (unsigned)cpu)[k];
		const struct rpl_sd_level *l = &d->level[sd ? sd->span->level : k];

		cmd_json_open(j, NULL, '{');
		cmd_json_str(j, "name", l->name);
		if (l->distance)
			cmd_json_u64(j, "distance", l->distance);
		cmd_json_open(j, "spans", '[');
		for (unsigned i = 0; !sd && i < l->nspans; i++)
			json_span(j, &l->span[i], -1);
		if (sd)
			json_span(j, sd->span, (int)sd->own);
		cmd_json_close(j, ']');
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
}
