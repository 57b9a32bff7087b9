/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Features of a recording: what kind of load it is, in numbers that can be searched for and compared between machines.
 * One streaming pass; memory grows with tasks and cpus, not with events (of the wake graph at most ANA_FEATURE_EDGES
 * pairs are kept, chosen by a hash). Every task but the idle tasks and the recorder counts.
 *
 *   switch_rate, wake_rate, migrate_rate   switches from a task, wakes, migrations a second and cpu that ran any task
 *   fork_rate, exec_rate                   a second
 *   busy_share               of those cpus' time
 *   involuntary_share        of switches: those that left a runnable task
 *   burst_p50 _p90 _p99      CPU time from a wake (or birth) to the next sleep, ns
 *   sleep_p50 _p90 _p99      from going to sleep to the wake, ns
 *   wait_p50 _p99            on a run queue, ns
 *   concurrency_mean _p95 _max   runnable tasks, by time
 *   tasks_active             tasks that ran
 *   tasks_effective          1 / sum of the squares of their parts of the CPU time: 1 when one task does it all
 *   top_task_share           of CPU time, the busiest task's
 *   kernel_share rt_share nice_share   of CPU time: kernel threads; deadline and real time; positive nice values
 *   wake_degree              tasks that a waking task wakes, mean
 *   wake_hub_share           of wakes, those by the task that wakes most
 *   wake_mutual_share        of wakes, those between two that wake each other
 *   wake_irq_share           of wakes, those from interrupts: timers and devices
 *   periodic_share           of wakes, those as long after the one before as that was after its own (within 5%)
 *   period                   the median of those distances, ns
 *
 * One that cannot be known is NAN.
 */
#ifndef SCHEDREC_ANALYZE_FEATURES_H
#define SCHEDREC_ANALYZE_FEATURES_H

#include "formats/error.h"
#include "formats/srz.h"

#define ANA_FEATURE_EDGES 65536

enum ana_feature {
	ANA_F_SWITCH_RATE,
	ANA_F_WAKE_RATE,
	ANA_F_MIGRATE_RATE,
	ANA_F_FORK_RATE,
	ANA_F_EXEC_RATE,
	ANA_F_BUSY_SHARE,
	ANA_F_INVOLUNTARY_SHARE,
	ANA_F_BURST_P50,
	ANA_F_BURST_P90,
	ANA_F_BURST_P99,
	ANA_F_SLEEP_P50,
	ANA_F_SLEEP_P90,
	ANA_F_SLEEP_P99,
	ANA_F_WAIT_P50,
	ANA_F_WAIT_P99,
	ANA_F_CONCURRENCY_MEAN,
	ANA_F_CONCURRENCY_P95,
	ANA_F_CONCURRENCY_MAX,
	ANA_F_TASKS_ACTIVE,
	ANA_F_TASKS_EFFECTIVE,
	ANA_F_TOP_TASK_SHARE,
	ANA_F_KERNEL_SHARE,
	ANA_F_RT_SHARE,
	ANA_F_NICE_SHARE,
	ANA_F_WAKE_DEGREE,
	ANA_F_WAKE_HUB_SHARE,
	ANA_F_WAKE_MUTUAL_SHARE,
	ANA_F_WAKE_IRQ_SHARE,
	ANA_F_PERIODIC_SHARE,
	ANA_F_PERIOD,
	ANA_FEATURES
};

struct ana_features {
	double v[ANA_FEATURES];
};
const char *ana_feature_name(enum ana_feature f); /* "switch_rate" */

/* Rewinds the reader first. */
int ana_features(struct srz_reader *r, struct ana_features *out, struct sr_error *err);

#endif
