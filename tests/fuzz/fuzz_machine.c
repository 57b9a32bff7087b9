/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: any bytes as hwloc's XML of a machine. Nothing may crash; a machine that is taken keeps the promises of
 * machine.h, and its own XML is taken again and gives the same machine.
 */
#include <string.h>

#include "formats/machine.h"
#include "tests/fuzz/fuzz.h"

static void check_cpus(const struct sr_machine *m)
{
	MUST_BE(m->ncpus && m->ncpus <= SR_MAX_CPUS && m->ncores && m->nllcs && m->nclusters && m->npackages &&
		m->nnodes);
	for (unsigned i = 0; i < m->ncpus; i++) {
		const struct sr_cpu *c = &m->v[i];

		MUST_BE(c->os == i);
		if (c->core == SR_NO_CORE) {
			MUST_BE(!c->online);
			continue;
		}
		MUST_BE(c->core < m->ncores && c->llc < m->nllcs && c->cluster < m->nclusters &&
			c->package < m->npackages && c->node < m->nnodes);
		MUST_BE(c->capacity && c->capacity <= 1024);
		MUST_BE(c->online == !c->barred);
		MUST_BE(c->kind == SR_NO_CORE || c->kind < m->nkinds);
		for (unsigned l = 0; l < SR_CACHE_LEVELS; l++)
			MUST_BE(c->cache[l] == SR_NO_CORE ||
				(c->cache[l] < m->ncaches && m->caches[c->cache[l]].level == l + 2 &&
				 m->caches[c->cache[l]].ncpus));
		MUST_BE(!sr_cpumask_isset(&m->offline, i));
		MUST_BE(sr_machine_level(m, i, i) == SR_LEVEL_SELF);
		MUST_BE(sr_machine_level(m, i, 0) == sr_machine_level(m, 0, i));
	}
	MUST_BE(sr_machine_level(m, 0, m->ncpus) == SR_LEVEL_NODE);
}

/* But for blanks: what lies in an element that is left out stays indented by it. */
static int same_text(const char *a, const char *b)
{
	do {
		a += strspn(a, " ");
		b += strspn(b, " ");
	} while (*a && *a++ == *b++);
	return !*a && !*b;
}

static void check_same(const struct sr_machine *a, const struct sr_machine *b)
{
	MUST_BE(a->ncpus == b->ncpus && a->ncores == b->ncores && a->nllcs == b->nllcs &&
		a->nclusters == b->nclusters && a->npackages == b->npackages && a->nnodes == b->nnodes &&
		a->ncaches == b->ncaches && a->nkinds == b->nkinds && a->capacity_estimated == b->capacity_estimated);
	MUST_BE(!memcmp(a->caches, b->caches, a->ncaches * sizeof(*a->caches)));
	MUST_BE(!memcmp(a->kinds, b->kinds, a->nkinds * sizeof(*a->kinds)));
	MUST_BE(!memcmp(&a->offline, &b->offline, sizeof(a->offline)));
	for (unsigned i = 0; i < a->ncpus; i++) {
		const struct sr_cpu *x = &a->v[i], *y = &b->v[i];

		MUST_BE(x->os == y->os && x->core == y->core && x->llc == y->llc && x->cluster == y->cluster &&
			x->package == y->package && x->node == y->node && x->capacity == y->capacity &&
			x->online == y->online && x->barred == y->barred && x->kind == y->kind &&
			x->clustered == y->clustered && !memcmp(x->cache, y->cache, sizeof(x->cache)));
	}
	for (size_t i = 0; i < (size_t)a->nnodes * a->nnodes; i++)
		MUST_BE(a->distance[i] == b->distance[i]);
	MUST_BE(!strcmp(a->summary, b->summary) && same_text(a->xml, b->xml));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sr_machine *m, *again;
	struct sr_error err;

	m = sr_machine_from_xml((const char *)data, size, &err);
	if (!m) {
		MUST_BE(err.status == SR_DAMAGED && *err.text && !strchr(err.text, '\n'));
		return 0;
	}
	check_cpus(m);
	MUST_BE(m->xml && m->summary && m->distance && !strchr(m->summary, '\n'));
	again = sr_machine_from_xml(m->xml, strlen(m->xml), &err);
	MUST_BE(again);
	check_same(m, again);
	sr_machine_free(again);
	sr_machine_free(m);
	return 0;
}
