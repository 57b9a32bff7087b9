/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine: CPUs and what they share, taken from hwloc (this file's implementation is hwloc's one owner).
 * Immutable after loading; may be read by many threads.
 */
#ifndef SCHEDREC_FORMATS_MACHINE_H
#define SCHEDREC_FORMATS_MACHINE_H

#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/task.h"

struct sr_cpu {
	uint16_t os;        /* the kernel's number */
	uint16_t core;      /* dense index of its core: same core = SMT siblings */
	uint16_t llc;       /* dense index of the last-level cache it shares (its own when it shares none) */
	uint16_t cluster;   /* dense index, as llc where the machine has no clusters */
	uint16_t package;   /* dense index */
	uint16_t node;      /* dense index of its NUMA node */
	uint16_t capacity;  /* 1..1024, relative to the machine's fastest; 1024 where unknown */
	uint8_t online;     /* in the machine and usable by this process where the machine is this one */
};

struct sr_machine {
	unsigned ncpus;        /* highest os number + 1; v[] is indexed by os number, holes have online 0 */
	struct sr_cpu *v;
	unsigned ncores, nllcs, nclusters, npackages, nnodes;
	uint32_t *distance;    /* nnodes x nnodes, NUMA distances as the firmware gives them (10 = local) */
	char *summary;         /* one line: "2 cores, 2 CPUs, 1 package, 1 node" */
	char *xml;             /* hwloc XML, scrubbed of host name and addresses; for SRZ_SEC_MACHINE */
};

/* How far apart two CPUs are: the levels of migrations.*. */
enum sr_level { SR_LEVEL_SELF, SR_LEVEL_SMT, SR_LEVEL_LLC, SR_LEVEL_PACKAGE, SR_LEVEL_NODE };
enum sr_level sr_machine_level(const struct sr_machine *m, unsigned cpu_a, unsigned cpu_b);

/* spec: NULL or "this"; a file of hwloc XML; an hwloc synthetic string; a preset's name. A wrong one is SR_USAGE. */
struct sr_machine *sr_machine_load(const char *spec, struct sr_error *err);
struct sr_machine *sr_machine_from_xml(const char *xml, size_t len, struct sr_error *err); /* SR_DAMAGED */
void sr_machine_free(struct sr_machine *m);

struct sr_machine_preset {
	const char *name, *help;
};
const struct sr_machine_preset *sr_machine_presets(void); /* ended by a NULL name */

#endif
