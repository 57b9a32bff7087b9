/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/option.h"
#include "replay/sim.h"

#define MS 1000000u
#define GHOST "ghOSt (SOSP'21), table 3"
#define GUESS "a guess: calibrate"
#define KERNEL "Linux 6.12"

static const struct sim_param_row rows[SIM_PARAMS] = {
	[SIM_SWITCH_VOLUNTARY] = { "switch_voluntary", "ns", 600, 0, MS,
				   "work of a task that is switched to from idle or from one that slept", GHOST },
	[SIM_SWITCH_INVOLUNTARY] = { "switch_involuntary", "ns", 1000, 0, MS,
				     "the same, from a task that was preempted or yielded", "scx_simulator" },
	[SIM_WAKE_LOCAL] = { "wake_local", "ns", 500, 0, MS, "work of a waker: target on its own or a busy CPU",
			     GUESS },
	[SIM_WAKE_REMOTE] = { "wake_remote", "ns", 1200, 0, MS,
			      "the same: target on another CPU that is idle, with the interrupt to it", GUESS },
	[SIM_IPI] = { "ipi", "ns", 700, 1, MS, "until a busy CPU learns that it is to choose anew", GHOST },
	[SIM_PREEMPT_WAKE] = { "preempt_wake", "ns", 700, 0, MS,
			       "until a task that another woke on its own CPU preempts that one", GUESS },
	[SIM_PREEMPT_TIMER] = { "preempt_timer", "ns", 700, 0, MS,
				"the same, after an interrupt (a timer) of the CPU's own", GUESS },
	[SIM_WAY_SPREAD] = { "way_spread", "%", 0, 0, 100,
			     "ipi, preempt_wake, preempt_timer and idle_switch vary so: evenly, as the seed decides",
			     GUESS },
	[SIM_IDLE_EXIT] = { "idle_exit", "ns", 2500, 1, 10 * MS,
			    "until an idle CPU that another woke switches to the task, when it idled for up to 0.1 ms",
			    GUESS },
	[SIM_IDLE_EXIT_DEEP] = { "idle_exit_deep", "ns", 2500, 1, 10 * MS,
				 "the same after 1 ms and more, when it sleeps deeper; straight in between", GUESS },
	[SIM_IDLE_EXIT_SPREAD] = { "idle_exit_spread", "%", 0, 0, 100,
				   "both vary: evenly, by up to so much less or more, as the seed decides", GUESS },
	[SIM_IDLE_SWITCH] = { "idle_switch", "ns", 1200, 1, 10 * MS,
			      "the same, after an interrupt (a timer) of its own", GUESS },
	[SIM_MIGRATE_SMT] = { "migrate_smt", "ns", 0, 0, 100 * MS,
			      "work more on another thread of the core, its caches being warm",
			      "the caches are the core's" },
	[SIM_MIGRATE_LLC] = { "migrate_llc", "ns", 8000, 0, 100 * MS, "the same: another core, same last-level cache",
			      GUESS },
	[SIM_MIGRATE_PACKAGE] = { "migrate_package", "ns", 40000, 0, 100 * MS, "the same: another last-level cache",
				  GUESS },
	[SIM_MIGRATE_NODE] = { "migrate_node", "ns", 60000, 0, 100 * MS, "the same: another NUMA node", GUESS },
	[SIM_CACHE_HALFLIFE] = { "cache_halflife", "ns", 2 * MS, 1000, 1000 * MS,
				 "off the CPU so long, half of that is cold anyway", GUESS },
	[SIM_REMOTE_MEMORY] = { "remote_memory", "%", 20, 0, 1000,
				"longer at NUMA distance 20 than where the task first ran; more the farther it is",
				GUESS },
	[SIM_SMT_SPEED_2] = { "smt_speed_2", "1/1000", 625, 1, 1000,
			      "speed of each of two busy threads of a core (both together: 1.25)", GUESS },
	[SIM_SMT_SPEED_3] = { "smt_speed_3", "1/1000", 470, 1, 1000, "the same, of three", GUESS },
	[SIM_SMT_SPEED_4] = { "smt_speed_4", "1/1000", 390, 1, 1000, "the same, of four and more", GUESS },
	[SIM_TICK] = { "tick", "ns", 4 * MS, 100000, 1000 * MS, "period of the scheduler's tick (HZ 250)",
		       "CONFIG_HZ=250 of Debian and Ubuntu" },
	[SIM_TICK_COST] = { "tick_cost", "ns", 1000, 0, MS, "work of whoever runs when it comes", GUESS },
	[SIM_TICK_SPREAD] = { "tick_spread", "0/1", 1, 0, 1,
			      "ticks of the CPUs spread over the period, or all at one time",
			      "CPUs that start one by one" },
	[SIM_TIMER_SLACK] = { "timer_slack", "ns", 0, 0, 1000 * MS,
			      "sleeps by the clock last longer by it; recorded lengths hold the recorded slack", "" },
	[SIM_NEWIDLE] = { "newidle", "ns", 500, 0, MS, "kernel: cost of looking for work when a CPU runs empty",
			  GUESS },
	[SIM_NEWIDLE_CPU] = { "newidle_cpu", "ns", 50, 0, MS, "kernel: and for each CPU that it looks at", GUESS },
	[SIM_POLICY_PLACE] = { "policy_place", "ns", 300, 0, 100 * MS, "policies: a decision at fork, exec or wake",
			       "tests/bench/policy_bench" },
	[SIM_POLICY_QUEUE] = { "policy_queue", "ns", 30, 0, 100 * MS, "policies: being told of a queue's change",
			       "tests/bench/policy_bench" },
	[SIM_POLICY_TICK] = { "policy_tick", "ns", 500, 0, 100 * MS, "policies: a tick", GUESS },
	[SIM_POLICY_NEWIDLE] = { "policy_newidle", "ns", 500, 0, 100 * MS, "policies: a CPU that runs empty", GUESS },
	[SIM_POLICY_MOVE] = { "policy_move", "ns", 1500, 0, 100 * MS, "policies: each task that they move", GUESS },
	[SIM_FORK] = { "fork", "ns", 0, 0, 100 * MS, "work more of a fork than the recorded burst holds", "" },
	[SIM_EXEC] = { "exec", "ns", 0, 0, 100 * MS, "the same of an exec", "" },
	[SIM_EXIT] = { "exit", "ns", 0, 0, 100 * MS, "the same of an exit", "" },
	[SIM_BASE_SLICE] = { "base_slice", "ns", 0, 0, 100 * MS,
			     "slice of the fair class; 0: 0.75 ms x (1 + log2 of up to 8 CPUs)", KERNEL },
	[SIM_RR_SLICE] = { "rr_slice", "ns", 100 * MS, MS, 1000 * MS, "slice of SCHED_RR", KERNEL },
	[SIM_CACHE_HOT] = { "cache_hot", "ns", 500000, 0, 100 * MS,
			    "kernel: who ran so lately is not pulled, and no CPU looks for work that idles shorter",
			    KERNEL },
	[SIM_IDLE_SCAN] = { "idle_scan", "CPUs", SR_MAX_CPUS, 0, SR_MAX_CPUS,
			    "kernel: so many a wake-up tries for an idle one, the task's last being busy",
			    "no limit by SIS_UTIL" },
};

const struct sim_param_row *sim_param_rows(void)
{
	return rows;
}

void sim_params_default(struct sim_params *p)
{
	size_t i;

	for (i = 0; i < SIM_PARAMS; i++)
		p->v[i] = rows[i].deflt;
}

static const struct sim_param_row *find(const char *name, size_t len, size_t *i)
{
	for (*i = 0; *i < SIM_PARAMS; ++*i)
		if (strlen(rows[*i].name) == len && !memcmp(rows[*i].name, name, len))
			return &rows[*i];
	return NULL;
}

static int parse_value(const struct sim_param_row *row, const char *text, uint64_t *v, struct sr_error *err)
{
	char *end = NULL;
	struct sr_error ignored;
	unsigned long long n = 0;

	if (*text >= '0' && *text <= '9' && strlen(text) < 20)
		n = strtoull(text, &end, 10);
	*v = n;
	if ((!end || *end) && (strcmp(row->unit, "ns") != 0 || sr_parse_time(text, v, &ignored) < 0))
		return sr_fail(err, SR_USAGE, "%s=%s is no number%s", row->name, text,
			       strcmp(row->unit, "ns") ? "" : " of ns, nor a time");
	if (*v < row->min || *v > row->max)
		return sr_fail(err, SR_USAGE, "%s=%s is out of bounds: %llu to %llu %s", row->name, text,
			       (unsigned long long)row->min, (unsigned long long)row->max, row->unit);
	return 0;
}

int sim_params_parse(struct sim_params *p, const char *text, struct sr_error *err)
{
	while (*text) {
		size_t len = strcspn(text, ","), name = strcspn(text, "=,"), i;
		const struct sim_param_row *row = find(text, name, &i);
		char value[32];

		if (!row)
			return sr_fail(err, SR_USAGE, "there is no parameter '%.*s': --params lists them", (int)len,
				       text);
		if (name == len || len - name - 1 >= sizeof(value))
			return sr_fail(err, SR_USAGE, "'%.*s': parameters are written name=value", (int)len, text);
		memcpy(value, text + name + 1, len - name - 1);
		value[len - name - 1] = '\0';
		if (parse_value(row, value, &p->v[i], err) < 0)
			return -1;
		text += len + (text[len] == ',');
	}
	return 0;
}

char *sim_params_format(const struct sim_params *p, bool changed_only)
{
	char *text = NULL;
	size_t len, i;
	bool first = true;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (i = 0; i < SIM_PARAMS; i++) {
		if (changed_only && p->v[i] == rows[i].deflt)
			continue;
		fprintf(f, "%s%s=%llu", first ? "" : ",", rows[i].name, (unsigned long long)p->v[i]);
		first = false;
	}
	return fclose(f) ? NULL : text;
}
