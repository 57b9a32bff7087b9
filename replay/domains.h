/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scheduling domains: around each cpu a stack of spans, each parted into groups, from a machine's CPUs that are online.
 * The policy `domain` balances over them, `schedrec topology` draws them.
 *
 *	level  span            groups               2.6.7             full
 *	  3    all             8 nodes              NODE              NUMA, one a distance
 *	  2    a node          its cores            CPU               NODE, PACKAGE, LLC, CLUSTER
 *	  1    a core          its CPUs             SIBLING           SMT
 *
 * A group of a span is a span of the level below (of its lowest level: a cpu); together they are the span. The NUMA
 * levels of "full" are seen from a node, all that is not farther than a distance, and so may overlap.
 *
 * Built once, read by many. All memory is from the caller's allocator, and lasts as long as that says.
 */
#ifndef SCHEDREC_REPLAY_DOMAINS_H
#define SCHEDREC_REPLAY_DOMAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/machine.h"

#define RPL_SD_SCALE 128u /* one full cpu: loads, powers */
#define RPL_SD_LEVELS 13  /* at most: SMT to NODE, and 8 distances */

/* What a level takes part in. 2.6.7's bits; CLONE was to become FORK. */
enum {
	RPL_SD_NEWIDLE = 1,
	RPL_SD_EXEC = 2,
	RPL_SD_CLONE = 4,
	RPL_SD_WAKE_IDLE = 8,
	RPL_SD_WAKE_AFFINE = 16,
	RPL_SD_WAKE_BALANCE = 32,
	RPL_SD_SHARE_CPUPOWER = 64,
};

/* Which kernel's constants and flags. */
enum rpl_sd_tables { RPL_SD_2_6_7, RPL_SD_2_6_10, RPL_SD_2_6_12, RPL_SD_MODERN };

struct rpl_sd_config {
	enum rpl_sd_tables tables;
	bool full;           /* levels as today's kernels have them; else 2.6.7's three */
	bool drop;           /* levels of a single group are left out of a cpu's stack */
	bool hot_cache;      /* hot_ns of the levels in a node from the size of the caches that a move leaves */
	uint64_t cpu_hot_ns; /* hot_ns of the levels in a node; 0: the table's */
};

struct rpl_sd_params {
	unsigned min_ms, max_ms, start_ms; /* balancing interval, and what it is at first */
	unsigned busy_factor;              /* longer by that much while the cpu is busy */
	unsigned imbalance_pct, nice_tries, per_cpu_gain, flags;
	uint64_t hot_ns;
};

struct rpl_group {
	const uint16_t *cpu; /* ascending */
	unsigned n, power;
	const uint16_t *part; /* the spans of level[part_level] that it is made of; of a lowest level none: one cpu */
	unsigned nparts, part_level;
};

struct rpl_span {
	unsigned level;
	const uint16_t *cpu; /* ascending */
	unsigned n;
	const struct rpl_group *group; /* by their first cpu */
	unsigned ngroups;
	struct rpl_sd_params par;
	const bool *node; /* of a NUMA level: the nodes that it holds */
};

struct rpl_sd_level {
	const char *name;
	uint32_t distance; /* of a NUMA level; else 0 */
	const struct rpl_span *span;
	unsigned nspans;
	const uint16_t *span_of; /* by cpu; of a NUMA level by node */
};

/* A place in a cpu's stack: the span, and the group that holds the cpu. */
struct rpl_sd {
	const struct rpl_span *span;
	unsigned own;
};

struct rpl_domains {
	const struct sr_machine *machine;
	unsigned ncpus, nlevels;
	struct rpl_sd_level level[RPL_SD_LEVELS]; /* lowest first */
	const struct rpl_sd *stack;               /* [cpu * nlevels + k], lowest first; see depth */
	const uint8_t *depth;                     /* by cpu: levels in its stack, 0 of one that is not online */
};

/* What the policy `domain` with these options (NULL: none) builds. -1, SR_USAGE. */
int rpl_domains_config(const char *options, struct rpl_sd_config *cfg, struct sr_error *err);

/* Zeroed memory; NULL: there is none. */
typedef void *(*rpl_domains_alloc)(void *arg, size_t n, size_t size);

/* The machine stays the caller's. -1, SR_ENVIRONMENT: out of memory. A machine without a cpu online has no levels. */
int rpl_domains_build(struct rpl_domains *d, const struct sr_machine *m, const struct rpl_sd_config *cfg,
		      rpl_domains_alloc alloc, void *arg, struct sr_error *err);

static inline const struct rpl_sd *rpl_stack(const struct rpl_domains *d, unsigned cpu)
{
	return &d->stack[(size_t)cpu * d->nlevels];
}

/* cpu: one that is online. */
static inline bool rpl_span_has(const struct rpl_domains *d, const struct rpl_span *s, unsigned cpu)
{
	const struct rpl_sd_level *l = &d->level[s->level];

	return l->distance ? s->node[d->machine->v[cpu].node] : &l->span[l->span_of[cpu]] == s;
}

/* "newidle", ... of one bit. */
const char *rpl_sd_flag_name(unsigned flag);

#endif
