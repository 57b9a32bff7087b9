/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SCHEDREC_FORMATS_MODEL_INTERNAL_H
#define SCHEDREC_FORMATS_MODEL_INTERNAL_H

#include "formats/model.h"

/* Plays the model untimed, with counters for waits; a wait that would never end becomes a SLEEP of its recorded
 * length and is counted in counts.check_timed. */
int sr_model_check(struct sr_model *m, struct sr_error *err);

#endif
