/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scheduling attributes that events do not tell: classes and their parameters, affinity, control groups, sessions.
 * A table of different sets, and entries: from this time on the task of this tid had that set. A fork hands them on;
 * an entry stands where that is not so. FORMAT.md, "Attributes", is normative.
 *
 * Owned arrays; a zeroed struct is an empty one. One thread at a time.
 */
#ifndef SCHEDREC_FORMATS_ATTR_H
#define SCHEDREC_FORMATS_ATTR_H

#include "formats/srz.h"

#define SR_ATTR_NONE UINT32_MAX /* index of a mask or group that is not known */

/* A control group with the cpu controller. */
struct sr_group {
	char *path;                   /* as /proc/PID/cgroup has it */
	uint8_t version;              /* of the hierarchy: 1, 2 */
	uint8_t idle;                 /* cpu.idle */
	uint32_t weight;              /* version 1: cpu.shares, 2: cpu.weight; 0: not known */
	uint64_t quota_us, period_us; /* of the bandwidth limit; quota 0: none */
};

struct sr_attr {
	uint8_t policy, rt_prio;
	int8_t nice, session_nice;
	uint32_t session; /* number of its autogroup, 0: none */
	uint64_t runtime_ns, deadline_ns,
		period_ns;           /* of DEADLINE; runtime of normal ones: their slice, 0: not known */
	uint32_t util_min, util_max; /* clamps, 0 to 1024; max 0: not known */
	uint32_t mask, group;
};

struct sr_attr_entry {
	uint64_t time_ns; /* of the fork or exec after which it was read; 0: at the recording's start */
	int32_t tid;
	uint32_t attr;
};

struct sr_attrs {
	struct sr_cpumask *masks;
	size_t nmasks, masks_cap;
	struct sr_group *groups;
	size_t ngroups, groups_cap;
	struct sr_attr *v;
	size_t n, cap;
	struct sr_attr_entry *entries;
	size_t nentries, entries_cap;
};

void sr_attrs_release(struct sr_attrs *a);
/* The index of an equal one, or of a new one; SR_ATTR_NONE: out of memory, or more than a file can hold. */
uint32_t sr_attrs_mask(struct sr_attrs *a, const struct sr_cpumask *mask);
uint32_t sr_attrs_group(struct sr_attrs *a, const struct sr_group *g); /* equal: of this path; it is copied */
/* Equal also in weight and limits: two of one path, of two recordings, are two where they differ. */
uint32_t sr_attrs_group_as_set(struct sr_attrs *a, const struct sr_group *g);
uint32_t sr_attrs_set(struct sr_attrs *a, const struct sr_attr *attr);
int sr_attrs_add(struct sr_attrs *a, uint64_t time_ns, int32_t tid, uint32_t attr); /* -1 likewise; in order of time */

int sr_attrs_put(struct srz_writer *w, const struct sr_attrs *a, struct sr_error *err); /* nothing when it is empty */
/* SR_DAMAGED: the section is. A file without one gives none. */
int sr_attrs_get(const struct srz_reader *r, struct sr_attrs *a, struct sr_error *err);
/* The entry of just this time and tid; NULL: there is none. */
const struct sr_attr *sr_attrs_at(const struct sr_attrs *a, uint64_t time_ns, int32_t tid);

#endif
