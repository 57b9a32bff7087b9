/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes a night's comparisons doubtful: what `compare` warns of, a line each. */
#include "analyze/nightly_internal.h"

#include "formats/cost.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ana_night_doubt(struct ana_judge *j, const struct ana_night_arm *a, const char *kind, struct sr_error *err,
		    const char *fmt, ...)
{
	struct ana_night_verdicts *out = j->out;
	struct ana_night_doubt *d;
	va_list ap;
	int n;

	if (ana_reserve(&out->doubts, &j->doubts_cap, out->ndoubts + 1, sizeof(*out->doubts), err) < 0)
		return -1;
	d = &out->doubts[out->ndoubts];
	*d = (struct ana_night_doubt){ .arm = a->index, .kind = kind };
	memcpy(d->sha256, a->sha256, strlen(a->sha256) + 1);
	va_start(ap, fmt);
	n = vasprintf(&d->text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return ana_no_memory(err);
	out->ndoubts++;
	d->trace = strdup(a->trace);
	return d->trace ? 0 : ana_no_memory(err);
}

/* Runs of both arms together: how many, and the worst of them. */
static int doubt_recordings(struct ana_judge *j, const struct ana_night_arm *a, const struct ana_comparison *c,
			    struct sr_error *err)
{
	size_t runs = c->base_runs + c->cand_runs, lost = 0, disturbed = 0;
	double most_lost = 0, most_disturbed = 0;

	for (size_t i = 0; i < c->ndoubts; i++) {
		const struct ana_doubt *d = &c->doubts[i];

		if (d->lost_share > SR_COST_LOST_SHARE)
			lost++;
		if (d->disturbance > SR_COST_DISTURBANCE)
			disturbed++;
		if (d->lost_share > most_lost)
			most_lost = d->lost_share;
		if (d->disturbance > most_disturbed)
			most_disturbed = d->disturbance;
	}
	if (lost && ana_night_doubt(j, a, "lost events", err, "%zu of %zu runs lost events, up to %.1f%% of them", lost,
				    runs, 100 * most_lost) < 0)
		return -1;
	if (disturbed &&
	    ana_night_doubt(j, a, "disturbance", err, "recording %zu of %zu runs took up to %.0f%% of the machine",
			    disturbed, runs, 100 * most_disturbed) < 0)
		return -1;
	if (c->foreign_runs &&
	    ana_night_doubt(j, a, "foreign", err, "in %zu of %zu runs other programs had up to %.0f%% of the CPUs",
			    c->foreign_runs, runs, 100 * c->foreign_most) < 0)
		return -1;
	return 0;
}

int ana_night_doubts(struct ana_judge *j, const struct ana_night_arm *a, const struct ana_comparison *c,
		     struct sr_error *err)
{
	if (doubt_recordings(j, a, c, err) < 0)
		return -1;
	for (size_t i = 0; i < c->npoor; i++)
		if (ana_night_doubt(j, a, "fidelity", err,
				    "%s: %s is %.1f%% (median of %zu): a comparison that rests on these replays is"
				    " doubtful",
				    c->poor[i].arm, c->poor[i].measure, 100 * c->poor[i].value, c->poor[i].runs) < 0)
			return -1;
	if (c->conditions_differ && ana_night_doubt(j, a, "conditions", err,
						    "its runs and its base's were not all made under the same"
						    " conditions: %s",
						    c->conditions) < 0)
		return -1;
	if (c->mixed && ana_night_doubt(j, a, "left out", err,
					"%zu pairs of runs that were not side by side were left out: there are others",
					c->mixed) < 0)
		return -1;
	if (c->unpaired &&
	    ana_night_doubt(j, a, "left out", err, "%zu runs have no counterpart and were left out", c->unpaired) < 0)
		return -1;
	if (c->ncells && c->cells[0].evidence == ANA_ORDER_UNKNOWN)
		return ana_night_doubt(j, a, "order", err,
				       "in which order the runs were made is not known: the verdicts hold if the"
				       " policies took turns");
	return 0;
}

int ana_night_doubt_base(struct ana_judge *j, const struct ana_night_arm *a, const struct ana_db_run *base,
			 struct sr_error *err)
{
	struct ana_night_condition c[ANA_NIGHT_CONDITIONS];

	ana_night_conditions(a, c);
	for (size_t i = 0; i < ANA_NIGHT_CONDITIONS; i++) {
		const char *was = base->identity[c[i].id];

		if (strcmp(was ? was : "", c[i].is) != 0 &&
		    ana_night_doubt(j, a, "conditions", err, "its base has another %s: '%.60s', not '%.60s'", c[i].word,
				    was ? was : "", c[i].is) < 0)
			return -1;
	}
	return 0;
}
