/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control groups for a replay: one for each of the recording, with its weight, idle flag and bandwidth limit, all side by
 * side below the group that this process is in.
 *
 *   rpl_groups_start   before privileges are dropped: forks a helper that keeps them, and does nothing but make groups
 *                      and remove them. What a setuid program, or one whose file has capabilities, may do it may not.
 *   rpl_groups_make    asks it for the groups
 *   rpl_groups_stop    they are gone when it returns. Whoever is in one has ended by then.
 *
 * When this process ends otherwise, the helper removes them as soon as they are empty; what a killed helper leaves, the
 * next one removes. Version 1 and version 2 (threaded groups; "+cpu" in the group that they are made in while they are
 * there). One thread at a time.
 */
#ifndef SCHEDREC_REPLAY_GROUPS_H
#define SCHEDREC_REPLAY_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "formats/attr.h"

#define RPL_MAX_GROUPS 512

struct rpl_groups {
	int fd; /* the helper's socket, -1: there is no helper */
	pid_t pid;
	int *move; /* of each recorded group: who writes "0" there is moved into it; -1: it was not made */
	int home;  /* the same, into this process' own */
	size_t n, made;
	int error; /* errno of the first that was not made; ENOTSUP: there is no cpu controller */
};

void rpl_groups_start(struct rpl_groups *g);
/* Those of the n that are used. false: not all were made, see g->error. */
bool rpl_groups_make(struct rpl_groups *g, const struct sr_group *groups, const bool *used, size_t n);
void rpl_groups_stop(struct rpl_groups *g); /* a zeroed one is allowed */

#endif
