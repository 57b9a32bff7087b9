/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between fidelity.c, which reads and joins, and fidelity_measure.c. */
#ifndef SCHEDREC_ANALYZE_FIDELITY_INTERNAL_H
#define SCHEDREC_ANALYZE_FIDELITY_INTERNAL_H

#include "analyze/fidelity.h"
#include "analyze/internal.h"

/* Sets fidelity.* of f, whose sides are joined; r: the replay. */
int ana_fidelity_measure(struct ana_fidelity *f, const struct srz_reader *r, struct sr_error *err);

#endif
