/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/cmd_replay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The table's rows; those that no run has are left out. */
static const char *const shown[] = { "makespan_ns",
				     "cpu_time_ns",
				     "wakeup_latency_ns.p50",
				     "wakeup_latency_ns.p95",
				     "wakeup_latency_ns.p99",
				     "run_delay_ns.mean",
				     "preempt_wait_ns.mean",
				     "switches_voluntary",
				     "switches_involuntary",
				     "migrations.total",
				     "idle_while_overloaded_ns",
				     "busiest_cpu_share",
				     "energy_j",
				     "policy_decision_ns.mean",
				     "balancer_cpu_ns",
				     NULL };

static const char *const shown_fidelity[] = { "fidelity.makespan_error",
					      "fidelity.cpu_time_error",
					      "fidelity.voluntary_switch_error",
					      "fidelity.involuntary_switch_error",
					      "fidelity.wakeup_error",
					      "fidelity.wakeup_latency_p50_error",
					      "fidelity.wakeup_latency_p95_error",
					      "fidelity.wakeup_latency_p99_error",
					      "fidelity.wakeup_latency_distance",
					      "fidelity.concurrency_distance",
					      "fidelity.wake_edges_recall",
					      "fidelity.wake_edges_precision",
					      "fidelity.order_waits",
					      "fidelity.order_waits_blocked",
					      NULL };

static size_t values_of(const struct replay_arm *arm, const char *name, double *v)
{
	size_t i, n = 0;

	for (i = 0; i < arm->n; i++)
		if (ana_get(&arm->runs[i].result, name, &v[n]))
			n++;
	return n;
}

static const char *unit_of(const struct replay_series *s, const char *name)
{
	size_t a, i, k;

	for (a = 0; a < s->narms; a++)
		for (i = 0; i < s->arm[a].n; i++) {
			const struct ana_result *r = &s->arm[a].runs[i].result;

			for (k = 0; k < r->nmetrics; k++)
				if (!strcmp(r->metrics[k].name, name))
					return r->metrics[k].unit;
		}
	return NULL;
}

static const char *format_value(char *buf, size_t len, const char *name, const char *unit, double v)
{
	if (!strcmp(unit, "ns"))
		return sr_format_time(buf, len, v);
	if (!strcmp(unit, "J"))
		snprintf(buf, len, "%.4g J", v);
	else if (strstr(name, "_error"))
		snprintf(buf, len, "%+.1f%%", v * 100);
	else if (!strcmp(unit, "ratio"))
		snprintf(buf, len, "%.1f%%", v * 100);
	else
		return sr_format_count(buf, len, (uint64_t)llround(v));
	return buf;
}

/* Columns: three policies fit a line of 100; more come in further tables. */
#define NAME_WIDTH 26
#define CELL_WIDTH 18
#define ARMS_A_TABLE 3

static void print_row(const struct replay_series *s, size_t first, const char *name, bool fidelity)
{
	const char *unit = unit_of(s, name);
	double *v, recorded;
	char num[48];
	size_t a;

	if (!unit)
		return;
	v = calloc(s->arm[0].n + 1, sizeof(*v));
	if (!v)
		return;
	printf("%-*s", NAME_WIDTH, fidelity ? name + strlen("fidelity.") : name);
	if (fidelity)
		printf(" %12s", "");
	else if (ana_get(&s->recorded, name, &recorded))
		printf(" %12s", format_value(num, sizeof(num), name, unit, recorded));
	else
		printf(" %12s", "-");
	for (a = first; a < s->narms && a < first + ARMS_A_TABLE; a++) {
		size_t n = values_of(&s->arm[a], name, v), i;
		double lo, hi, median;
		char cell[80];

		if (!n) {
			printf(" %*s", CELL_WIDTH, "-");
			continue;
		}
		lo = hi = v[0];
		for (i = 1; i < n; i++) {
			lo = fmin(lo, v[i]);
			hi = fmax(hi, v[i]);
		}
		median = ana_median(v, n);
		format_value(num, sizeof(num), name, unit, median);
		if (n > 1 && median != 0 && !fidelity)
			snprintf(cell, sizeof(cell), "%s \302\261%.1f%%", num, (hi - lo) / 2 / fabs(median) * 100);
		else
			snprintf(cell, sizeof(cell), "%s", num);
		/* The plus-minus sign is two bytes and one column. */
		printf(" %*s", CELL_WIDTH + (strchr(cell, 0xc2) ? 1 : 0), cell);
	}
	putchar('\n');
	free(v);
}

static void print_head(const struct replay_series *s, size_t first, const char *name, const char *second)
{
	size_t a;

	printf("%-*s %12s", NAME_WIDTH, name, second);
	for (a = first; a < s->narms && a < first + ARMS_A_TABLE; a++)
		printf(" %*.*s", CELL_WIDTH, CELL_WIDTH, s->arm[a].name);
	putchar('\n');
}

/* Names that the columns have no room for. */
static void print_long_names(const struct replay_series *s)
{
	bool any = false;

	for (size_t a = 0; a < s->narms; a++)
		any |= strlen(s->arm[a].name) > CELL_WIDTH;
	for (size_t a = 0; any && a < s->narms; a++)
		printf("column %zu: %.80s\n", a + 1, s->arm[a].name);
	if (any)
		putchar('\n');
}

/* What only simulations have: the machine, how fast they were, and what their first rounds' events add up to. */
static void print_simulations(const struct replay_series *s)
{
	uint64_t steps = 0, ns = 0;
	char num[2][32];
	size_t a, i;

	for (a = 0; a < s->narms; a++)
		for (i = 0; i < s->arm[a].n; i++) {
			steps += s->arm[a].runs[i].steps;
			ns += s->arm[a].runs[i].wall_ns;
		}
	printf("simulated: %s; %s internal events in %s\n", s->machine, sr_format_count(num[0], 32, steps),
	       sr_format_time(num[1], 32, (double)ns));
	for (a = 0; a < s->narms; a++)
		printf("events_sha256 %s  %s\n", s->arm[a].runs[0].events_sha256, s->arm[a].name);
	putchar('\n');
}

/* What energy_j rests on: the machine's clock and meters have no part in it. */
static void print_energy(const struct replay_series *s)
{
	const char *before = NULL;
	size_t a;

	for (a = 0; a < s->narms; a++) {
		const char *source = replay_energy_source(&s->arm[a]);

		if (!source || (before && !strcmp(before, source)))
			continue;
		printf("energy_j is an estimate by %s%s\n", source,
		       s->self ? ", and not known: the replay recorded itself" : "");
		before = source;
	}
}

void replay_report_table(const struct replay_series *s)
{
	char num[2][32], head[256];
	size_t i, a;

	printf("%s: %s tasks, %s of work\n", s->trace, sr_format_count(num[0], 32, s->model->ntasks),
	       sr_format_time(num[1], 32, s->model->run_ns));
	replay_model_print(s->model);
	if (s->groups_why[0])
		printf("control groups: %s\n", s->groups_why);
	if (s->processes_why[0]) { /* a simulation has neither */
		snprintf(head, sizeof(head), "%s: %s", s->processes ? "processes" : "threads", s->processes_why);
		cmd_print_wrapped(stdout, head, 0, 2);
	}
	snprintf(head, sizeof(head), "work: %s, timing: %s%s; %zu round%s; median, and half the range of the rounds%s",
		 s->work, s->timing, s->no_stall ? " without stalls" : "", s->arm[0].n, s->arm[0].n == 1 ? "" : "s",
		 s->self ? "; the replay recorded itself" : "");
	cmd_print_wrapped(stdout, head, 0, 2);
	putchar('\n');
	if (s->rounds_why[0])
		printf("%s\n\n", s->rounds_why);
	if (!s->arm[0].n)
		return;
	if (s->machine)
		print_simulations(s);
	print_long_names(s);
	for (a = 0; a < s->narms; a += ARMS_A_TABLE) {
		if (a)
			putchar('\n');
		print_head(s, a, "metric", "recorded");
		for (i = 0; shown[i]; i++)
			print_row(s, a, shown[i], false);
		if (!s->compared)
			continue;
		putchar('\n');
		print_head(s, a, "fidelity to the recording", "");
		for (i = 0; shown_fidelity[i]; i++)
			print_row(s, a, shown_fidelity[i], true);
	}
	print_energy(s);
}

static void json_metrics(struct cmd_json *j, const struct ana_result *r)
{
	size_t i;

	cmd_json_open(j, "metrics", '{');
	for (i = 0; i < r->nmetrics; i++)
		cmd_json_real(j, r->metrics[i].name, r->metrics[i].value);
	cmd_json_close(j, '}');
}

static void json_counts(struct cmd_json *j, const struct rpl_counts *c)
{
	cmd_json_open(j, "counts", '{');
	cmd_json_u64(j, "wakes", c->wakes);
	cmd_json_u64(j, "waits_slept", c->waits_slept);
	cmd_json_u64(j, "waits_passed", c->waits_passed);
	cmd_json_u64(j, "hidden_slept", c->hidden_slept);
	cmd_json_u64(j, "hidden_passed", c->hidden_passed);
	cmd_json_u64(j, "sleeps", c->sleeps);
	cmd_json_u64(j, "sleeps_late", c->sleeps_late);
	cmd_json_u64(j, "out_of_turn", c->out_of_turn);
	cmd_json_u64(j, "jobs_moved", c->jobs_moved);
	cmd_json_u64(j, "order_waits", c->order_waits);
	cmd_json_u64(j, "order_yields", c->order_yields);
	cmd_json_u64(j, "order_spins", c->order_spins);
	cmd_json_u64(j, "order_blocks", c->order_blocks);
	cmd_json_u64(j, "order_expired", c->order_expired);
	cmd_json_u64(j, "order_wait_ns", c->order_wait_ns);
	cmd_json_u64(j, "wakes_sync", c->wakes_sync);
	cmd_json_u64(j, "sync_refused", c->sync_refused);
	cmd_json_u64(j, "vforks_held", c->vforks_held);
	cmd_json_u64(j, "vforks_open", c->vforks_open);
	cmd_json_u64(j, "wakes_held", c->wakes_held);
	cmd_json_u64(j, "wakes_late", c->wakes_late);
	cmd_json_u64(j, "wake_local_ns", c->wake_local_ns);
	cmd_json_u64(j, "wake_remote_ns", c->wake_remote_ns);
	cmd_json_u64(j, "forced", c->forced);
	cmd_json_u64(j, "processes", c->processes);
	cmd_json_u64(j, "orphans", c->orphans);
	cmd_json_u64(j, "sessions_made", c->sessions_made);
	cmd_json_u64(j, "sessions_refused", c->sessions_refused);
	cmd_json_u64(j, "sessions_split", c->sessions_split);
	cmd_json_u64(j, "session_nice_refused", c->session_nice_refused);
	cmd_json_u64(j, "groups_entered", c->groups_entered);
	cmd_json_u64(j, "groups_refused", c->groups_refused);
	cmd_json_u64(j, "nice_refused", c->nice_refused);
	cmd_json_u64(j, "policy_refused", c->policy_refused);
	cmd_json_u64(j, "rt_refused", c->rt_refused);
	cmd_json_u64(j, "deadline_refused", c->deadline_refused);
	cmd_json_u64(j, "rt_set", c->rt_set);
	cmd_json_u64(j, "rt_demoted", c->rt_demoted);
	cmd_json_u64(j, "exec_balanced", c->exec_balanced);
	cmd_json_u64(j, "exec_unbalanced", c->exec_unbalanced);
	cmd_json_u64(j, "affinity_dropped", c->affinity_dropped);
	cmd_json_u64(j, "decisions", c->decisions);
	cmd_json_u64(j, "owed_ns", c->owed_ns);
	cmd_json_u64(j, "paid_ns", c->paid_ns);
	cmd_json_u64(j, "wakes_nearer", c->wakes_nearer);
	cmd_json_u64(j, "wakes_farther", c->wakes_farther);
	cmd_json_real(j, "wake_cost_ns", (double)c->wake_cost_ns);
	cmd_json_u64(j, "events_dropped", c->events_dropped);
	cmd_json_close(j, '}');
}

static void json_told(struct cmd_json *j, const struct replay_run *run)
{
	unsigned i;

	cmd_json_open(j, "policy_counts", '{');
	for (i = 0; i < run->ntold; i++)
		cmd_json_u64(j, run->told[i].name, run->told[i].n);
	cmd_json_close(j, '}');
}

void replay_report_json(const struct replay_series *s)
{
	struct cmd_json j;
	size_t a, i;

	cmd_json_init(&j, stdout);
	cmd_json_open(&j, NULL, '{');
	cmd_json_str(&j, "trace", s->trace);
	cmd_json_str(&j, "work", s->work);
	cmd_json_str(&j, "timing", s->timing);
	cmd_json_bool(&j, "no_stall", s->no_stall);
	cmd_json_u64(&j, "loop", s->loop);
	cmd_json_u64(&j, "copies", s->copies);
	if (s->machine)
		cmd_json_str(&j, "machine", s->machine);
	cmd_json_bool(&j, "self_recorded", s->self);
	cmd_json_str(&j, "self_recorded_why", s->self ? s->self_why : NULL);
	cmd_json_str(&j, "doubt", s->doubt[0] ? s->doubt : NULL);
	cmd_json_u64(&j, "recording_lost_places", s->recording_lost);
	cmd_json_bool(&j, "processes", s->processes);
	cmd_json_bool(&j, "sessions", s->sessions);
	cmd_json_str(&j, "processes_why", s->processes_why);
	cmd_json_u64(&j, "groups", s->groups);
	cmd_json_str(&j, "groups_why", s->groups_why[0] ? s->groups_why : NULL);
	cmd_json_str(&j, "rounds_why", s->rounds_why[0] ? s->rounds_why : NULL);
	replay_model_json(&j, s->model);
	cmd_json_open(&j, "recorded", '{');
	json_metrics(&j, &s->recorded);
	cmd_json_close(&j, '}');
	cmd_json_open(&j, "runs", '[');
	for (a = 0; a < s->narms; a++)
		for (i = 0; i < s->arm[a].n; i++) {
			cmd_json_open(&j, NULL, '{');
			cmd_json_str(&j, "policy", s->arm[a].name);
			cmd_json_str(&j, "arm", *s->arm[a].identity ? s->arm[a].identity : NULL);
			cmd_json_str(&j, "label", s->arm[a].o->label);
			cmd_json_u64(&j, "round", s->arm[a].o->first_round + i);
			cmd_json_str(&j, "file", s->arm[a].runs[i].file);
			if (s->machine) {
				cmd_json_str(&j, "events_sha256", s->arm[a].runs[i].events_sha256);
				cmd_json_u64(&j, "events", s->arm[a].runs[i].events);
				cmd_json_u64(&j, "internal_events", s->arm[a].runs[i].steps);
				cmd_json_u64(&j, "wall_ns", s->arm[a].runs[i].wall_ns);
			}
			cmd_json_str(&j, "energy_estimated_by", replay_energy_source(&s->arm[a]));
			json_counts(&j, &s->arm[a].runs[i].counts);
			json_told(&j, &s->arm[a].runs[i]);
			replay_foreign_json(&j, &s->arm[a].runs[i].foreign);
			json_metrics(&j, &s->arm[a].runs[i].result);
			cmd_json_close(&j, '}');
		}
	cmd_json_close(&j, ']');
	cmd_json_close(&j, '}');
}

/* What a policy counted, over all rounds. */
static void warn_told(const struct replay_arm *arm)
{
	unsigned k;
	size_t i;

	for (k = 0; arm->n && k < arm->runs[0].ntold; k++) {
		uint64_t n = 0;

		for (i = 0; i < arm->n; i++)
			n += arm->runs[i].told[k].n;
		if (n && arm->runs[0].told[k].warn)
			cmd_warn("%s: %llu %s", arm->name, (unsigned long long)n, arm->runs[0].told[k].text);
	}
}

/* A comparison of policies rests on the replay; beyond these it should not. */
static const struct {
	const char *name, *text;
	double limit;
} poor[] = {
	{ "fidelity.cpu_time_error", "CPU time", 0.10 },
	{ "fidelity.makespan_error", "makespan", 0.15 },
	{ "fidelity.voluntary_switch_error", "voluntary switches", 0.20 },
};

static uint64_t total(const struct replay_series *s, size_t offset)
{
	uint64_t sum = 0;
	size_t a, i;

	for (a = 0; a < s->narms; a++)
		for (i = 0; i < s->arm[a].n; i++)
			sum += *(const uint64_t *)((const char *)&s->arm[a].runs[i].counts + offset);
	return sum;
}

static void warn_poor(const struct replay_series *s)
{
	const struct replay_arm *arm = &s->arm[0];
	double *v = calloc(arm->n + 1, sizeof(*v));
	size_t i;

	/* Another policy may well change these; only the kernel's own should resemble the recording. */
	for (i = 0; v && i < sizeof(poor) / sizeof(*poor) && !arm->policy->pins; i++) {
		size_t n = values_of(arm, poor[i].name, v);
		double median = n ? ana_median(v, n) : 0;

		if (fabs(median) > poor[i].limit && !strcmp(s->work, "time"))
			cmd_warn("the replay's %s is %+.0f%% off the recording's: do not rest a comparison on it",
				 poor[i].text, median * 100);
	}
	free(v);
}

void replay_report_warnings(const struct replay_series *s)
{
	static const struct {
		size_t offset;
		const char *text;
	} count[] = {
		{ offsetof(struct rpl_counts, nice_refused),
		  "nice values could not be set (they need root or CAP_SYS_NICE; under sudo --allow-rt keeps it)" },
		{ offsetof(struct rpl_counts, sessions_refused),
		  "sessions could not be made: their processes compete as their parents do" },
		{ offsetof(struct rpl_counts, sessions_split),
		  "sessions are parts of one of the recording: nobody saw who had made that" },
		{ offsetof(struct rpl_counts, session_nice_refused),
		  "nice values of sessions could not be set (root may; others ten times a second, and none below 0)" },
		{ offsetof(struct rpl_counts, groups_refused), "tasks could not be moved into their control group" },
		{ offsetof(struct rpl_counts, rt_refused),
		  "real-time tasks ran as normal ones (--allow-rt, by root or with CAP_SYS_NICE)" },
		{ offsetof(struct rpl_counts, deadline_refused),
		  "deadline tasks ran as normal ones (they need --allow-rt, their recorded parameters and all CPUs)" },
		{ offsetof(struct rpl_counts, rt_demoted),
		  "real-time threads were made normal: one held a CPU for longer than --rt-limit" },
		{ offsetof(struct rpl_counts, policy_refused),
		  "tasks could not be given their class (BATCH, IDLE, EXT)" },
		{ offsetof(struct rpl_counts, affinity_dropped),
		  "recorded affinities were dropped (another machine, or other CPUs: see --cpu-map)" },
		{ offsetof(struct rpl_counts, forced),
		  "waits had to be ended by the watchdog: please report this recording" },
		{ offsetof(struct rpl_counts, events_dropped), "of the replay's own events found no room" },
	};
	uint64_t open = total(s, offsetof(struct rpl_counts, vforks_open));
	size_t i;

	if (s->doubt[0])
		cmd_warn("%s: %s", s->trace, s->doubt);
	if (s->self && s->self_why)
		cmd_warn("the replay recorded itself (%s): no preemptions, slices or migrations", s->self_why);
	if (!s->compared)
		cmd_warn("several recordings, copies or loops are one load: there is no recorded column and no "
			 "fidelity");
	if (s->recording_lost)
		cmd_warn("events of the recording were lost in %llu places", (unsigned long long)s->recording_lost);
	if (s->model->counts.masks_unmapped)
		cmd_warn("%llu tasks were allowed only on CPUs that --cpu-map leaves out: they run on all",
			 (unsigned long long)s->model->counts.masks_unmapped);
	for (i = 0; i < sizeof(count) / sizeof(*count); i++) {
		uint64_t n = total(s, count[i].offset);

		if (n)
			cmd_warn("%llu %s", (unsigned long long)n, count[i].text);
	}
	if (open)
		cmd_note("%llu parents of vforks could not keep their CPU (that needs root or CAP_SYS_NICE; under sudo "
			 "--allow-rt keeps it): the longest waits may be missing",
			 (unsigned long long)open);
	for (i = 0; i < s->narms; i++)
		warn_told(&s->arm[i]);
	if (!s->self && !s->no_stall && s->compared)
		warn_poor(s);
	replay_foreign_note(s);
}
