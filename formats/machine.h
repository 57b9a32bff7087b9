/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine: CPUs and what they share, taken from hwloc (machine_hwloc.c is its one owner).
 * Immutable after loading; may be read by many threads.
 */
#ifndef SCHEDREC_FORMATS_MACHINE_H
#define SCHEDREC_FORMATS_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/task.h"

#define SR_CACHE_LEVELS 4 /* 2 to 5: the first level is left out */

/* sr_cpu.barred: why a cpu that is there is not online. */
enum {
	SR_BARRED_CPUSET = 1,   /* the process's cpuset, its affinity */
	SR_BARRED_ISOLATED = 2, /* isolcpus=, an isolated cpuset partition: only who asks for it by number may use it */
};

struct sr_cpu {
	uint16_t os;        /* the kernel's number */
	uint16_t core;      /* dense index of its core: same core = SMT siblings */
	uint16_t llc;       /* dense index of the last-level cache it shares (its core's own when it shares none) */
	uint16_t cluster;   /* dense index (the kernel's cluster, else a cache between core and llc); else as llc */
	uint16_t package;   /* dense index; one package where the firmware names none */
	uint16_t node;      /* dense index of its NUMA node: nodes without a cpu are not counted */
	uint16_t capacity;  /* 1..1024, relative to the machine's fastest; 1024 where unknown */
	uint8_t online;     /* in the machine, not isolated, and usable by this process where the machine is this one */
	uint8_t barred;     /* SR_BARRED_*, where it is not online */
	uint16_t clustered; /* cluster is one: not the llc in its stead */
	uint16_t kind;      /* index into kinds; SR_NO_CORE: not told */
	uint16_t cache[SR_CACHE_LEVELS]; /* [0] its second-level cache and so on: index into caches; SR_NO_CORE: none */
};
#define SR_NO_CORE UINT16_MAX /* core of a hole: a number that names no cpu that is switched on */

struct sr_cache {
	uint32_t kib;   /* 0: not known */
	uint16_t ncpus; /* that share it */
	uint16_t level; /* 2 to 5 */
};

/* CPUs of one kind, where the machine has several. */
struct sr_kind {
	char name[24];    /* "IntelCore", "big", ...; "": not told */
	uint32_t max_mhz; /* 0: not known */
};

struct sr_machine {
	unsigned ncpus; /* highest os number + 1, at most SR_MAX_CPUS; v[] is indexed by os number */
	struct sr_cpu *v;
	unsigned ncores, nllcs, nclusters, npackages, nnodes;
	uint32_t *distance;      /* nnodes x nnodes, NUMA distances as the firmware gives them (10 = local); 10 and 20
				* where it gives none */
	struct sr_cache *caches; /* in order of their first cpu as the kernel's topology has it */
	struct sr_kind *kinds;
	unsigned ncaches, nkinds;
	bool capacity_estimated;   /* capacities are the ratio of the kinds' frequencies: nothing better was told */
	struct sr_cpumask offline; /* there, but switched off */
	char *summary;             /* one line: "2 cores, 2 CPUs, 1 package, 1 node" */
	char *xml;                 /* hwloc XML, scrubbed of host name, addresses and the like; for SRZ_SEC_MACHINE */
};

/* Do the same CPU numbers name the same places in both? Which of them are switched on does not matter. */
bool sr_machine_same(const struct sr_machine *a, const struct sr_machine *b);

/*
 * How far apart two CPUs are: the levels of migrations.*. SMT: other thread of the core. LLC: other core, same last
 * cache. PACKAGE: same NUMA node, other last cache (whether or not the package is another). NODE: other NUMA node,
 * or a cpu that the machine does not have.
 */
enum sr_level { SR_LEVEL_SELF, SR_LEVEL_SMT, SR_LEVEL_LLC, SR_LEVEL_PACKAGE, SR_LEVEL_NODE };
enum sr_level sr_machine_level(const struct sr_machine *m, unsigned cpu_a, unsigned cpu_b);

/*
 * spec: NULL or "this"; a file of hwloc XML; an hwloc synthetic string; a preset's name. A wrong one is SR_USAGE,
 * a file that is not there SR_ENVIRONMENT, one that is no machine SR_DAMAGED. "this" counts as usable what
 * the process's cpuset and the calling thread's affinity allow: call it before pinning.
 * hwloc is silenced by setting HWLOC_HIDE_ERRORS unless the environment has it: the first call comes before threads.
 */
struct sr_machine *sr_machine_load(const char *spec, struct sr_error *err);
struct sr_machine *sr_machine_from_xml(const char *xml, size_t len, struct sr_error *err); /* SR_DAMAGED */
/* Writes m->summary anew: after a change to online, which is all that a caller may change. */
int sr_machine_summarize(struct sr_machine *m, struct sr_error *err);
void sr_machine_free(struct sr_machine *m); /* NULL is allowed */

struct sr_machine_preset {
	const char *name, *help;
	const char *synthetic; /* the machine as hwloc's synthetic string, before the members below */
	const char *kinds;    /* what the string cannot say: "446x4:little,1024x4:big", capacity, number and kind of the
				* CPUs in order of their numbers; NULL: all alike */
	const char *distance; /* NUMA distances, row by row, "10,20,20,10"; NULL: 10 and 20 */
	unsigned cpus;        /* only the CPUs below this number exist; 0: all of the string */
};
const struct sr_machine_preset *sr_machine_presets(void); /* ended by a NULL name */

#endif
