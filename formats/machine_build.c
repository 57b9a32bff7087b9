/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the objects of hwloc's XML to CPUs and what they share. */
#include "formats/machine_xml_internal.h"

#include <stdlib.h>
#include <string.h>

struct place {
	uint32_t core, llc, cluster, package;
	bool clustered;
};

static struct place place_of(const struct reader *r, uint32_t pu)
{
	const uint32_t none = UINT32_MAX;
	struct place p = { none, none, none, none, false };
	uint32_t below_llc = none, i;

	for (i = r->objects[pu].parent; i != none; i = r->objects[i].parent) {
		const struct object *o = &r->objects[i];

		if (o->type == T_CORE && p.core == none) {
			p.core = i;
		} else if (o->type == T_CACHE) {
			below_llc = p.llc;
			p.llc = i;
		} else if (o->type == T_PACKAGE) {
			p.package = i;
		} else if (o->cluster) {
			p.cluster = i;
		}
		if (o->type == T_CACHE && p.cluster == none && below_llc != none && p.core != none &&
		    r->objects[below_llc].npus > r->objects[p.core].npus)
			p.cluster = below_llc;
	}
	p.core = p.core == none ? pu : p.core;
	p.llc = p.llc == none ? p.core : p.llc;
	p.clustered = p.cluster != none;
	p.cluster = p.clustered ? p.cluster : p.llc;
	return p;
}

/* The nearest cache of each level, numbered as they come. */
static void find_caches(struct reader *r, struct sr_machine *m, struct sr_cpu *c, uint32_t pu)
{
	for (uint32_t i = r->objects[pu].parent; i != UINT32_MAX; i = r->objects[i].parent) {
		struct object *o = &r->objects[i];

		if (o->type != T_CACHE || c->cache[o->level - 2] != SR_NO_CORE)
			continue;
		if (o->cache == SR_NO_CORE) {
			o->cache = (uint16_t)m->ncaches;
			m->caches[m->ncaches++] = (struct sr_cache){ o->kib, (uint16_t)o->npus, o->level };
		}
		c->cache[o->level - 2] = o->cache;
	}
}

static struct node *node_of(struct reader *r, unsigned cpu)
{
	struct node *best = NULL;

	/* Of several (memory of several kinds) the most local one, then the first. */
	for (unsigned i = 0; i < r->nnodes; i++) {
		struct node *n = &r->nodes[i];

		if (sr_cpumask_isset(&n->cpus, cpu) && (!best || n->weight < best->weight))
			best = n;
	}
	return best;
}

/* As the kernel has them, but relative to the fastest; known of a part only, they are not known. */
static void build_capacities(const struct reader *r, struct sr_machine *m)
{
	uint64_t value[SR_MAX_CPUS] = { 0 }, fastest = 1;
	bool told = true, by_kind = r->nkinds > 1, kinds_differ = false;

	for (unsigned i = 0; i < r->npus; i++)
		told = told && r->capacity[r->order[i]];
	for (unsigned i = 0; i < r->npus && !told; i++) {
		unsigned kind = r->kind_of[r->order[i]];

		by_kind = by_kind && kind < r->nkinds && r->kind[kind].max_mhz;
		kinds_differ |= by_kind && strcmp(r->kind[kind].name, r->kind[0].name);
	}
	/* A few MHz more of one core than of the next are no other kind of core. */
	m->capacity_estimated = !told && by_kind && kinds_differ;
	if (!told && !m->capacity_estimated)
		return;
	for (unsigned i = 0; i < r->npus; i++) {
		unsigned cpu = r->order[i];

		value[cpu] = told ? r->capacity[cpu] : r->kind[r->kind_of[cpu]].max_mhz;
		fastest = value[cpu] > fastest ? value[cpu] : fastest;
	}
	for (unsigned i = 0; i < r->npus; i++) {
		unsigned cpu = r->order[i];
		uint64_t v = (value[cpu] * 1024 + fastest / 2) / fastest;

		m->v[cpu].capacity = (uint16_t)(v ? v : 1);
	}
}

static int allocate(struct reader *r, struct sr_machine *m)
{
	for (unsigned i = 0; i < r->npus; i++)
		m->ncpus = r->order[i] >= m->ncpus ? r->order[i] + 1u : m->ncpus;
	m->v = calloc(m->ncpus, sizeof(*m->v));
	m->caches = calloc((size_t)r->npus * SR_CACHE_LEVELS, sizeof(*m->caches));
	m->kinds = calloc(r->nkinds + 1u, sizeof(*m->kinds));
	if (!m->v || !m->caches || !m->kinds)
		return sr_machine_no_memory(r);
	memcpy(m->kinds, r->kind, r->nkinds * sizeof(*m->kinds));
	m->nkinds = r->nkinds;
	for (unsigned i = 0; i < m->ncpus; i++)
		m->v[i] = (struct sr_cpu){ .os = (uint16_t)i,
					   .core = SR_NO_CORE,
					   .llc = SR_NO_CORE,
					   .cluster = SR_NO_CORE,
					   .package = SR_NO_CORE,
					   .node = SR_NO_CORE,
					   .capacity = 1024,
					   .kind = SR_NO_CORE,
					   .cache = { SR_NO_CORE, SR_NO_CORE, SR_NO_CORE, SR_NO_CORE } };
	return 0;
}

static int build_cpus(struct reader *r, struct sr_machine *m)
{
	struct place last = { UINT32_MAX - 1, UINT32_MAX - 1, UINT32_MAX - 1, UINT32_MAX - 1, false };

	if (!r->npus)
		return sr_machine_bad_xml(r, "it has no CPU");
	if (allocate(r, m))
		return -1;
	for (uint32_t i = r->nobjects; i-- > 0;)
		if (r->objects[i].parent != UINT32_MAX)
			r->objects[r->objects[i].parent].npus += r->objects[i].npus;
	/* In logical order whatever CPUs share comes in one run, so a new object is a new index. */
	for (unsigned i = 0; i < r->npus; i++) {
		unsigned cpu = r->order[i];
		struct sr_cpu *c = &m->v[cpu];
		struct place p = place_of(r, r->pu[cpu]);
		struct node *n = node_of(r, cpu);

		if (!n)
			return sr_fail(r->err, SR_DAMAGED, "the machine's XML: CPU %u belongs to no NUMA node", cpu);
		if (n->index < 0)
			n->index = (int)m->nnodes++;
		m->ncores += p.core != last.core;
		m->nllcs += p.llc != last.llc;
		m->nclusters += p.cluster != last.cluster;
		m->npackages += p.package != last.package;
		last = p;
		c->core = (uint16_t)(m->ncores - 1);
		c->llc = (uint16_t)(m->nllcs - 1);
		c->cluster = (uint16_t)(m->nclusters - 1);
		c->clustered = p.clustered;
		c->package = (uint16_t)(m->npackages - 1);
		c->node = (uint16_t)n->index;
		if (r->has_allowed && !sr_cpumask_isset(&r->allowed, cpu))
			c->barred |= SR_BARRED_CPUSET;
		if (sr_cpumask_isset(&r->isolated, cpu))
			c->barred |= SR_BARRED_ISOLATED;
		c->online = !c->barred;
		c->kind = r->kind_of[cpu];
		find_caches(r, m, c, r->pu[cpu]);
	}
	build_capacities(r, m);
	for (size_t w = 0; r->has_complete && w < SR_MAX_CPUS / 64; w++)
		m->offline.w[w] = r->complete.w[w];
	for (unsigned i = 0; i < r->npus; i++)
		m->offline.w[r->order[i] / 64] &= ~(1ull << (r->order[i] % 64));
	return 0;
}

static void emit_distances(struct reader *r, const struct sr_machine *m, const uint32_t *os)
{
	char text[32];
	size_t len = 0;

	fprintf(r->out,
		"  <distances2 type=\"NUMANode\" nbobjs=\"%u\" kind=\"5\" name=\"NUMALatency\" indexing=\"os\">\n",
		m->nnodes);
	for (unsigned i = 0; i < m->nnodes; i++)
		len += (size_t)snprintf(text, sizeof(text), "%u ", os[i]);
	fprintf(r->out, "    <indexes length=\"%zu\">", len);
	for (unsigned i = 0; i < m->nnodes; i++)
		fprintf(r->out, "%u ", os[i]);
	fputs("</indexes>\n", r->out);
	for (unsigned i = 0; i < m->nnodes; i++) {
		const uint32_t *row = &m->distance[(size_t)i * m->nnodes];

		len = 0;
		for (unsigned j = 0; j < m->nnodes; j++)
			len += (size_t)snprintf(text, sizeof(text), "%u ", row[j]);
		fprintf(r->out, "    <u64values length=\"%zu\">", len);
		for (unsigned j = 0; j < m->nnodes; j++)
			fprintf(r->out, "%u ", row[j]);
		fputs("</u64values>\n", r->out);
	}
	fputs("  </distances2>\n", r->out);
}

static int build_distances(struct reader *r, struct sr_machine *m)
{
	size_t n = m->nnodes, nb = r->nbobjs;
	uint32_t os[SR_MAX_NODES] = { 0 };
	int of[SR_MAX_NODES]; /* position in the XML's matrix -> our index, -1 */

	m->distance = calloc(n * n, sizeof(*m->distance));
	if (!m->distance)
		return sr_machine_no_memory(r);
	for (size_t i = 0; i < n * n; i++)
		m->distance[i] = i / n == i % n ? 10 : 20;
	if (!r->distances_done)
		return 0;
	if (r->nindex != nb || r->nvalue != nb * nb)
		return sr_machine_bad_xml(r, "its distances are incomplete");
	if (n == 1)
		return 0; /* to itself: 10 */
	for (size_t i = 0; i < nb; i++) {
		of[i] = -1;
		for (unsigned k = 0; k < r->nnodes; k++)
			if (r->nodes[k].os == r->index[i])
				of[i] = r->nodes[k].index;
	}
	for (unsigned k = 0; k < r->nnodes; k++)
		if (r->nodes[k].index >= 0)
			os[r->nodes[k].index] = r->nodes[k].os;
	for (size_t i = 0; i < nb; i++)
		for (size_t j = 0; j < nb; j++)
			if (of[i] >= 0 && of[j] >= 0 && r->value[i * nb + j])
				m->distance[(size_t)of[i] * n + (size_t)of[j]] = (uint32_t)r->value[i * nb + j];
	emit_distances(r, m, os);
	return 0;
}

int sr_machine_build(struct reader *r, struct sr_machine *m)
{
	return build_cpus(r, m) ? -1 : build_distances(r, m);
}
