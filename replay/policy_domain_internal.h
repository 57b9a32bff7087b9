/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy `domain`: what its parts share. */
#ifndef SCHEDREC_REPLAY_POLICY_DOMAIN_INTERNAL_H
#define SCHEDREC_REPLAY_POLICY_DOMAIN_INTERNAL_H

#include "replay/domains.h"
#include "replay/policy.h"

#define NS_PER_MS 1000000u

/* Options that name a behaviour are stored as the number of their value, in the order of domain_rows. */
enum { HOT_FIXED, HOT_267 };
enum { CLONE_THREADS, CLONE_NO, CLONE_ALL };
enum { WAKE_267, WAKE_267_RC3 };
enum { WAKE_IDLE_267, WAKE_IDLE_2611 };
enum { MIGRATE_267, MIGRATE_2611 };
enum { BUSIEST_267, BUSIEST_2612 };
enum { PUSH_267, PUSH_2610, PUSH_2611, PUSH_NO };
enum { FAILED_RESET, FAILED_GROW };
enum { LEVELS_267, LEVELS_FULL };
enum { DEGENERATE_KEEP, DEGENERATE_DROP };
enum { OFF, ON };

struct domain_options {
	unsigned tables; /* enum rpl_sd_tables */
	unsigned hot, clone, wake, wake_idle, migrate, busiest, push, failed, levels, degenerate, smtnice;
	bool hot_cache;
	uint64_t hot_ns, tick_ns; /* hot_ns 0: the table's */
};

/* One a cpu and level: what its owner remembers. */
struct domain_sd {
	const struct rpl_span *span;
	unsigned own;          /* the owner's group */
	uint64_t last_balance; /* jiffies */
	unsigned interval_ms, failed;
};

struct smtnice;

struct domain {
	struct domain_options o;
	struct rpl_domains tree;
	bool smt;             /* the lowest level is that of cores */
	struct domain_sd *sd; /* [cpu * nlevels + k], k < tree.depth[cpu] */
	/* Of each cpu: its average load, and from it and the present one the lower, for a cpu that tasks would leave,
	 * and the higher, for one that they would come to; of each span of a level what its CPUs have together. */
	uint32_t *cpu_load, *source, *target;
	struct domain_sum {
		uint64_t source, target;
	} * sum[RPL_SD_LEVELS];
	bool *ticked;
	int *queue;
	int16_t *prio;           /* of the queue's tasks */
	uint64_t *visited;       /* a bit a cpu */
	int preempted;           /* by the pusher at work: the task that ran */
	struct smtnice *smtnice; /* NULL: off */
};

extern const struct rpl_policy_option domain_rows[];
/* Defaults, then options; a preset sets what comes before it and is changed by what comes behind. -1, SR_USAGE. */
int domain_options(struct domain_options *o, const char *options, struct sr_error *err);
void domain_config(const struct domain_options *o, struct rpl_sd_config *cfg);

/*
 * SMT-nice: a cpu of a core is held idle while its sibling runs a task of so much better priority that its time slice,
 * less what the sibling adds, is still longer than the held one's. Time slices are 2.6's, 10 to 200 ms by nice value,
 * counted here by ticks.
 */
int smtnice_init(struct domain *d, struct rpl_engine *e, struct sr_error *err);
/* Something changed on this cpu: its core is looked at again. */
void smtnice_look(struct domain *d, struct rpl_engine *e, unsigned cpu);
void smtnice_tick(struct domain *d, struct rpl_engine *e, unsigned cpu);
uint64_t smtnice_slice_ns(int prio);

#endif
