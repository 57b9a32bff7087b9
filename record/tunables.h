/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel that is recorded, and how it is set: what decides how it schedules and is not in the events.
 * Files that are not there, or may not be read, are left out; nothing here is an error but a lack of memory.
 * Values are cut to REC_TUNABLE_VALUE bytes, control characters in them become blanks.
 */
#ifndef SCHEDREC_RECORD_TUNABLES_H
#define SCHEDREC_RECORD_TUNABLES_H

#include <stddef.h>

#include "formats/error.h"

#define REC_TUNABLE_KEY 96
#define REC_TUNABLE_VALUE 2048
#define REC_TUNABLES_MAX 512

struct rec_tunable {
	char key[REC_TUNABLE_KEY]; /* the meta key: "kernel.cmdline", "tunable.sched_rt_runtime_us", ... */
	char *value;
};

/* Owned; a zeroed struct is an empty one. */
struct rec_tunables {
	struct rec_tunable *v;
	size_t n, cap;
};

/* root: "" for this machine, else a directory that stands for / (tests). Some files need root: to be called before
 * rec_drop_privileges. */
int rec_tunables_read(struct rec_tunables *t, const char *root, struct sr_error *err);
void rec_tunables_release(struct rec_tunables *t);

#endif
