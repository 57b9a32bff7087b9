/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/cmd_simulate.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/machine.h"
#include "replay/sim_calibrate.h"

#define R(member) offsetof(struct simulate_options, r.member)

static const struct sr_option rows[] = {
	{ "policy", 'p', SR_OPT_STRING, R(policy), "P[,P...]", 0, 0, NULL, "kernel",
	  "balancing policies to simulate, each with its options after a colon; see `schedrec policies`; kernel: a "
	  "model "
	  "of Linux 6.12's placement and balancing" },
	{ "machine", 'm', SR_OPT_STRING, offsetof(struct simulate_options, machine), "SPEC", 0, 0, NULL, NULL,
	  "the machine: this, an hwloc XML file, an hwloc synthetic string, or a preset such as numa-2x8x2 "
	  "(default: the recording's own; this one, with a warning, where it has none)" },
	{ "arm", 0, SR_OPT_LIST, R(arms), "'OPTIONS'", 0, 0, NULL, NULL,
	  "one arm of a comparison, in place of the list of policies; given several times: each has those of the "
	  "options "
	  "--policy, --label, --cpus, --nice-offset, --class and --time-scale that are to differ" },
	{ "repeat", 'n', SR_OPT_UINT, R(repeat), "N", 1, 1000, NULL, "1",
	  "rounds; each has a seed of its own, which decides the order of what happens at one time" },
	{ "first-round", 0, SR_OPT_UINT, R(first_round), "N", 0, 1000000, NULL, "0",
	  "number of the first round: seeds and numbers are those of a longer series that this is a part of" },
	{ "jobs", 'j', SR_OPT_UINT, offsetof(struct simulate_options, jobs), "N", 1, 4096, NULL, NULL,
	  "simulations at a time (default: as many as there are CPUs); the results are the same" },
	{ "db", 0, SR_OPT_STRING, R(db), "DB", 0, 0, NULL, NULL,
	  "SQLite database in which the runs and their metrics are stored" },
	{ "label", 0, SR_OPT_STRING, R(label), "L", 0, 0, NULL, NULL,
	  "name for these runs in the database, for `schedrec compare`" },
	{ "output", 'o', SR_OPT_STRING, R(output), "OUT.srz", 0, 0, NULL, NULL,
	  "keep the simulations' recordings; with several runs a pattern: %p is the policy, %r the round" },
	{ "timing", 0, SR_OPT_CHOICE, R(timing), "MODE", 0, 0, "auto|closed|open", "auto",
	  "sleeps without a waker, as for `schedrec replay`" },
	{ "order", 0, SR_OPT_CHOICE, R(order), "MODE", 0, 0, "causal|keep|free", "causal",
	  "which wakes wait until their target sleeps, as for `schedrec replay`" },
	{ "time-scale", 0, SR_OPT_REAL, R(time_scale), "X", 0.001, 1000, NULL, "1",
	  "factor on all sleeps without a waker and on the periods of timers; work stays as it is" },
	{ "from", 0, SR_OPT_TIME, R(from), "T", 0, 0, NULL, NULL, "simulate from this time of the recording on" },
	{ "to", 0, SR_OPT_TIME, R(to), "T", 0, 0, NULL, NULL, "simulate up to this time of the recording" },
	{ "no-stall", 0, SR_OPT_FLAG, R(no_stall), NULL, 0, 0, NULL, NULL,
	  "sleeps without a waker take no time; the order of the wakes stays" },
	{ "offset", 0, SR_OPT_STRING, R(offset), "T[,T...]", 0, 0, NULL, NULL,
	  "when each recording after the first begins, such as 250ms,1s (default: all at once); recorded: as far apart "
	  "as they were recorded" },
	{ "copies", 0, SR_OPT_UINT, R(copies), "N", 1, 4096, NULL, "1",
	  "each recording so many times beside itself, as processes of their own; all but the first begin at random, "
	  "by "
	  "the seed, within --copy-spread" },
	{ "copy-spread", 0, SR_OPT_TIME, R(copy_spread), "T", 1, 3.6e15, NULL, NULL,
	  "time within which copies begin (default: a tenth of the recording's length)" },
	{ "loop", 0, SR_OPT_UINT, R(loop), "N", 1, 400, NULL, "1",
	  "the load so many times in one run, each when all tasks of the one before have ended" },
	{ "cpus", 0, SR_OPT_CPUS, R(cpus), "LIST", 0, 0, NULL, NULL, "CPUs of the machine to use, such as 0-3,8" },
	{ "cpu-map", 0, SR_OPT_STRING, R(cpu_map), "R=L[,R=L...]", 0, 0, NULL, NULL,
	  "recorded CPU R is the machine's L, for affinity and the policy `recorded`; ranges as in 0-3=4-7 or 0-3=1" },
	{ "task", 0, SR_OPT_STRING, R(task), "GLOB[,GLOB...]", 0, 0, NULL, NULL,
	  "simulate only tasks whose last name matches (!GLOB leaves out, the last match decides); the others' wakes "
	  "become timed" },
	{ "nice-offset", 0, SR_OPT_UINT, R(nice_offset), "N", 0, 39, NULL, "0", "added to all nice values" },
	{ "class", 0, SR_OPT_CHOICE, R(class), "CLASS", 0, 0, "batch|idle", NULL,
	  "run the tasks of the normal class in this one" },
	{ "energy", 0, SR_OPT_STRING, R(energy), "FILE", 0, 0, NULL, NULL,
	  "what the machine's CPUs draw, for an estimate of energy_j and for the policy eas; see replay/POLICIES.md "
	  "(default: eas alone, from the CPUs' capacities)" },
	{ "seed", 0, SR_OPT_UINT, R(seed), "N", 0, 0, NULL, "1",
	  "seed of policies that choose at random, and of the order of what happens at one time" },
	{ "param", 0, SR_OPT_STRING, offsetof(struct simulate_options, param), "NAME=VALUE[,...]", 0, 0, NULL, NULL,
	  "what things cost, such as switch_voluntary=2us,smt_speed_2=600" },
	{ "param-file", 0, SR_OPT_STRING, offsetof(struct simulate_options, param_file), "FILE", 0, 0, NULL, NULL,
	  "parameters from a file, such as --calibrate writes; --param goes over them" },
	{ "calibrate", 0, SR_OPT_STRING, offsetof(struct simulate_options, calibrate), "FILE|live", 0, 0, NULL, NULL,
	  "measure parameters: from a recording's events, or (live) on this machine in about a second; prints them for "
	  "--param, and with -o writes a file for --param-file" },
	{ "params", 0, SR_OPT_FLAG, offsetof(struct simulate_options, params), NULL, 0, 0, NULL, NULL,
	  "print all parameters as they are set, with unit, default and source, and simulate nothing" },
	{ "force", 0, SR_OPT_FLAG, R(force), NULL, 0, 0, NULL, NULL,
	  "simulate also a recording that lost more events than it kept" },
	{ "json", 0, SR_OPT_FLAG, R(json), NULL, 0, 0, NULL, NULL,
	  "all runs and metrics as JSON instead of the table" },
	{ "quiet", 'q', SR_OPT_FLAG, R(quiet), NULL, 0, 0, NULL, NULL, "no progress" },
	{ 0 }
};

static const char *const examples[] = {
	"schedrec simulate build.srz",
	"what the kernel's model makes of it on the machine it was recorded on",
	"schedrec simulate build.srz --machine numa-2x8x2 --policy kernel,domain,bld --repeat 5 --db runs.db",
	"compare three policies on a machine that you do not have",
	"schedrec simulate web.srz batch.srz --machine 'node:8 core:64 pu:2'",
	"two recordings as one load on 1,024 CPUs",
	"schedrec simulate web.srz batch.srz --machine numa-8x64x2 --copies 300 --policy kernel,bld",
	"300 of each beside each other, so that 1,024 CPUs are busy",
	"schedrec simulate --params --json",
	"the parameters of the model",
	NULL
};

/* "name=value[,...]", with blanks and a comment around it, or nothing. */
static int read_line(struct sim_params *p, char *line, struct sr_error *err)
{
	char *text, *end;

	line[strcspn(line, "#\r\n")] = '\0';
	text = line + strspn(line, " \t");
	end = text + strcspn(text, " \t");
	if (end[strspn(end, " \t")])
		return sr_fail(err, SR_USAGE, "'%.40s': a line is name=value, without blanks inside", text);
	*end = '\0';
	return sim_params_parse(p, text, err);
}

static int read_params(struct sim_params *p, const char *path, struct sr_error *err)
{
	char line[4096];
	FILE *f = fopen(path, "re");
	unsigned n = 0;
	int ret = 0;

	if (!f)
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	while (ret == 0 && fgets(line, sizeof(line), f)) {
		n++;
		ret = read_line(p, line, err);
	}
	if (ret == 0 && ferror(f))
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	else if (ret < 0)
		sr_fail_prefix(err, "%s:%u", path, n);
	fclose(f);
	return ret;
}

static int load_params(const struct simulate_options *o, struct sim_params *p, struct sr_error *err)
{
	sim_params_default(p);
	if (o->param_file && read_params(p, o->param_file, err) < 0)
		return -1;
	if (o->param && sim_params_parse(p, o->param, err) < 0)
		return sr_fail_prefix(err, "--param");
	return 0;
}

static void print_params(const struct sim_params *p)
{
	const struct sim_param_row *row = sim_param_rows();
	char value[48];
	size_t i;

	for (i = 0; i < SIM_PARAMS; i++) {
		snprintf(value, sizeof(value), "%llu %s", (unsigned long long)p->v[i], row[i].unit);
		printf("%-20s %14s%s", row[i].name, value, *row[i].source ? "   from: " : "");
		printf("%s%s\n%8s%s\n", row[i].source, p->v[i] == row[i].deflt ? "" : "   (changed)", "", row[i].help);
	}
}

static void json_params(const struct sim_params *p)
{
	const struct sim_param_row *row = sim_param_rows();
	struct cmd_json j;
	size_t i;

	cmd_json_init(&j, stdout);
	cmd_json_open(&j, NULL, '[');
	for (i = 0; i < SIM_PARAMS; i++) {
		cmd_json_open(&j, NULL, '{');
		cmd_json_str(&j, "name", row[i].name);
		cmd_json_str(&j, "unit", row[i].unit);
		cmd_json_u64(&j, "value", p->v[i]);
		cmd_json_u64(&j, "default", row[i].deflt);
		cmd_json_u64(&j, "min", row[i].min);
		cmd_json_u64(&j, "max", row[i].max);
		cmd_json_str(&j, "help", row[i].help);
		cmd_json_str(&j, "source", row[i].source);
		cmd_json_close(&j, '}');
	}
	cmd_json_close(&j, ']');
}

/* The conditions of a simulated run, where a live one has the host's. */
static char *conditions(const struct replay_job *j, const struct sim_params *p)
{
	char *changed = sim_params_format(p, true), *text = NULL;
	size_t len;
	struct cmd_json json;
	FILE *f = changed ? open_memstream(&text, &len) : NULL;

	if (f) {
		cmd_json_init(&json, f);
		cmd_json_open(&json, NULL, '{');
		cmd_json_str(&json, "machine", j->machine_spec ? j->machine_spec : "recorded");
		cmd_json_str(&json, "parameters", changed);
		cmd_json_u64(&json, "seed", j->o->seed);
		cmd_json_str(&json, "order", j->o->order);
		cmd_json_close(&json, '}');
		if (fclose(f)) {
			free(text);
			text = NULL;
		}
	}
	free(changed);
	return text;
}

static int measure(const char *from, struct sim_params *p, struct sim_known *known, struct sr_error *err)
{
	struct sr_machine *m = NULL;
	struct srz_reader *r = NULL;
	int ret = -1;

	if (!strcmp(from, "live")) {
		m = sr_machine_load("this", err);
		ret = m ? sim_calibrate_live(p, m, known, err) : -1;
	} else {
		r = srz_open(from, err);
		ret = r ? sim_calibrate_file(p, r, known, err) : -1;
	}
	srz_reader_free(r);
	sr_machine_free(m);
	return ret;
}

/* Only what was measured: the rest may come from elsewhere. */
static int calibrate(const struct simulate_options *o, struct sim_params *p, struct sr_error *err)
{
	const struct sim_param_row *row = sim_param_rows();
	struct sim_known known = { 0 };
	FILE *f;
	bool first = true;
	size_t i;

	if (measure(o->calibrate, p, &known, err) < 0)
		return -1;
	for (i = 0; i < SIM_PARAMS; i++)
		if (known.v[i]) {
			printf("%s%s=%llu", first ? "" : ",", row[i].name, (unsigned long long)p->v[i]);
			first = false;
		}
	if (first)
		return sr_fail(err, SR_ANSWER_NO, "%s tells none of the parameters", o->calibrate);
	putchar('\n');
	if (!o->r.output)
		return 0;
	f = fopen(o->r.output, "we");
	if (!f)
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", o->r.output);
	fprintf(f, "# schedrec simulate --calibrate %s\n", o->calibrate);
	for (i = 0; i < SIM_PARAMS; i++)
		if (known.v[i])
			fprintf(f, "%s=%llu # %s: %s\n", row[i].name, (unsigned long long)p->v[i], row[i].unit,
				row[i].help);
	return fclose(f) ? sr_fail_errno(err, SR_ENVIRONMENT, "%s", o->r.output) : 0;
}

static int prepare(struct replay_job *j, struct sr_error *err)
{
	const struct replay_options *o = j->o;
	struct replay_series *s = &j->series;

	if (replay_parse_policies(j, err) < 0)
		return -1;
	s->work = "instructions";
	s->timing = o->timing;
	s->no_stall = o->no_stall;
	s->loop = o->loop;
	s->copies = o->copies;
	if (replay_load(j, err) < 0 || replay_settle_policies(j, err) < 0)
		return -1;
	s->machine = j->machine->summary;
	return replay_open_outputs(j, err);
}

static int run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct simulate_options *o = options;
	struct sim_params params;
	struct replay_job *j;
	char *host = NULL;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t jobs = o->jobs ? o->jobs : cpus > 0 ? (size_t)cpus : 1;
	int ret = -1;

	if (load_params(o, &params, err) < 0)
		return -1;
	if (o->params) {
		(o->r.json ? json_params : print_params)(&params);
		return 0;
	}
	if (o->calibrate)
		return calibrate(o, &params, err);
	if (nargs < 1)
		return sr_fail(err, SR_USAGE, "name a recording to simulate");
	j = replay_job_new(&o->r, nargs, args, err);
	if (!j)
		return -1;
	j->engine = "simulated";
	j->simulates = true;
	j->machine_spec = o->machine;
	j->once = simulate_once;
	j->engine_arg = &params;
	cmd_catch_signals();
	if (prepare(j, err) == 0) {
		host = conditions(j, &params);
		j->conditions = host;
		ret = host ? simulate_all(j, jobs, err) : sr_fail(err, SR_ENVIRONMENT, "out of memory");
	}
	cmd_progress_end();
	if (ret == 0) {
		if (o->r.json)
			replay_report_json(&j->series);
		else
			replay_report_table(&j->series);
		replay_report_warnings(&j->series);
		if (cmd_signal)
			ret = SR_INTERRUPTED;
	}
	replay_release(j);
	free(host);
	return ret;
}

const struct cmd cmd_simulate = {
	.name = "simulate",
	.summary = "run a recording in a simulated machine, under any policy, and compare",
	.operands = "FILE...",
	.description =
		"Simulates the tasks of a recording, by discrete events, on any machine: they do the work that their "
		"originals did, sleep, wake and fork each other as recorded. CPUs have fair run queues like Linux "
		"6.12's "
		"(EEVDF), real-time and deadline classes, threads of a core that slow each other down, capacities, "
		"caches that "
		"go cold, memory that is far, and ticks. The policies are the same as of `schedrec replay`.\n\n"
		"What it writes is a recording like any other, and the same table as a replay's. The same recording, "
		"machine, "
		"policy, seed and parameters give the same events on every computer; their digest is printed "
		"(events_sha256).\n\n"
		"Needs no privilege, and nothing of the host but time. The model, and what it leaves out, stand in the "
		"source's "
		"replay/SIMULATOR.md.",
	.examples = examples,
	.options = rows,
	.options_size = sizeof(struct simulate_options),
	.run = run,
};
