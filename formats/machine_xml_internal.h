/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From hwloc's XML to the machine: what the reader (machine_xml.c) hands to the builder (machine_build.c). */
#ifndef SCHEDREC_FORMATS_MACHINE_XML_INTERNAL_H
#define SCHEDREC_FORMATS_MACHINE_XML_INTERNAL_H

#include <stdbool.h>
#include <stdio.h>

#include "formats/machine_internal.h"

#define MAX_DEPTH 64

struct span {
	const char *p;
	size_t len;
};

enum type { T_SKIP, T_ELIDE, T_MACHINE, T_PACKAGE, T_DIE, T_CORE, T_PU, T_CACHE, T_GROUP, T_NODE, T_MEMCACHE };

struct object {
	enum type type;
	uint32_t parent, npus;
	bool cluster;
	uint8_t level;  /* of a cache */
	uint16_t cache; /* its index in the machine; SR_NO_CORE: no cpu has named it yet */
	uint32_t kib;
};

struct node {
	uint32_t os;
	unsigned weight;
	int index; /* among the nodes that have CPUs, -1: not named by a cpu yet */
	struct sr_cpumask cpus;
};

enum element { E_TOPOLOGY, E_OBJECT, E_INFO, E_KIND, E_DISTANCES, E_INDEXES, E_VALUES, E_SKIP, E_ELIDE };

struct frame {
	struct span name;
	enum element element;
	uint32_t object;
};

struct reader {
	const char *in, *end;
	struct sr_error *err;
	FILE *out;
	struct frame stack[MAX_DEPTH];
	unsigned depth;
	bool seen_topology;

	struct object *objects;
	uint32_t nobjects, objects_cap;
	uint32_t pu[SR_MAX_CPUS];    /* os number -> object */
	uint16_t order[SR_MAX_CPUS]; /* os numbers in logical order */
	unsigned npus;
	struct node *nodes;
	unsigned nnodes;
	bool has_allowed, has_complete;
	struct sr_cpumask allowed, complete, isolated;

	uint64_t capacity[SR_MAX_CPUS];
	struct sr_kind kind[SR_MAX_KINDS]; /* the last one may be open */
	unsigned nkinds;
	uint16_t kind_of[SR_MAX_CPUS];
	struct sr_cpumask kind_cpus; /* of the open cpukind */

	bool distances_done;
	unsigned nbobjs;
	uint64_t *index, *value; /* of the open or finished distances */
	size_t nindex, nvalue;
};

int sr_machine_bad_xml(struct reader *r, const char *what); /* -1 */
int sr_machine_no_memory(struct reader *r);                 /* -1 */
/* Fills in the machine, and ends r->out with its distances. */
int sr_machine_build(struct reader *r, struct sr_machine *m);

#endif
