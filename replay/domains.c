/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/domains.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000u
#define MAX_DISTANCES 8
#define MAX_NUMA_NODES 256  /* more are one level: what is seen from each of them grows with the cube */
#define I386_KB_PER_MS 350  /* how fast i386 believed that a cache is filled */
#define NO_CLUSTER 0x8000u  /* and a core: it is by itself */
#define RECLAIM_DISTANCE 30 /* beyond it today's kernels neither fork, exec nor wake */

enum kind { SMT, CLUSTER, LLC, PACKAGE, NODE, NUMA };

enum {
	BALANCE = RPL_SD_NEWIDLE | RPL_SD_EXEC,
	SMT_FLAGS = BALANCE | RPL_SD_WAKE_AFFINE | RPL_SD_WAKE_IDLE | RPL_SD_SHARE_CPUPOWER,
	CPU_FLAGS = BALANCE | RPL_SD_WAKE_AFFINE | RPL_SD_WAKE_BALANCE,
	NODE_FLAGS = RPL_SD_EXEC | RPL_SD_WAKE_BALANCE,
	MODERN_FLAGS = BALANCE | RPL_SD_CLONE | RPL_SD_WAKE_AFFINE,
};

/* Rows: within a core, within a node, across nodes. */
static const struct rpl_sd_params tables[][3] = {
	[RPL_SD_2_6_7] = { { 1, 2, 1, 8, 110, 0, 15, SMT_FLAGS | RPL_SD_CLONE, 0 },
			   { 1, 4, 1, 64, 125, 1, 100, CPU_FLAGS | RPL_SD_CLONE, 2500000 },
			   { 8, 32, 1, 32, 125, 1, 100, NODE_FLAGS | RPL_SD_CLONE, 10000000 } },
	[RPL_SD_2_6_10] = { { 1, 2, 1, 8, 110, 0, 25, SMT_FLAGS, 0 },
			    { 1, 4, 1, 64, 125, 1, 100, CPU_FLAGS, 2500000 },
			    { 8, 32, 1, 32, 125, 1, 100, NODE_FLAGS, 10000000 } },
	[RPL_SD_2_6_12] = { { 1, 2, 1, 8, 110, 0, 25, SMT_FLAGS, 0 },
			    { 1, 4, 1, 64, 125, 1, 100, CPU_FLAGS | RPL_SD_WAKE_IDLE, 2500000 },
			    { 8, 32, 1, 32, 125, 1, 100, NODE_FLAGS | RPL_SD_NEWIDLE | RPL_SD_WAKE_IDLE, 10000000 } },
	/* The intervals are the span's weight. */
	[RPL_SD_MODERN] = { { 0, 0, 0, 16, 110, 0, 15, MODERN_FLAGS | RPL_SD_SHARE_CPUPOWER, 0 },
			    { 0, 0, 0, 16, 117, 1, 100, MODERN_FLAGS, 500000 },
			    { 0, 0, 0, 16, 117, 2, 100, MODERN_FLAGS, 500000 } },
};

struct pair {
	uint32_t key; /* span of the level above, and what its CPUs have in common at this one */
	uint16_t cpu;
};

struct builder {
	struct rpl_domains *d;
	const struct sr_machine *m;
	const struct rpl_sd_config *cfg;
	rpl_domains_alloc alloc;
	void *arg;
	uint16_t *online;
	unsigned n;
	enum kind kind[RPL_SD_LEVELS];
	struct rpl_span *span[RPL_SD_LEVELS]; /* d->level[].span, to be filled in */
	unsigned node_level;                  /* whose spans are nodes */
	/* Room to work in. */
	struct pair *pair;
	unsigned *threads;  /* by core */
	int *of_span;       /* by span of a level */
	uint16_t *cache_of; /* by cache: the group that has it + 1 */
};

/* What the CPUs of a span have in common, beside the span of the level above. */
static unsigned key_of(const struct sr_cpu *c, enum kind kind)
{
	switch (kind) {
	case SMT:
		return c->core;
	case CLUSTER:
		return c->clustered ? c->cluster : NO_CLUSTER | c->core;
	case LLC:
		return c->llc;
	case PACKAGE:
		return c->package;
	case NODE:
		return c->node;
	default:
		return 0;
	}
}

static int by_key(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : x->cpu - y->cpu;
}

/* ---- what a group is worth, and what a move costs ---- */

/* A core of n threads is worth 128 + 128 * (n - 1) / 10, times its capacity (which was always full in 2004). */
static unsigned group_power(struct builder *b, const uint16_t *cpu, unsigned n)
{
	const struct sr_cpu *v = b->m->v;
	unsigned power = 0;

	for (unsigned i = 0; i < n; i++)
		b->threads[v[cpu[i]].core]++;
	for (unsigned i = 0; i < n; i++) {
		unsigned *threads = &b->threads[v[cpu[i]].core];

		if (*threads)
			power += (RPL_SD_SCALE + RPL_SD_SCALE * (*threads - 1) / 10) * v[cpu[i]].capacity / 1024;
		*threads = 0;
	}
	return power ? power : 1;
}

/* The largest cache that a group of the span has for itself: a task that goes to another group leaves it. */
static uint32_t left_cache_kib(struct builder *b, const struct rpl_span *s)
{
	const struct sr_machine *m = b->m;
	uint32_t most = 0;

	if (s->ngroups < 2)
		return 0;
	memset(b->cache_of, 0, m->ncaches * sizeof(*b->cache_of));
	for (unsigned k = 0; k < s->ngroups; k++)
		for (unsigned i = 0; i < s->group[k].n; i++)
			for (unsigned l = 0; l < SR_CACHE_LEVELS; l++) {
				uint16_t c = m->v[s->group[k].cpu[i]].cache[l];

				if (c != SR_NO_CORE)
					b->cache_of[c] = b->cache_of[c] && b->cache_of[c] != k + 1 ? UINT16_MAX : k + 1;
			}
	for (unsigned c = 0; c < m->ncaches; c++)
		if (b->cache_of[c] && b->cache_of[c] != UINT16_MAX && m->caches[c].kib > most)
			most = m->caches[c].kib;
	return most;
}

static void set_params(struct builder *b, struct rpl_span *s, enum kind kind, uint32_t distance)
{
	const struct rpl_sd_config *cfg = b->cfg;
	bool in_node = kind != SMT && kind != NUMA;
	uint32_t kib;

	s->par = tables[cfg->tables][kind == SMT ? 0 : in_node ? 1 : 2];
	if (cfg->tables == RPL_SD_MODERN) {
		s->par.min_ms = s->par.start_ms = s->n;
		s->par.max_ms = 2 * s->n;
		if (kind == NUMA && distance > RECLAIM_DISTANCE)
			s->par.flags &= ~(RPL_SD_EXEC | RPL_SD_CLONE | RPL_SD_WAKE_AFFINE);
	}
	if (!in_node)
		return;
	if (cfg->cpu_hot_ns)
		s->par.hot_ns = cfg->cpu_hot_ns;
	kib = cfg->hot_cache ? left_cache_kib(b, s) : 0;
	if (kib)
		s->par.hot_ns = (uint64_t)(kib / I386_KB_PER_MS + 1) * NS_PER_MS;
}

/* ---- levels that part the machine ---- */

/* The groups of a span: the spans of the level below (below < 0: CPUs) that its CPUs are in. cpus has room for them. */
static int make_groups(struct builder *b, struct rpl_span *s, int below, uint16_t *cpus)
{
	const struct rpl_sd_level *l = below < 0 ? NULL : &b->d->level[below];
	struct rpl_group *g = b->alloc(b->arg, s->n, sizeof(*g));
	uint16_t *part = b->alloc(b->arg, s->n, sizeof(*part));
	unsigned n = 0, at = 0;

	if (!g || !part)
		return -1;
	for (unsigned i = 0; i < s->n; i++) {
		unsigned child = l ? l->span_of[s->cpu[i]] : i;

		if (b->of_span[child] < 0) {
			b->of_span[child] = (int)n;
			part[n] = (uint16_t)child;
			g[n].part = &part[n];
			g[n].nparts = l != NULL;
			g[n].part_level = l ? (unsigned)below : 0;
			g[n++].n = 0;
		}
		g[b->of_span[child]].n++;
	}
	for (unsigned k = 0; k < n; k++) {
		g[k].cpu = cpus + at;
		at += g[k].n;
		g[k].n = 0;
	}
	for (unsigned i = 0; i < s->n; i++) {
		struct rpl_group *to = &g[b->of_span[l ? l->span_of[s->cpu[i]] : i]];

		cpus[to->cpu - cpus + to->n++] = s->cpu[i];
	}
	for (unsigned i = 0; i < s->n; i++)
		b->of_span[l ? l->span_of[s->cpu[i]] : i] = -1;
	for (unsigned k = 0; k < n; k++)
		g[k].power = group_power(b, g[k].cpu, g[k].n);
	s->group = g;
	s->ngroups = n;
	return 0;
}

/* Spans of a level: what has the same key, in the spans of the level above. In order of their first cpu. */
static int part(struct builder *b, unsigned at, int above)
{
	struct rpl_sd_level *l = &b->d->level[at];
	uint16_t *cpus = b->alloc(b->arg, b->n, sizeof(*cpus)),
		 *span_of = b->alloc(b->arg, b->d->ncpus, sizeof(*span_of));
	struct rpl_span *span;
	unsigned n = 0, used = 0;

	for (unsigned i = 0; i < b->n; i++) {
		unsigned cpu = b->online[i];
		unsigned upper = above < 0 ? 0 : b->d->level[above].span_of[cpu];

		b->pair[i] = (struct pair){ upper << 16 | key_of(&b->m->v[cpu], b->kind[at]), cpu };
	}
	qsort(b->pair, b->n, sizeof(*b->pair), by_key);
	if (!cpus || !span_of)
		return -1;
	/* The runs by their first cpu: their numbers are given in order of the CPUs. */
	for (unsigned i = 0; i < b->n; i++) {
		unsigned first = i;

		while (i + 1 < b->n && b->pair[i + 1].key == b->pair[first].key)
			i++;
		for (unsigned k = first; k <= i; k++)
			span_of[b->pair[k].cpu] = b->pair[first].cpu;
		n++;
	}
	span = b->alloc(b->arg, n ? n : 1, sizeof(*span));
	if (!span)
		return -1;
	n = 0;
	for (unsigned i = 0; i < b->n; i++) {
		unsigned cpu = b->online[i], first = span_of[cpu];

		if (first == cpu)
			b->of_span[cpu] = (int)n++;
		span_of[cpu] = (uint16_t)b->of_span[first];
		span[span_of[cpu]].n++;
	}
	for (unsigned k = 0; k < n; k++) {
		span[k].cpu = cpus + used;
		span[k].level = at;
		used += span[k].n;
		span[k].n = 0;
	}
	for (unsigned i = 0; i < b->n; i++) {
		struct rpl_span *s = &span[span_of[b->online[i]]];

		cpus[s->cpu - cpus + s->n++] = b->online[i];
		b->of_span[b->online[i]] = -1;
	}
	l->span = b->span[at] = span;
	l->nspans = n;
	l->span_of = span_of;
	return 0;
}

static int group_level(struct builder *b, unsigned at)
{
	const struct rpl_sd_level *l = &b->d->level[at];
	uint16_t *cpus = b->alloc(b->arg, b->n, sizeof(*cpus));

	if (!cpus)
		return -1;
	for (unsigned k = 0; k < l->nspans; k++) {
		struct rpl_span *s = &b->span[at][k];

		if (make_groups(b, s, (int)at - 1, cpus + (s->cpu - l->span[0].cpu)))
			return -1;
		set_params(b, s, b->kind[at], 0);
	}
	return 0;
}

/* ---- levels by distance ---- */

static uint32_t distance(const struct builder *b, unsigned from, unsigned to)
{
	return from == to ? 0 : b->m->distance[(size_t)from * b->m->nnodes + to];
}

/* The distances between nodes that have a cpu online, ascending; if there are too many, the last ones are one. */
static unsigned find_distances(struct builder *b, const bool *used, uint32_t *found)
{
	unsigned n = 0;
	uint32_t last = 0, most = 0;

	for (unsigned i = 0; i < b->m->nnodes; i++)
		for (unsigned k = 0; k < b->m->nnodes; k++)
			if (i != k && used[i] && used[k] && distance(b, i, k) > most)
				most = distance(b, i, k);
	while (last < most) {
		uint32_t next = most;

		for (unsigned i = 0; i < b->m->nnodes; i++)
			for (unsigned k = 0; k < b->m->nnodes; k++)
				if (i != k && used[i] && used[k] && distance(b, i, k) > last &&
				    distance(b, i, k) < next)
					next = distance(b, i, k);
		if (n + 1 == MAX_DISTANCES || b->m->nnodes > MAX_NUMA_NODES)
			next = most;
		found[n++] = last = next;
	}
	return n;
}

struct view {
	bool *in;        /* nodes of the span */
	uint16_t *group; /* by node: its group, by the group's first node */
};

/* What a node sees at a distance: those not farther, parted by what they see of each other at the distance before. */
static void look(const struct builder *b, const bool *used, unsigned from, uint32_t reach, uint32_t before,
		 struct view *v)
{
	unsigned n = b->m->nnodes;

	for (unsigned i = 0; i < n; i++) {
		v->in[i] = used[i] && distance(b, from, i) <= reach;
		v->group[i] = UINT16_MAX;
	}
	for (unsigned k = 0; k < n; k++) {
		unsigned i = (from + k) % n, first = UINT16_MAX;

		if (!v->in[i] || v->group[i] != UINT16_MAX)
			continue;
		for (unsigned j = 0; j < n; j++) {
			if (!v->in[j] || v->group[j] != UINT16_MAX || distance(b, i, j) > before)
				continue;
			first = first == UINT16_MAX ? j : first;
			v->group[j] = (uint16_t)first;
		}
	}
}

static int span_of_view(struct builder *b, struct rpl_span *s, const struct view *v, unsigned at)
{
	const struct sr_cpu *m = b->m->v;
	uint16_t *cpus, *group_cpus;
	const struct rpl_sd_level *nodes = &b->d->level[b->node_level];
	struct rpl_group *g;
	uint16_t *part;
	unsigned *of, ngroups = 0, used = 0, parts = 0;

	for (unsigned i = 0; i < b->n; i++)
		s->n += v->in[m[b->online[i]].node];
	cpus = b->alloc(b->arg, s->n, sizeof(*cpus));
	group_cpus = b->alloc(b->arg, s->n, sizeof(*group_cpus));
	part = b->alloc(b->arg, b->m->nnodes, sizeof(*part));
	g = b->alloc(b->arg, b->m->nnodes, sizeof(*g));
	of = calloc(b->m->nnodes, sizeof(*of)); /* by a group's first node: its number + 1 */
	if (!cpus || !group_cpus || !part || !g || !of) {
		free(of);
		return -1;
	}
	s->level = at;
	s->cpu = cpus;
	s->n = 0;
	for (unsigned i = 0; i < b->n; i++) {
		unsigned node = m[b->online[i]].node;

		if (!v->in[node])
			continue;
		cpus[s->n++] = b->online[i];
		if (!of[v->group[node]])
			of[v->group[node]] = ++ngroups;
		g[of[v->group[node]] - 1].n++;
	}
	for (unsigned k = 0; k < ngroups; k++) {
		g[k].cpu = group_cpus + used;
		used += g[k].n;
		g[k].n = 0;
	}
	for (unsigned i = 0; i < s->n; i++) {
		struct rpl_group *to = &g[of[v->group[m[cpus[i]].node]] - 1];

		group_cpus[to->cpu - group_cpus + to->n++] = cpus[i];
	}
	for (unsigned k = 0; k < ngroups; k++) {
		g[k].part = part + parts;
		g[k].part_level = b->node_level;
		for (unsigned i = 0; i < nodes->nspans; i++)
			if (v->in[m[nodes->span[i].cpu[0]].node] &&
			    of[v->group[m[nodes->span[i].cpu[0]].node]] == k + 1)
				part[parts + g[k].nparts++] = (uint16_t)i;
		parts += g[k].nparts;
	}
	free(of);
	for (unsigned k = 0; k < ngroups; k++)
		g[k].power = group_power(b, g[k].cpu, g[k].n);
	s->group = g;
	s->ngroups = ngroups;
	set_params(b, s, NUMA, b->d->level[at].distance);
	return 0;
}

/* A level: what is seen from each node; nodes that see the same share a span. */
static int look_around(struct builder *b, unsigned at, const bool *used, uint32_t before)
{
	struct rpl_sd_level *l = &b->d->level[at];
	unsigned n = b->m->nnodes;
	struct rpl_span *span = b->alloc(b->arg, n, sizeof(*span));
	uint16_t *span_of = b->alloc(b->arg, n, sizeof(*span_of));
	struct view *v = calloc(n, sizeof(*v));
	int rc = -1;

	for (unsigned i = 0; span && span_of && v && i < n; i++) {
		unsigned same = 0;

		if (!used[i])
			continue;
		if (!v[l->nspans].in) {
			v[l->nspans].in = b->alloc(b->arg, n, sizeof(bool));
			v[l->nspans].group = b->alloc(b->arg, n, sizeof(*v->group));
		}
		if (!v[l->nspans].in || !v[l->nspans].group)
			goto out;
		look(b, used, i, l->distance, before, &v[l->nspans]);
		while (memcmp(v[same].group, v[l->nspans].group, n * sizeof(*v->group)) != 0)
			same++;
		span_of[i] = (uint16_t)same;
		if (same < l->nspans)
			continue;
		span[same].node = v[same].in;
		if (span_of_view(b, &span[same], &v[same], at))
			goto out;
		l->nspans++;
	}
	l->span = span;
	l->span_of = span_of;
	rc = span && span_of && v ? 0 : -1;
out:
	free(v);
	return rc;
}

static int add_distances(struct builder *b)
{
	uint32_t found[MAX_DISTANCES], before = 0;
	bool *used = calloc(b->m->nnodes, sizeof(*used));
	unsigned n;

	if (!used)
		return -1;
	for (unsigned i = 0; i < b->n; i++)
		used[b->m->v[b->online[i]].node] = true;
	n = find_distances(b, used, found);
	for (unsigned i = 0; i < n; i++) {
		struct rpl_sd_level *l = &b->d->level[b->d->nlevels];

		*l = (struct rpl_sd_level){ .name = "NUMA", .distance = found[i] };
		b->kind[b->d->nlevels] = NUMA;
		if (look_around(b, b->d->nlevels, used, before)) {
			free(used);
			return -1;
		}
		b->d->nlevels++;
		before = found[i];
	}
	free(used);
	return 0;
}

/* ---- the stacks ---- */

static int stack_up(struct builder *b)
{
	struct rpl_domains *d = b->d;
	struct rpl_sd *stack = b->alloc(b->arg, (size_t)d->ncpus * d->nlevels + 1, sizeof(*stack));
	uint8_t *depth = b->alloc(b->arg, d->ncpus, sizeof(*depth));

	if (!stack || !depth)
		return -1;
	for (unsigned l = 0; l < d->nlevels; l++)
		for (unsigned k = 0; k < d->level[l].nspans; k++) {
			const struct rpl_span *s = &d->level[l].span[k];

			for (unsigned g = 0; g < s->ngroups; g++)
				for (unsigned i = 0; i < s->group[g].n; i++) {
					unsigned cpu = s->group[g].cpu[i];
					const struct rpl_sd_level *level = &d->level[l];
					unsigned at = level->distance ? b->m->v[cpu].node : cpu;

					/* Other nodes may see this cpu too. */
					if (level->span_of[at] != k || (b->cfg->drop && s->ngroups == 1))
						continue;
					stack[(size_t)cpu * d->nlevels + depth[cpu]++] = (struct rpl_sd){ s, g };
				}
		}
	d->stack = stack;
	d->depth = depth;
	return 0;
}

static void add_level(struct builder *b, const char *name, enum kind kind)
{
	b->kind[b->d->nlevels] = kind;
	b->d->level[b->d->nlevels++] = (struct rpl_sd_level){ .name = name };
}

static void name_levels(struct builder *b)
{
	bool smt = false, numa = false, clusters = false;

	for (unsigned i = 0; i < b->n; i++) {
		smt |= b->threads[b->m->v[b->online[i]].core]++ > 0;
		clusters |= b->m->v[b->online[i]].clustered;
		numa |= b->m->v[b->online[i]].node != b->m->v[b->online[0]].node;
	}
	memset(b->threads, 0, b->m->ncores * sizeof(*b->threads));
	if (smt)
		add_level(b, b->cfg->full ? "SMT" : "SIBLING", SMT);
	if (b->cfg->full && clusters)
		add_level(b, "CLUSTER", CLUSTER);
	if (b->cfg->full) {
		add_level(b, "LLC", LLC);
		add_level(b, "PACKAGE", PACKAGE);
	}
	b->node_level = b->d->nlevels;
	add_level(b, b->cfg->full ? "NODE" : "CPU", NODE);
	if (!b->cfg->full && numa)
		add_level(b, "NODE", NUMA);
}

int rpl_domains_build(struct rpl_domains *d, const struct sr_machine *m, const struct rpl_sd_config *cfg,
		      rpl_domains_alloc alloc, void *arg, struct sr_error *err)
{
	struct builder b = { .d = d,
			     .m = m,
			     .cfg = cfg,
			     .alloc = alloc,
			     .arg = arg,
			     .online = calloc(m->ncpus, sizeof(*b.online)),
			     .pair = calloc(m->ncpus, sizeof(*b.pair)),
			     .threads = calloc(m->ncores, sizeof(*b.threads)),
			     .of_span = malloc(m->ncpus * sizeof(*b.of_span)),
			     .cache_of = calloc(m->ncaches + 1u, sizeof(*b.cache_of)) };
	int rc = -1;

	*d = (struct rpl_domains){ .machine = m, .ncpus = m->ncpus };
	if (!b.online || !b.pair || !b.threads || !b.of_span || !b.cache_of)
		goto out;
	memset(b.of_span, 0xff, m->ncpus * sizeof(*b.of_span));
	for (unsigned i = 0; i < m->ncpus; i++)
		if (m->v[i].online)
			b.online[b.n++] = (uint16_t)i;
	if (b.n)
		name_levels(&b);
	for (unsigned l = d->nlevels; l-- > 0;)
		if (part(&b, l, l + 1 < d->nlevels ? (int)l + 1 : -1))
			goto out;
	for (unsigned l = 0; l < d->nlevels; l++)
		if (group_level(&b, l))
			goto out;
	if ((b.n && cfg->full && add_distances(&b)) || stack_up(&b))
		goto out;
	rc = 0;
out:
	free(b.online);
	free(b.pair);
	free(b.threads);
	free(b.of_span);
	free(b.cache_of);
	return rc ? sr_fail(err, SR_ENVIRONMENT, "out of memory for the domains of %u CPUs", m->ncpus) : 0;
}

const char *rpl_sd_flag_name(unsigned flag)
{
	switch (flag) {
	case RPL_SD_NEWIDLE:
		return "newidle";
	case RPL_SD_EXEC:
		return "exec";
	case RPL_SD_CLONE:
		return "clone";
	case RPL_SD_WAKE_IDLE:
		return "wake_idle";
	case RPL_SD_WAKE_AFFINE:
		return "wake_affine";
	case RPL_SD_WAKE_BALANCE:
		return "wake_balance";
	default:
		return "share_cpupower";
	}
}
