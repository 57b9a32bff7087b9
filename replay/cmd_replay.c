/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/cmd_replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/machine.h"

static const struct sr_option rows[] = {
	{ "policy", 'p', SR_OPT_STRING, offsetof(struct replay_options, policy), "P[,P...]", 0, 0, NULL, "kernel",
	  "balancing policies to replay under, each with its options after a colon; see `schedrec policies`" },
	{ "repeat", 'n', SR_OPT_UINT, offsetof(struct replay_options, repeat), "N", 1, 1000, NULL, "1",
	  "rounds; each round runs every policy once, the order turned round from one to the next (A B C, C B A)" },
	{ "db", 0, SR_OPT_STRING, offsetof(struct replay_options, db), "DB", 0, 0, NULL, NULL,
	  "SQLite database in which the runs and their metrics are stored" },
	{ "label", 0, SR_OPT_STRING, offsetof(struct replay_options, label), "L", 0, 0, NULL, NULL,
	  "name for these runs in the database, for `schedrec compare`" },
	{ "output", 'o', SR_OPT_STRING, offsetof(struct replay_options, output), "OUT.srz", 0, 0, NULL, NULL,
	  "keep the replays' own recordings; with several runs a pattern: %p is the policy, %r the round" },
	{ "work", 0, SR_OPT_CHOICE, offsetof(struct replay_options, work), "KIND", 0, 0, "time|instructions", NULL,
	  "what a burst owes: its CPU time, or the work that the recording's CPU did in it "
	  "(default: instructions when policies or CPUs are compared, else time)" },
	{ "timing", 0, SR_OPT_CHOICE, offsetof(struct replay_options, timing), "MODE", 0, 0, "auto|closed|open", "auto",
	  "sleeps without a waker: periodic timers keep their deadlines and all others their length (auto), all keep "
	  "their "
	  "length (closed), or what comes from outside comes at its recorded time (open)" },
	{ "order", 0, SR_OPT_CHOICE, offsetof(struct replay_options, order), "MODE", 0, 0, "causal|keep|free", "causal",
	  "causal: a wake waits until its target sleeps only where the waker must have had its answer, and tasks that "
	  "wait for several others go on with what comes first; keep: each wake waits, at most 20 ms, until its target "
	  "sleeps as it did when it was recorded; free: none waits" },
	{ "time-scale", 0, SR_OPT_REAL, offsetof(struct replay_options, time_scale), "X", 0.001, 1000, NULL, "1",
	  "factor on all sleeps without a waker and on the periods of timers; work stays as it is" },
	{ "from", 0, SR_OPT_TIME, offsetof(struct replay_options, from), "T", 0, 0, NULL, NULL,
	  "replay from this time of the recording on" },
	{ "to", 0, SR_OPT_TIME, offsetof(struct replay_options, to), "T", 0, 0, NULL, NULL,
	  "replay up to this time of the recording" },
	{ "no-stall", 0, SR_OPT_FLAG, offsetof(struct replay_options, no_stall), NULL, 0, 0, NULL, NULL,
	  "as fast as possible: sleeps without a waker take no time; the order of the wakes stays" },
	{ "offset", 0, SR_OPT_STRING, offsetof(struct replay_options, offset), "T[,T...]", 0, 0, NULL, NULL,
	  "when each recording after the first begins, such as 250ms,1s (default: all at once); recorded: as far apart "
	  "as they were recorded" },
	{ "loop", 0, SR_OPT_UINT, offsetof(struct replay_options, loop), "N", 1, 400, NULL, "1",
	  "the load so many times in one run, each when all tasks of the one before have ended" },
	{ "cpus", 0, SR_OPT_CPUS, offsetof(struct replay_options, cpus), "LIST", 0, 0, NULL, NULL,
	  "CPUs to replay on, such as 0-3,8" },
	{ "cpu-map", 0, SR_OPT_STRING, offsetof(struct replay_options, cpu_map), "R=L[,R=L...]", 0, 0, NULL, NULL,
	  "recorded CPU R is this machine's L, for affinity and the policy `recorded`; ranges as in 0-3=4-7 or 0-3=1 "
	  "(default: recorded affinity holds on the recording's own machine, elsewhere it is dropped)" },
	{ "task", 0, SR_OPT_STRING, offsetof(struct replay_options, task), "GLOB[,GLOB...]", 0, 0, NULL, NULL,
	  "replay only tasks whose last name matches (!GLOB leaves out, the last match decides); the others' "
	  "wakes become timed" },
	{ "nice-offset", 0, SR_OPT_UINT, offsetof(struct replay_options, nice_offset), "N", 0, 39, NULL, "0",
	  "added to all nice values: the same load, but nicer" },
	{ "class", 0, SR_OPT_CHOICE, offsetof(struct replay_options, class), "CLASS", 0, 0, "batch|idle", NULL,
	  "run the tasks of the normal class in this one" },
	{ "allow-rt", 0, SR_OPT_FLAG, offsetof(struct replay_options, allow_rt), NULL, 0, 0, NULL, NULL,
	  "run FIFO, RR and DEADLINE tasks as such, under a watchdog; under sudo also keeps the right to set negative "
	  "nice values" },
	{ "rt-limit", 0, SR_OPT_TIME, offsetof(struct replay_options, rt_limit), "T", 1e8, 6e10, NULL, "2s",
	  "with --allow-rt: all real-time threads become normal when one holds a CPU for so long without a pause" },
	{ "seed", 0, SR_OPT_UINT, offsetof(struct replay_options, seed), "N", 0, 0, NULL, "1",
	  "seed of policies that choose at random" },
	{ "self", 0, SR_OPT_FLAG, offsetof(struct replay_options, self), NULL, 0, 0, NULL, NULL,
	  "do not use the kernel's tracing even where it may be used: the replay writes what it sees itself" },
	{ "processes", 0, SR_OPT_FLAG, offsetof(struct replay_options, processes), NULL, 0, 0, NULL, NULL,
	  "recorded processes become processes, below their recorded parents; else all tasks are threads of one" },
	{ "force", 0, SR_OPT_FLAG, offsetof(struct replay_options, force), NULL, 0, 0, NULL, NULL,
	  "replay also a recording that lost more events than it kept" },
	{ "json", 0, SR_OPT_FLAG, offsetof(struct replay_options, json), NULL, 0, 0, NULL, NULL,
	  "all runs and metrics as JSON instead of the table" },
	{ "quiet", 'q', SR_OPT_FLAG, offsetof(struct replay_options, quiet), NULL, 0, 0, NULL, NULL, "no progress" },
	{ 0 }
};

static const char *const examples[] = { "schedrec replay build.srz",
					"replay under the kernel's own balancing, and say how true the replay is",
					"schedrec replay build.srz --policy kernel,domain,bld --repeat 5 --db runs.db",
					"compare three policies, interleaved, and store the runs",
					"schedrec replay build.srz --policy bld --cpus 0 --work instructions",
					"the same load on one CPU",
					"schedrec replay web.srz batch.srz --offset 500ms --loop 3",
					"two recordings as one load, three times one after the other",
					NULL };

static int run_all(struct replay_job *j, struct sr_error *err)
{
	struct replay_series *s = &j->series;
	size_t round, k, slot = 0;

	j->total = s->narms * j->o->repeat;
	for (round = 0; round < j->o->repeat; round++)
		for (k = 0; k < s->narms; k++) {
			struct replay_arm *arm = &s->arm[round % 2 ? s->narms - 1 - k : k];

			if (replay_slot(j, arm, round, slot++, err) < 0)
				return -1;
			j->done++;
			if (j->stop || cmd_signal)
				return 0;
		}
	return 0;
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
	if (j->o->repeat > 1)
		name[n++] = replay_output_name(j->o->output, s->arm[0].name, 1);
	for (i = 0; i < n; i++)
		for (k = 0; k < i; k++)
			same |= !name[i] || !name[k] || !strcmp(name[i], name[k]);
	for (i = 0; i < n; i++)
		free(name[i]);
	return same;
}

static int parse_policies(struct replay_job *j, struct sr_error *err)
{
	struct replay_series *s = &j->series;
	char *rest, *spec;

	j->policies = rest = strdup(j->o->policy);
	if (!rest)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	while ((spec = rpl_policy_next(&rest))) {
		struct replay_arm *arm = &s->arm[s->narms];

		if (s->narms == MAX_ARMS)
			return sr_fail(err, SR_USAGE, "--policy: at most %d policies at a time", MAX_ARMS);
		arm->name = spec;
		arm->policy = rpl_policy_find(spec, &arm->options, err);
		if (!arm->policy)
			return -1;
		arm->runs = calloc(j->o->repeat, sizeof(*arm->runs));
		if (!arm->runs)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		s->narms++;
	}
	if (!s->narms)
		return sr_fail(err, SR_USAGE, "--policy: name at least one; see `schedrec policies`");
	if (j->o->output && s->narms * j->o->repeat > 1) {
		bool same = same_names(j);

		if (same)
			return sr_fail(err, SR_USAGE,
				       "-o %s names one file for %zu runs: use %%p (policy) and %%r (round)",
				       j->o->output, s->narms * (size_t)j->o->repeat);
	}
	return 0;
}

static int open_recorder(struct replay_job *j, struct sr_error *err)
{
	struct rec_config cfg = { .scope = REC_SYSTEM };
	struct sr_error why;

	j->series.self = true;
	if (j->o->self) {
		j->series.self_why = "--self";
	} else if (rec_available(&why) < 0) {
		j->series.self_why = "the kernel's tracing may not be used here (root may)";
	} else {
		j->session = rec_open(&cfg, err);
		if (!j->session)
			return -1;
		j->series.self = false;
		if (rec_calibrate(j->session, &j->tracepoint_ns, err) < 0)
			return -1;
	}
	return j->o->allow_rt ? rec_keep_nice(err) : rec_drop_privileges(err);
}

static int prepare(struct replay_job *j, struct sr_error *err)
{
	const struct replay_options *o = j->o;
	struct replay_series *s = &j->series;

	if (parse_policies(j, err) < 0)
		return -1;
	s->work = o->work ? o->work : s->narms > 1 || o->cpus ? "instructions" : "time";
	s->timing = o->timing;
	s->no_stall = o->no_stall;
	s->loop = o->loop;
	uname(&j->uts);
	if (open_recorder(j, err) < 0 || replay_load(j, err) < 0)
		return -1;
	if (o->db) {
		j->db = ana_db_open(o->db, true, err);
		if (!j->db || (s->compared && !o->from && !o->to && replay_store(j, NULL, 0, 0, &s->recorded, err) < 0))
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

static void release(struct replay_job *j)
{
	struct replay_series *s = &j->series;
	size_t i, k;

	for (i = 0; i < s->narms; i++) {
		for (k = 0; s->arm[i].runs && k < j->o->repeat; k++) {
			ana_result_release(&s->arm[i].runs[k].result);
			free(s->arm[i].runs[k].file);
		}
		free(s->arm[i].runs);
	}
	ana_result_release(&s->recorded);
	if (j->temp_dir[0]) {
		char part[96];

		/* What a failed srz_close leaves. */
		snprintf(part, sizeof(part), "%s/run.srz.part", j->temp_dir);
		unlink(part);
		rmdir(j->temp_dir);
	}
	ana_db_close(j->db);
	replay_unload(j);
	free(j->policies);
}

static int run(const void *options, int nargs, char **args, struct sr_error *err)
{
	struct replay_job *j;
	struct sr_error second;
	size_t i;
	int ret = -1;

	if (nargs < 1)
		return sr_fail(err, SR_USAGE, "name a recording to replay");
	j = calloc(1, sizeof(*j));
	if (!j)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	j->o = options;
	j->nsources = (size_t)nargs;
	j->sources = calloc(j->nsources, sizeof(*j->sources));
	for (i = 0; j->sources && i < j->nsources; i++)
		j->sources[i].path = args[i];
	cmd_catch_signals();
	if (!j->sources)
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
	else if (prepare(j, err) == 0)
		ret = run_all(j, err);
	if (rec_close(j->session, ret < 0 ? &second : err) < 0)
		ret = -1;
	cmd_progress_end();
	if (ret == 0) {
		if (j->o->json)
			replay_report_json(&j->series);
		else
			replay_report_table(&j->series);
		replay_report_warnings(&j->series);
		if (cmd_signal)
			ret = SR_INTERRUPTED;
	}
	release(j);
	free(j);
	return ret;
}

const struct cmd cmd_replay = {
	.name = "replay",
	.summary = "run a recording again as real threads, under other policies, and compare",
	.operands = "FILE...",
	.description =
		"Runs the tasks of a recording as real threads of this machine: each uses the CPU time (or does the "
		"work) that its original used, sleeps, wakes and forks the others as recorded. Where the kernel's "
		"tracing may be used the replay is recorded with it; the privilege is dropped at once. Without it the "
		"replay writes down what its threads see, and metrics that need the kernel's view are absent.\n\n"
		"The table shows the median of the rounds of each policy with half the range of the rounds in percent, "
		"beside the recording, and how true the replay is (fidelity: errors relative to the recording).\n\n"
		"With --processes the replay forks where the recording forked, and its processes stand in the recorded "
		"tree. A fork costs what one of schedrec costs, more than a small program's or a vfork: for loads of "
		"very "
		"many short processes the replay of threads is the truer one.\n\n"
		"Several recordings run together as one load, each with its own tasks; then there is no recorded "
		"column and no fidelity.\n\n"
		"Real-time and deadline tasks run as normal ones unless --allow-rt is given; negative nice values need "
		"the privilege to set them. What could not be set is counted by kind and said.\n\n"
		"The rules stand in the source's replay/REPLAY.md and replay/IDENTITY.md.",
	.examples = examples,
	.options = rows,
	.options_size = sizeof(struct replay_options),
	.run = run,
};
