/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told of the model in every run: which rule decided how many waits, and what was repaired (REPLAY.md). */
#include "replay/cmd_replay.h"

#include <stdio.h>

static const struct {
	const char *name;
	size_t offset;
} rows[] = {
#define ROW(name, member)                                      \
	{                                                      \
		name, offsetof(struct sr_model_counts, member) \
	}
	ROW("tasks", tasks),
	ROW("tasks_outside", tasks_outside),
	ROW("waits_task", waits_task),
	ROW("waits_softirq", waits_softirq),
	ROW("waits_disk", waits_disk),
	ROW("sleeps_timer", sleeps_timer),
	ROW("sleeps_outside", sleeps_outside),
	ROW("sleeps_interrupt", sleeps[SR_SLEEP_INTERRUPT]),
	ROW("sleeps_relative", sleeps[SR_SLEEP_RELATIVE]),
	ROW("sleeps_periodic", sleeps[SR_SLEEP_PERIODIC]),
	ROW("sleeps_other_tasks", sleeps[SR_SLEEP_OUTSIDE]),
	ROW("sleeps_disk", sleeps[SR_SLEEP_DISK]),
	ROW("sleeps_unknown", sleeps[SR_SLEEP_UNKNOWN]),
	ROW("sleeps_open", sleeps_open),
	ROW("timers_periodic", timers_periodic),
	ROW("masks_unmapped", masks_unmapped),
	ROW("sessions", sessions),
	ROW("wakes_early", wakes_early),
	ROW("wakes_unmatched", wakes_unmatched),
	ROW("wakes_missing", wakes_missing),
	ROW("sleeps_proved", sleeps_proved),
	ROW("check_timed", check_timed),
	ROW("order_none", order[SR_ORDER_NONE]),
	ROW("order_folded", order[SR_ORDER_FOLDED]),
	ROW("order_queued", order[SR_ORDER_QUEUED]),
	ROW("order_preempted", order[SR_ORDER_PREEMPTED]),
	ROW("order_concurrent", order[SR_ORDER_CONCURRENT]),
	ROW("order_answers", order_answers),
	ROW("waits_lock", waits_lock),
	ROW("buffers", buffers),
	ROW("hidden_messages", hidden),
	ROW("hidden_dropped", hidden_dropped),
	ROW("event_loops", loops),
	ROW("any_waiters", any),
	ROW("pools", pools),
	ROW("pool_jobs", pool_jobs),
	ROW("repaired", repaired),
	ROW("lost", lost),
#undef ROW
};

static uint64_t value(const struct sr_model *m, size_t row)
{
	return *(const uint64_t *)((const char *)&m->counts + rows[row].offset);
}

int replay_model_meta(struct srz_writer *w, const struct sr_model *m, struct sr_error *err)
{
	char key[64];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(key, sizeof(key), "replay.model.%s", rows[i].name);
		if (srz_put_meta_u64(w, key, value(m, i), err) < 0)
			return -1;
	}
	return srz_put_meta_u64(w, "replay.model.run_ns", m->run_ns, err);
}

void replay_model_json(struct cmd_json *j, const struct sr_model *m)
{
	size_t i;

	cmd_json_open(j, "model", '{');
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cmd_json_u64(j, rows[i].name, value(m, i));
	cmd_json_u64(j, "run_ns", m->run_ns);
	cmd_json_close(j, '}');
}

struct part {
	uint64_t n;
	const char *text;
};

/* "HEAD: 3 of this, 5 of that", of those that there are; in lines of at most 100 columns. */
static void print_parts(const char *head, const struct part *v, size_t n)
{
	char item[96], num[32];
	int column = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		int len;

		if (!v[i].n)
			continue;
		len = snprintf(item, sizeof(item), "%s %s", sr_format_count(num, sizeof(num), v[i].n), v[i].text);
		if (!column)
			column = printf("%s: ", head);
		else if (column + len + 3 > 98)
			column = printf(",\n  ") - 2;
		else
			column += printf(", ");
		column += printf("%s", item);
	}
	if (column)
		putchar('\n');
}

void replay_model_print(const struct sr_model *m)
{
	const struct sr_model_counts *c = &m->counts;
	const struct part ends[] = {
		{ c->waits_task, "by tasks" },
		{ c->waits_softirq, "through sockets" },
		{ c->sleeps[SR_SLEEP_PERIODIC], "by periodic timers" },
		{ c->sleeps[SR_SLEEP_RELATIVE], "by other timers" },
		{ c->sleeps[SR_SLEEP_INTERRUPT], "by interrupts" },
		{ c->sleeps[SR_SLEEP_DISK], "by disks" },
		{ c->sleeps[SR_SLEEP_OUTSIDE], "by tasks outside" },
		{ c->sleeps[SR_SLEEP_UNKNOWN], "by nobody seen" },
	};
	const struct part repairs[] = {
		{ c->lost, "events were lost" },
		{ c->repaired, "switches put in" },
		{ c->wakes_missing, "wakes missing (their sleeps are timed)" },
		{ c->sleeps_proved, "sleeps known by their wakes only" },
		{ c->check_timed, "waits without a wake made timed" },
		{ c->wakes_unmatched, "wakes of tasks that did not sleep dropped" },
	};

	print_parts("sleeps ended", ends, sizeof(ends) / sizeof(*ends));
	print_parts("repaired", repairs, sizeof(repairs) / sizeof(*repairs));
}
