/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of loading a user's own policy that needs no file; rpl_policy_open (policy.h) is the whole. */
#ifndef SCHEDREC_REPLAY_POLICY_SO_H
#define SCHEDREC_REPLAY_POLICY_SO_H

#include "replay/policy.h"
#include "replay/schedrec-policy.h"

/* Checks the table (SR_DAMAGED) and makes it one of ours, to be closed with rpl_policy_close. path is told in errors;
 * handle (NULL: none) is closed with it, and when this fails. */
const struct rpl_policy *rpl_policy_adopt(const struct schedrec_policy *table, const char *path, void *handle,
					  struct sr_error *err);

#endif
