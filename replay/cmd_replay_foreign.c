/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others used of the CPUs of a live replay: in its file, in JSON, and a note. */
#include "replay/cmd_replay.h"

#include <stdio.h>
#include <stdlib.h>

#define MUCH 0.05 /* of a CPU: beyond it a run's figures are doubtful */

/* "0:0.02,1:0.31". */
static int put_shares(struct srz_writer *w, const char *key, const struct rpl_foreign *f, bool stolen,
		      struct sr_error *err)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	int ret;

	if (!to)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (size_t i = 0; i < f->n; i++)
		fprintf(to, "%s%u:%.2f", i ? "," : "", f->cpu[i].cpu, stolen ? f->cpu[i].stolen : f->cpu[i].foreign);
	if (fclose(to)) {
		free(text);
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	}
	ret = srz_put_meta(w, key, text, err);
	free(text);
	return ret;
}

int replay_foreign_meta(struct srz_writer *w, const struct rpl_foreign *f, struct sr_error *err)
{
	bool stolen = false;
	char share[32];

	if (!f->known)
		return 0;
	for (size_t i = 0; i < f->n; i++)
		stolen |= f->cpu[i].stolen > 0;
	snprintf(share, sizeof(share), "%.6f", f->share);
	if (srz_put_meta(w, "replay.foreign_cpu_share", share, err) < 0 ||
	    (f->cpu[0].foreign >= 0 && put_shares(w, "host.foreign_cpu_share", f, false, err) < 0))
		return -1;
	return stolen ? put_shares(w, "host.stolen_cpu_share", f, true, err) : 0;
}

void replay_foreign_json(struct cmd_json *j, const struct rpl_foreign *f)
{
	if (!f->known)
		return;
	cmd_json_open(j, "foreign_cpus", '[');
	for (size_t i = 0; i < f->n; i++) {
		cmd_json_open(j, NULL, '{');
		cmd_json_u64(j, "cpu", f->cpu[i].cpu);
		if (f->cpu[i].foreign >= 0)
			cmd_json_real(j, "share", f->cpu[i].foreign);
		cmd_json_real(j, "stolen_share", f->cpu[i].stolen);
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
}

/* The CPU that was used most, and how many runs have one that was used too much. */
struct worst {
	const struct replay_arm *arm;
	const struct rpl_foreign_cpu *cpu; /* NULL: all CPUs of the run together */
	size_t run, runs;
	double share;
};

static void add_run(struct worst *w, const struct replay_arm *arm, size_t run, bool stolen)
{
	const struct rpl_foreign *f = &arm->runs[run].foreign;
	bool by_cpu = stolen || (f->n && f->cpu[0].foreign >= 0), much = false;

	if (!f->known)
		return;
	for (size_t i = 0; i < (by_cpu ? f->n : 1); i++) {
		double share = stolen ? f->cpu[i].stolen : by_cpu ? f->cpu[i].foreign : f->share;

		much |= share > MUCH;
		if (share > MUCH && share > w->share)
			*w = (struct worst){ arm, by_cpu ? &f->cpu[i] : NULL, run, w->runs, share };
	}
	w->runs += much;
}

static void warn_of(const struct replay_series *s, bool stolen)
{
	const char *who = stolen ? "the host of this virtual machine" : "other programs";
	char cpu[32] = "its CPUs", more[48] = "";
	struct worst w = { 0 };

	for (size_t a = 0; a < s->narms; a++)
		for (size_t i = 0; i < s->arm[a].n; i++)
			add_run(&w, &s->arm[a], i, stolen);
	if (!w.arm)
		return;
	if (w.cpu)
		snprintf(cpu, sizeof(cpu), "CPU %u", w.cpu->cpu);
	if (w.runs > 1)
		snprintf(more, sizeof(more), ", and much in %zu more", w.runs - 1);
	cmd_note("%s used %.0f%% of %s in run %zu of %s%s: %s figures are doubtful", who, w.share * 100, cpu,
		 (size_t)w.arm->o->first_round + w.run + 1, w.arm->name, more, w.runs > 1 ? "their" : "its");
}

void replay_foreign_note(const struct replay_series *s)
{
	warn_of(s, false);
	warn_of(s, true);
}
