/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analyze/cmd_merge_db.h"

#include <unistd.h>

#include "analyze/analyze.h"
#include "schedrec.h"

void cmd_warn_rounds_left_out(const struct ana_db_merged *m, const char *path, const char *into)
{
	if (m->rounds_left_out)
		cmd_warn("%s: %zu rounds stay out: %s has others of the same nights", path, m->rounds_left_out, into);
}

static void tell(const struct ana_db_merged *sum, size_t files, const char *output, bool json, bool quiet)
{
	char num[5][32];
	struct cmd_json j;

	if (json) {
		cmd_json_init(&j, stdout);
		cmd_json_open(&j, NULL, '{');
		cmd_json_str(&j, "file", output);
		cmd_json_u64(&j, "files", files);
		cmd_json_u64(&j, "runs_added", sum->runs);
		cmd_json_u64(&j, "runs_already_there", sum->runs_there);
		cmd_json_u64(&j, "noise_floors_added", sum->noise);
		cmd_json_u64(&j, "nights_added", sum->nights);
		cmd_json_u64(&j, "night_rounds_added", sum->rounds);
		cmd_json_u64(&j, "night_rounds_left_out", sum->rounds_left_out);
		cmd_json_u64(&j, "change_points_added", sum->changes);
		cmd_json_close(&j, '}');
	} else if (!quiet) {
		fprintf(stderr, "added %s run%s and %s noise floor%s to %s; ", sr_format_count(num[0], 32, sum->runs),
			sum->runs == 1 ? "" : "s", sr_format_count(num[1], 32, sum->noise), sum->noise == 1 ? "" : "s",
			output);
		fprintf(stderr, "%s had been there", sr_format_count(num[2], 32, sum->runs_there));
		if (sum->rounds || sum->changes)
			fprintf(stderr, "; %s round%s of nights, %s change point%s",
				sr_format_count(num[3], 32, sum->rounds), sum->rounds == 1 ? "" : "s",
				sr_format_count(num[4], 32, sum->changes), sum->changes == 1 ? "" : "s");
		putc('\n', stderr);
	}
}

int cmd_merge_databases(char **paths, size_t n, const char *output, bool json, bool quiet, struct sr_error *err)
{
	struct ana_db_merged sum = { 0 }, one;
	size_t databases = 0;
	struct ana_db *to;
	int ret = 0;

	for (size_t i = 0; i < n; i++)
		databases += ana_db_is(paths[i]);
	if (!databases)
		return CMD_NO_DATABASES;
	for (size_t i = 0; i < n && databases < n; i++) {
		if (ana_db_is(paths[i]))
			continue;
		if (access(paths[i], R_OK) < 0)
			return sr_fail_errno(err, SR_ENVIRONMENT, "%s", paths[i]);
		return sr_fail(err, SR_USAGE,
			       "%s is no database, others of the files are: join databases, or recordings", paths[i]);
	}
	if (!output)
		return sr_fail(err, SR_USAGE, "name the database to add the runs to: -o OUT.db");
	to = ana_db_open(output, true, err);
	if (!to)
		return -1;
	for (size_t i = 0; i < n && ret == 0; i++) {
		ret = ana_db_merge(to, paths[i], &one, err);
		if (ret == 0) {
			sum.runs += one.runs;
			sum.runs_there += one.runs_there;
			sum.noise += one.noise;
			sum.nights += one.nights;
			sum.rounds += one.rounds;
			sum.changes += one.changes;
			sum.rounds_left_out += one.rounds_left_out;
			cmd_warn_rounds_left_out(&one, paths[i], output);
		}
	}
	ana_db_close(to);
	if (ret == 0)
		tell(&sum, n, output, json, quiet);
	return ret;
}
