/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/cmd_replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/machine.h"

static const struct sr_option rows[] = {
	{ "policy", 'p', SR_OPT_STRING, offsetof(struct replay_options, policy), "P[,P...]", 0, 0, NULL, "kernel",
	  "balancing policies to replay under, each with its options after a colon; see `schedrec policies`" },
	{ "arm", 0, SR_OPT_LIST, offsetof(struct replay_options, arms), "'OPTIONS'", 0, 0, NULL, NULL,
	  "one arm of a comparison, in place of the list of policies; given several times: each has those of the "
	  "options "
	  "--policy, --label, --cpus, --nice-offset, --class, --time-scale and --work-scale that are to differ" },
	{ "repeat", 'n', SR_OPT_STRING, offsetof(struct replay_options, rounds), "N|auto[:N]", 0, 0, NULL, NULL,
	  "rounds (default: 1); each round runs every policy or arm once, in an order that is drawn anew; auto: until "
	  "each metric that `compare` shows has a verdict, at most 40 or N rounds" },
	{ "first-round", 0, SR_OPT_UINT, offsetof(struct replay_options, first_round), "N", 0, 1000000, NULL, "0",
	  "number of the first round: seeds and numbers are those of a longer series that this is a part of" },
	{ "turns-seed", 0, SR_OPT_STRING, offsetof(struct replay_options, turns_seed), "TEXT", 0, 0, NULL, NULL,
	  "what the order of the arms in each round is drawn from, together with the round's number (default: anew for "
	  "each call)" },
	{ "margin", 0, SR_OPT_REAL, offsetof(struct replay_options, margin), "PERCENT", 0.01, 1000, NULL, "2",
	  "with --repeat auto: a change up to this many per cent does not matter, as for `compare`" },
	{ "aa", 0, SR_OPT_FLAG, offsetof(struct replay_options, aa), NULL, 0, 0, NULL, NULL,
	  "each policy or arm against itself: what the two differ by is this machine's noise; with --db it is stored, "
	  "and `compare` takes no smaller margin (20 rounds, or --repeat)" },
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
	{ "work-scale", 0, SR_OPT_REAL, offsetof(struct replay_options, work_scale), "X", 0.001, 1000, NULL, "1",
	  "factor on all work: 1.05 is what a program would be that does 5 % more in each burst" },
	{ "work-drift", 0, SR_OPT_REAL, offsetof(struct replay_options, work_drift), "PERCENT", 0, 1000, NULL, "0",
	  "let the work of each run be more than that of the one before, up to so many per cent at the last: a machine "
	  "that slowly changes, to try what comparisons make of it" },
	{ "from", 0, SR_OPT_TIME, offsetof(struct replay_options, from), "T", 0, 0, NULL, NULL,
	  "replay from this time of the recording on" },
	{ "to", 0, SR_OPT_TIME, offsetof(struct replay_options, to), "T", 0, 0, NULL, NULL,
	  "replay up to this time of the recording" },
	{ "no-stall", 0, SR_OPT_FLAG, offsetof(struct replay_options, no_stall), NULL, 0, 0, NULL, NULL,
	  "as fast as possible: sleeps without a waker take no time; the order of the wakes stays" },
	{ "offset", 0, SR_OPT_STRING, offsetof(struct replay_options, offset), "T[,T...]", 0, 0, NULL, NULL,
	  "when each recording after the first begins, such as 250ms,1s (default: all at once); recorded: as far apart "
	  "as they were recorded" },
	{ "copies", 0, SR_OPT_UINT, offsetof(struct replay_options, copies), "N", 1, 4096, NULL, "1",
	  "each recording so many times beside itself, as processes of their own; all but the first begin at random, "
	  "by "
	  "the seed, within --copy-spread" },
	{ "copy-spread", 0, SR_OPT_TIME, offsetof(struct replay_options, copy_spread), "T", 1, 3.6e15, NULL, NULL,
	  "time within which copies begin (default: a tenth of the recording's length)" },
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
	  "nice values, and to hold the parents of vforks on their CPU" },
	{ "rt-limit", 0, SR_OPT_TIME, offsetof(struct replay_options, rt_limit), "T", 1e8, 6e10, NULL, "2s",
	  "with --allow-rt: all real-time threads become normal when one holds a CPU for so long without a pause" },
	{ "energy", 0, SR_OPT_STRING, offsetof(struct replay_options, energy), "FILE", 0, 0, NULL, NULL,
	  "what this machine's CPUs draw, for an estimate of energy_j and for the policy eas; see replay/POLICIES.md "
	  "(default: eas alone, from the CPUs' capacities)" },
	{ "seed", 0, SR_OPT_UINT, offsetof(struct replay_options, seed), "N", 0, 0, NULL, "1",
	  "seed of policies that choose at random" },
	{ "self", 0, SR_OPT_FLAG, offsetof(struct replay_options, self), NULL, 0, 0, NULL, NULL,
	  "do not use the kernel's tracing even where it may be used: the replay writes what it sees itself" },
	{ "processes", 0, SR_OPT_WORD, offsetof(struct replay_options, processes), "WHEN", 0, 0, "auto|yes|no", "auto",
	  "recorded processes become processes, below their recorded parents and in sessions like the recorded ones; "
	  "else all tasks are threads of one; auto: where the recording has several sessions that the scheduler tells "
	  "apart, and it does so here; without a word: yes" },
	{ "groups", 0, SR_OPT_CHOICE, offsetof(struct replay_options, groups), "WHEN", 0, 0, "auto|no", "auto",
	  "control groups with the recorded weights and limits, below the one that schedrec is in; auto: where the "
	  "recording's tasks were in several, and they may be made" },
	{ "force", 0, SR_OPT_FLAG, offsetof(struct replay_options, force), NULL, 0, 0, NULL, NULL,
	  "replay also a recording that lost more events than it kept" },
	{ "json", 0, SR_OPT_FLAG, offsetof(struct replay_options, json), NULL, 0, 0, NULL, NULL,
	  "all runs and metrics as JSON instead of the table" },
	{ "quiet", 'q', SR_OPT_FLAG, offsetof(struct replay_options, quiet), NULL, 0, 0, NULL, NULL, "no progress" },
	{ 0 }
};

static const char *const examples[] = {
	"schedrec replay build.srz",
	"replay under the kernel's own balancing, and say how true the replay is",
	"schedrec replay build.srz --policy kernel,domain,bld --repeat 5 --db runs.db",
	"compare three policies, interleaved, and store the runs",
	"schedrec replay build.srz --policy kernel,bld --repeat auto --db runs.db",
	"as many rounds as it takes to say which is better",
	"schedrec replay build.srz --aa --db runs.db",
	"measure this machine's noise, for `compare`",
	"schedrec replay build.srz --arm '--nice-offset 0' --arm '--nice-offset 5' -n 10",
	"the same load, plain and nicer",
	"schedrec replay build.srz --policy bld --cpus 0 --work instructions",
	"the same load on one CPU",
	"schedrec replay web.srz batch.srz --offset 500ms --loop 3",
	"two recordings as one load, three times one after the other",
	"schedrec replay build.srz --policy bld,./mine.so:depth=4",
	"a policy of your own beside one of schedrec's",
	NULL
};

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

/* As processes, and why. */
static void settle_processes(struct replay_job *j)
{
	struct replay_series *s = &j->series;
	const char *when = j->o->processes, *lacks = rpl_no_sessions();
	unsigned long long n = j->model->counts.sessions;
	char *why = s->processes_why;
	size_t len = sizeof(s->processes_why);

	s->processes = strcmp(when, "no") && (strcmp(when, "auto") || (n > 1 && !lacks));
	s->sessions = s->processes && n > 1 && !lacks;
	if (!s->processes && n > 1)
		snprintf(why, len, "%s: the recording's %llu sessions are one here",
			 strcmp(when, "no") ? lacks : "asked for", n);
	else if (!s->processes)
		snprintf(why, len, "%s", strcmp(when, "no") ? "the recording has one session" : "asked for");
	else if (n > 1)
		snprintf(why, len, "the recording has %llu sessions%s%s", n, lacks ? ", which are one here: " : "",
			 lacks ? lacks : "");
	else
		snprintf(why, len, "asked for");
}

/* Of one group nothing is made: that in which the replay runs stands for it. */
static int settle_groups(struct replay_job *j, struct sr_error *err)
{
	const struct sr_attrs *a = &j->model->attrs;
	struct replay_series *s = &j->series;
	bool *used = calloc(a->ngroups + 1, sizeof(*used));
	size_t n = 0, named, i, len = sizeof(s->groups_why);
	char *why = s->groups_why;

	if (!used)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	sr_model_used_groups(j->model, used);
	for (i = 0; i <= a->ngroups; i++)
		n += used[i];
	named = n - used[a->ngroups];
	if (n > 1 && !strcmp(j->o->groups, "no"))
		snprintf(why, len, "none, as asked for; the recording has %zu", named);
	else if (n > 1 && rpl_groups_make(&j->groups, a->groups, used, a->ngroups))
		snprintf(why, len, "%zu, with the recorded weights and limits", named);
	else if (n > 1)
		snprintf(why, len, "%zu of the recording's %zu could be made: %s", j->groups.made, named,
			 j->groups.error == ENOTSUP ? "there is no cpu controller here" : strerror(j->groups.error));
	s->groups = j->groups.made;
	free(used);
	if (!s->groups)
		rpl_groups_stop(&j->groups);
	return 0;
}

static int prepare(struct replay_job *j, struct sr_error *err)
{
	const struct replay_options *o = j->o;
	struct replay_series *s = &j->series;

	if (replay_parse_rounds(j, err) < 0 || replay_parse_policies(j, err) < 0)
		return -1;
	s->work = o->work ? o->work : s->narms > 1 || j->use_cpus ? "instructions" : "time";
	s->timing = o->timing;
	s->no_stall = o->no_stall;
	s->loop = o->loop;
	s->copies = o->copies;
	uname(&j->uts);
	if (strcmp(o->groups, "no"))
		rpl_groups_start(&j->groups);
	if (open_recorder(j, err) < 0 || replay_load(j, err) < 0 || replay_settle_policies(j, err) < 0 ||
	    settle_groups(j, err) < 0)
		return -1;
	settle_processes(j);
	return replay_open_outputs(j, err);
}

static int run(const void *options, int nargs, char **args, struct sr_error *err)
{
	struct replay_job *j;
	struct sr_error second;
	int ret = -1;

	if (nargs < 1)
		return sr_fail(err, SR_USAGE, "name a recording to replay");
	j = replay_job_new(options, nargs, args, err);
	if (!j)
		return -1;
	j->engine = "live";
	j->once = replay_once;
	cmd_catch_signals();
	if (prepare(j, err) == 0)
		ret = replay_rounds(j, err);
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
	rpl_groups_stop(&j->groups);
	replay_release(j);
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
		"With --processes the replay forks where the recording forked, its processes stand in the recorded "
		"tree, and they make sessions (setsid) as the recorded ones did: the kernel shares a CPU between "
		"sessions first (autogroups), and one process is in one session. A fork costs what one of schedrec "
		"costs, more than a small program's or a vfork: for loads of very many short processes the replay of "
		"threads is the truer one.\n\n"
		"Several recordings run together as one load, each with its own tasks; then there is no recorded "
		"column and no fidelity.\n\n"
		"A policy of your own is a shared object: --policy ./mine.so. It is loaded after all privileges are "
		"dropped, and not at all by a schedrec that has some from its file. The source's replay/POLICIES.md "
		"tells "
		"how to write one.\n\n"
		"Real-time and deadline tasks run as normal ones unless --allow-rt is given; negative nice values need "
		"the privilege to set them. What could not be set is counted by kind and said.\n\n"
		"The rules stand in the source's replay/REPLAY.md and replay/IDENTITY.md.",
	.examples = examples,
	.options = rows,
	.options_size = sizeof(struct replay_options),
	.run = run,
};
