/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/cmd_energy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/srz.h"

int cmd_energy_table(const char *file, const struct rpl_policy *p, const char *given, const struct sr_machine *m,
		     struct rpl_energy **table, char **options, struct sr_error *err)
{
	char own[512];

	*table = NULL;
	*options = NULL;
	if (p == &rpl_policy_eas) {
		const char *its = rpl_eas_energy_file(given, own, sizeof(own));

		if (file && !its) {
			if (strchr(file, ','))
				return sr_fail(err, SR_USAGE, "--energy: the name of eas's table may have no comma: %s",
					       file);
			if (asprintf(options, "%s%senergy=%s", given ? given : "", given ? "," : "", file) < 0) {
				*options = NULL;
				return sr_fail(err, SR_ENVIRONMENT, "out of memory");
			}
		} else {
			file = its;
		}
	} else if (!file) {
		return 0;
	}
	*table = rpl_energy_new(file, m, err);
	if (!*table) {
		free(*options);
		*options = NULL;
		return -1;
	}
	return 0;
}

static int add_slice(void *arg, const struct ana_slice *s, struct sr_error *err)
{
	rpl_meter_add(arg, s->cpu, s->start_ns, s->end_ns);
	return 0;
}

int cmd_energy_measure(const char *path, const struct rpl_energy *t, struct ana_result *out, struct sr_error *err)
{
	struct srz_reader *r;
	struct rpl_meter *m;
	int rc = -1;

	if (!t)
		return ana_file(path, ANA_BOUND, out, err);
	r = srz_open(path, err);
	if (!r)
		return -1;
	m = rpl_meter_new(t, srz_get_info(r)->first_ns, srz_get_info(r)->last_ns, err);
	srz_reader_free(r);
	if (m && ana_file_slices(path, ANA_BOUND, add_slice, m, out, err) == 0)
		rc = out->self ? 0 : ana_set(out, "energy_j", "J", rpl_meter_joules(m), err);
	rpl_meter_free(m);
	return rc;
}
