/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What replays and simulations have in common around their runs: the job, its arms, where its files go. */
#include "replay/cmd_replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/copy.h"
#include "formats/machine.h"

#define ROUNDS_AA 20     /* --aa without --repeat */
#define ROUNDS_AUTO "40" /* --repeat auto: at most */

struct replay_job *replay_job_new(const struct replay_options *o, int nargs, char **args, struct sr_error *err)
{
	struct replay_job *j = calloc(1, sizeof(*j));
	size_t i;

	if (j) {
		j->o = o;
		j->nsources = (size_t)nargs;
		j->rounds = o->repeat;
		ana_new_id(j->series_id);
		j->sources = calloc(j->nsources, sizeof(*j->sources));
	}
	if (!j || !j->sources) {
		free(j);
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	for (i = 0; i < j->nsources; i++)
		j->sources[i].path = args[i];
	return j;
}

/* Would two runs go into one file? */
static bool same_names(const struct replay_job *j)
{
	const struct replay_series *s = &j->series;
	char *name[MAX_ARMS + 1] = { NULL };
	bool same = false;
	size_t i, k, n = 0;

	for (i = 0; i < s->narms; i++)
		name[n++] = replay_output_name(j->o->output, s->arm[i].name, 0);
	if (j->rounds > 1)
		name[n++] = replay_output_name(j->o->output, s->arm[0].name, 1);
	for (i = 0; i < n; i++)
		for (k = 0; k < i; k++)
			same |= !name[i] || !name[k] || !strcmp(name[i], name[k]);
	for (i = 0; i < n; i++)
		free(name[i]);
	return same;
}

static int no_source_is_replaced(struct replay_job *j, struct sr_error *err)
{
	size_t runs = j->series.narms * (size_t)j->rounds, i, k;

	for (i = 0; i < runs; i++) {
		char *name = replay_output_name(j->o->output, j->series.arm[i % j->series.narms].name,
						i / j->series.narms);
		int ret = 0;

		if (!name)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		for (k = 0; !ret && k < j->nsources; k++)
			if (sr_would_replace(name, j->sources[k].path))
				ret = sr_fail(err, SR_USAGE, "%s would replace the recording %s; name another file",
					      name, j->sources[k].path);
		free(name);
		if (ret)
			return ret;
	}
	return 0;
}

int replay_parse_rounds(struct replay_job *j, struct sr_error *err)
{
	const char *text = j->o->rounds, *number = text;
	char *end;

	if (!text) {
		j->rounds = j->o->aa ? ROUNDS_AA : 1;
		return 0;
	}
	j->rounds_auto = !strncmp(text, "auto", 4) && (text[4] == ':' || !text[4]);
	if (j->rounds_auto)
		number = text[4] ? text + 5 : ROUNDS_AUTO;
	errno = 0;
	j->rounds = strtoul(number, &end, 10);
	if (number[0] < '0' || number[0] > '9' || *end || errno || !j->rounds || j->rounds > 1000)
		return sr_fail(err, SR_USAGE, "--repeat: '%s' is not a number from 1 to 1000, auto, or auto:N", text);
	if (j->rounds_auto && j->rounds < ANA_MIN_ROUNDS)
		return sr_fail(err, SR_USAGE, "--repeat %s: no verdict comes of fewer than %d rounds", text,
			       ANA_MIN_ROUNDS);
	if (j->o->aa && (j->rounds_auto || j->rounds < ANA_MIN_ROUNDS))
		return sr_fail(err, SR_USAGE, "--aa needs a number of rounds that is known before, and at least %d",
			       ANA_MIN_ROUNDS);
	return 0;
}

/* Only what arms may differ in; no defaults, so that the command's own options hold where an arm says nothing. */
static const struct sr_option arm_rows[] = {
	{ "policy", 'p', SR_OPT_STRING, offsetof(struct replay_options, policy), "P", 0, 0, NULL, NULL, "" },
	{ "label", 0, SR_OPT_STRING, offsetof(struct replay_options, label), "L", 0, 0, NULL, NULL, "" },
	{ "cpus", 0, SR_OPT_CPUS, offsetof(struct replay_options, cpus), "LIST", 0, 0, NULL, NULL, "" },
	{ "nice-offset", 0, SR_OPT_UINT, offsetof(struct replay_options, nice_offset), "N", 0, 39, NULL, NULL, "" },
	{ "class", 0, SR_OPT_CHOICE, offsetof(struct replay_options, class), "CLASS", 0, 0, "batch|idle", NULL, "" },
	{ "time-scale", 0, SR_OPT_REAL, offsetof(struct replay_options, time_scale), "X", 0.001, 1000, NULL, NULL, "" },
	{ "work-scale", 0, SR_OPT_REAL, offsetof(struct replay_options, work_scale), "X", 0.001, 1000, NULL, NULL, "" },
	{ 0 }
};

#define ARM_WORDS 32

/* Words between blanks; in arm->text, which has room for them. */
static int parse_arm(struct replay_job *j, const char *text, struct replay_arm *arm, struct sr_error *err)
{
	char *words[ARM_WORDS + 1], *rest;
	int n = 0, operands;

	arm->own = *j->o;
	arm->o = &arm->own;
	arm->text = rest = strdup(text);
	if (!rest)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (char *word; (word = strsep(&rest, " \t\n"));) {
		if (!*word)
			continue;
		if (n == ARM_WORDS)
			return sr_fail(err, SR_USAGE, "--arm '%s': too many words", text);
		words[n++] = word;
	}
	words[n] = NULL;
	if (sr_options_parse(arm_rows, &arm->own, n, words, 0, &operands, err) < 0)
		return sr_fail_prefix(err, "--arm '%s'", text);
	if (operands)
		return sr_fail(
			err, SR_USAGE,
			"--arm '%s': '%s' is no option; an arm may have --policy, --label, --cpus, --nice-offset, "
			"--class, --time-scale and --work-scale",
			text, words[0]);
	if (j->simulates && arm->own.work_scale != j->o->work_scale)
		return sr_fail(err, SR_USAGE, "--arm '%s': a simulation has no --work-scale", text);
	return 0;
}

/* What is not as it is by default; "aa 1" and "aa 2" are one arm, twice. */
static char *identity_of(const struct replay_options *o, unsigned aa)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	if (aa)
		fprintf(f, " " ANA_ARM_AA "%u", aa);
	if (o->cpus)
		fprintf(f, " cpus=%s", o->cpus);
	if (o->nice_offset)
		fprintf(f, " nice-offset=%llu", (unsigned long long)o->nice_offset);
	if (o->class)
		fprintf(f, " class=%s", o->class);
	if (o->time_scale != 1)
		fprintf(f, " time-scale=%g", o->time_scale);
	if (o->work_scale != 1 && o->work_scale > 0)
		fprintf(f, " work-scale=%g", o->work_scale);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	if (len)
		memmove(text, text + 1, len); /* with its NUL; the blank in front goes */
	return text;
}

/* Its name in tables and files: the policy as given, and for an arm its label, or what it differs in. */
static int name_arm(const struct replay_job *j, struct replay_arm *arm, const char *spec, bool is_arm,
		    struct sr_error *err)
{
	arm->name = spec;
	if (!is_arm)
		return 0;
	if (arm->o->label && arm->o->label != j->o->label)
		arm->name = arm->o->label;
	else if (*arm->identity) {
		if (asprintf(&arm->own_name, "%s %s", spec, arm->identity) < 0) {
			arm->own_name = NULL;
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		}
		arm->name = arm->own_name;
	}
	return 0;
}

/* An arm's own policy is one, without a list. */
static int check_one_policy(const char *spec, struct sr_error *err)
{
	char *copy = strdup(spec), *rest = copy, *first;
	bool one;

	if (!copy)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	first = rpl_policy_next(&rest);
	one = first && !rpl_policy_next(&rest);
	free(copy);
	return one ? 0 : sr_fail(err, SR_USAGE, "an arm has one policy, not '%s': give each its own --arm", spec);
}

/* text: of --arm, or NULL; spec: the policy, NULL: the arm's own. */
static int add_arm(struct replay_job *j, const char *spec, const char *text, unsigned aa, struct sr_error *err)
{
	struct replay_series *s = &j->series;
	struct replay_arm *arm = &s->arm[s->narms];

	if (s->narms == MAX_ARMS)
		return sr_fail(err, SR_USAGE, "at most %d policies or arms at a time", MAX_ARMS);
	s->narms++;
	arm->o = j->o;
	if (text && parse_arm(j, text, arm, err) < 0)
		return -1;
	if (!spec) {
		spec = arm->o->policy;
		if (check_one_policy(spec, err) < 0)
			return -1;
	}
	arm->spec = spec;
	arm->identity = identity_of(arm->o, aa);
	arm->runs = calloc(j->rounds, sizeof(*arm->runs));
	if (!arm->runs || !arm->identity)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	if (arm->o->cpus && sr_cpumask_parse(&arm->cpus, arm->o->cpus, err) < 0)
		return -1;
	arm->use_cpus = arm->o->cpus;
	j->use_cpus |= arm->use_cpus;
	if (name_arm(j, arm, spec, text || aa, err) < 0)
		return -1;
	if (rpl_policy_file_len(spec))
		return 0;
	arm->policy = rpl_policy_find(spec, &arm->options, err);
	return arm->policy ? 0 : -1;
}

/* With --aa each arm is there twice. */
static int add_arms(struct replay_job *j, const char *spec, const char *text, struct sr_error *err)
{
	if (!j->o->aa)
		return add_arm(j, spec, text, 0, err);
	return add_arm(j, spec, text, 1, err) < 0 || add_arm(j, spec, text, 2, err) < 0 ? -1 : 0;
}

int replay_parse_policies(struct replay_job *j, struct sr_error *err)
{
	struct replay_series *s = &j->series;
	char *rest, *spec;

	for (size_t i = 0; i < j->o->arms.n; i++)
		if (add_arms(j, NULL, j->o->arms.v[i], err) < 0)
			return -1;
	if (s->narms)
		return 0;
	j->policies = rest = strdup(j->o->policy);
	if (!rest)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	while ((spec = rpl_policy_next(&rest)))
		if (add_arms(j, spec, NULL, err) < 0)
			return -1;
	return s->narms ? 0 : sr_fail(err, SR_USAGE, "--policy: name at least one; see `schedrec policies`");
}

static int load_own(struct replay_arm *arm, struct sr_error *err)
{
	if (rec_drop_privileges(err) < 0)
		return -1;
	arm->policy = rpl_policy_open(arm->spec, &arm->options, err);
	if (!arm->policy)
		return -1;
	arm->file = strndup(arm->spec, rpl_policy_file_len(arm->spec));
	if (arm->name != arm->spec)
		return arm->file ? sr_sha256_file(arm->file, arm->sha256, err) :
				   sr_fail(err, SR_ENVIRONMENT, "out of memory");
	if (!arm->file || asprintf(&arm->own_name, "%s%s%s", arm->policy->name, arm->options ? ":" : "",
				   arm->options ? arm->options : "") < 0) {
		arm->own_name = NULL;
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	}
	arm->name = arm->own_name;
	return sr_sha256_file(arm->file, arm->sha256, err);
}

int replay_settle_policies(struct replay_job *j, struct sr_error *err)
{
	struct replay_series *s = &j->series;
	size_t i;

	for (i = 0; i < s->narms; i++) {
		struct replay_arm *arm = &s->arm[i];

		if (!arm->policy && load_own(arm, err) < 0)
			return -1;
		if (cmd_energy_table(j->o->energy, arm->policy, arm->options, j->machine, &arm->energy,
				     &arm->own_options, err) < 0)
			return -1;
		if (arm->own_options)
			arm->options = arm->own_options;
	}
	if (j->o->output && no_source_is_replaced(j, err) < 0)
		return -1;
	if (j->o->output && s->narms * j->rounds > 1) {
		bool same = same_names(j);

		if (same)
			return sr_fail(err, SR_USAGE,
				       "-o %s names one file for %zu runs: use %%p (policy) and %%r (round)",
				       j->o->output, s->narms * (size_t)j->rounds);
	}
	return 0;
}

const char *replay_energy_source(const struct replay_arm *arm)
{
	if (!arm->energy)
		return NULL;
	return arm->energy->source ? arm->energy->source : "the CPUs' capacities";
}

int replay_open_outputs(struct replay_job *j, struct sr_error *err)
{
	const struct replay_options *o = j->o;
	struct replay_series *s = &j->series;

	if (o->db) {
		j->db = ana_db_open(o->db, true, err);
		if (!j->db || (s->compared && !o->from && !o->to && !o->task && replay_store_recorded(j, err) < 0))
			return -1;
	}
	if (!o->output) {
		const char *dir = getenv("TMPDIR");

		snprintf(j->temp_dir, sizeof(j->temp_dir), "%s/schedrec-XXXXXX",
			 dir && *dir && strlen(dir) < 40 ? dir : "/tmp");
		if (!mkdtemp(j->temp_dir)) {
			sr_fail_errno(err, SR_ENVIRONMENT, "%s", j->temp_dir);
			j->temp_dir[0] = '\0';
			return -1;
		}
	}
	return 0;
}

void replay_release(struct replay_job *j)
{
	struct replay_series *s = &j->series;
	size_t i, k;

	for (i = 0; i < s->narms; i++) {
		for (k = 0; s->arm[i].runs && k < j->rounds; k++) {
			ana_result_release(&s->arm[i].runs[k].result);
			free(s->arm[i].runs[k].file);
			rpl_foreign_release(&s->arm[i].runs[k].foreign);
		}
		free(s->arm[i].runs);
		rpl_energy_free(s->arm[i].energy);
		rpl_policy_close(s->arm[i].policy);
		free(s->arm[i].own_name);
		free(s->arm[i].text);
		free(s->arm[i].identity);
		free(s->arm[i].own_options);
		free(s->arm[i].file);
	}
	ana_result_release(&s->recorded);
	if (j->temp_dir[0]) {
		char part[128];

		/* What a failed srz_close leaves. */
		for (i = 0; i < s->narms * j->rounds; i++) {
			snprintf(part, sizeof(part), "%s/run-%zu.srz.part", j->temp_dir,
				 s->narms * (size_t)j->o->first_round + i);
			unlink(part);
		}
		rmdir(j->temp_dir);
	}
	ana_db_close(j->db);
	replay_unload(j);
	free(j->policies);
	free(j);
}
