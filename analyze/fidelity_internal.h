/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between fidelity.c, which reads and joins, fidelity_measure.c, and the parts of the report. */
#ifndef SCHEDREC_ANALYZE_FIDELITY_INTERNAL_H
#define SCHEDREC_ANALYZE_FIDELITY_INTERNAL_H

#include "analyze/fidelity.h"
#include "analyze/internal.h"

/* Sets fidelity.* of f, whose sides are joined; r: the replay. */
int ana_fidelity_measure(struct ana_fidelity *f, const struct srz_reader *r, struct sr_error *err);

/* Parts of a report; out is zeroed before. */
int ana_fidelity_dists(const struct ana_fidelity *replays, size_t n, struct ana_fidelity_report *out,
		       struct sr_error *err);
int ana_fidelity_worst(const struct ana_fidelity *replays, size_t n, struct ana_fidelity_report *out,
		       struct sr_error *err);
int ana_fidelity_wrong_edges(const struct ana_fidelity *replays, size_t n, struct ana_fidelity_report *out,
			     struct sr_error *err);

#endif
