/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the policies share. Private to them. */
#ifndef SCHEDREC_REPLAY_POLICY_UTIL_H
#define SCHEDREC_REPLAY_POLICY_UTIL_H

#include "replay/policy.h"

enum rpl_class { RPL_CLASS_DEADLINE, RPL_CLASS_RT, RPL_CLASS_FAIR };

static inline enum rpl_class rpl_class(const struct rpl_task_view *v)
{
	if (v->prio < 0)
		return RPL_CLASS_DEADLINE;
	return v->prio < 100 ? RPL_CLASS_RT : RPL_CLASS_FAIR;
}

static inline enum rpl_class rpl_class_of(const struct rpl_engine *e, int task)
{
	struct rpl_task_view v;

	e->task(e, task, &v);
	return rpl_class(&v);
}

static inline bool rpl_may_use(const struct rpl_engine *e, unsigned cpu, const struct sr_cpumask *allowed)
{
	return cpu < e->ncpus && e->machine->v[cpu].online && (!allowed || allowed->w[cpu / 64] >> (cpu % 64) & 1);
}

/* cpu where the task may run there, else prev, else the lowest cpu it may use; -1: it may use none. */
int rpl_allowed_or(const struct rpl_engine *e, int cpu, int prev, const struct sr_cpumask *allowed);

struct rpl_option {
	char key[24], value[512];
};
/* Takes the next "key=value" off *options (NULL: none). 1; 0 at the end; -1, SR_USAGE naming the policy. */
int rpl_option_next(const char *policy, const char **options, struct rpl_option *o, struct sr_error *err);
/* For a policy that takes none: 0, or -1 when there are any. */
int rpl_option_none(const char *policy, const char *options, struct sr_error *err);
/* For an option that no policy of this name has (known: those that it has), and for a value that is none of the choices.
 * -1. */
int rpl_option_unknown(const char *policy, const struct rpl_option *o, const struct rpl_policy_option *known,
		       struct sr_error *err);
int rpl_option_value(const char *policy, const struct rpl_option *o, const char *choices, struct sr_error *err);

#endif
