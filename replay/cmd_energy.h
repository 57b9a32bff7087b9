/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The metric energy_j of a replay or simulation: what its CPUs would have drawn by an energy table. */
#ifndef SCHEDREC_REPLAY_CMD_ENERGY_H
#define SCHEDREC_REPLAY_CMD_ENERGY_H

#include "analyze/analyze.h"
#include "replay/energy.h"
#include "replay/policy.h"

/*
 * The table of one run: that of the policy `eas`; else of file (NULL: none). given NULL: there is none, and no energy_j.
 * An eas without a table of its own gets the file: its options then are *options, to be freed, else NULL.
 */
int cmd_energy_table(const char *file, const struct rpl_policy *p, const char *given, const struct sr_machine *m,
		     struct rpl_energy **table, char **options, struct sr_error *err);
/* As ana_file with ANA_BOUND; with a table (NULL: none) also energy_j, but for a run that recorded itself. */
int cmd_energy_measure(const char *path, const struct rpl_energy *t, struct ana_result *out, struct sr_error *err);

#endif
