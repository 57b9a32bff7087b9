/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/event.h"

const char *sr_event_kind_name(unsigned kind)
{
	static const char *const names[SR_EV_KINDS] = {
		[SR_EV_SWITCH] = "sched_switch",
		[SR_EV_WAKING] = "sched_waking",
		[SR_EV_WAKEUP] = "sched_wakeup",
		[SR_EV_WAKEUP_NEW] = "sched_wakeup_new",
		[SR_EV_MIGRATE] = "sched_migrate_task",
		[SR_EV_FORK] = "sched_process_fork",
		[SR_EV_EXEC] = "sched_process_exec",
		[SR_EV_EXIT] = "sched_process_exit",
		[SR_EV_RENAME] = "task_rename",
		[SR_EV_NEWTASK] = "task_newtask",
		[SR_EV_COMM] = "comm",
		[SR_EV_LOST] = "lost",
		[SR_EV_DECISION] = "decision",
		[SR_EV_BIND] = "bind",
		[SR_EV_FREQUENCY] = "cpu_frequency",
		[SR_EV_IDLE] = "cpu_idle",
	};

	return kind < SR_EV_KINDS && names[kind] ? names[kind] : "?";
}

char sr_state_letter(unsigned state)
{
	static const char letters[] = {
		[SR_STATE_RUNNING] = 'R', [SR_STATE_PREEMPTED] = 'R', [SR_STATE_SLEEPING] = 'S',
		[SR_STATE_DISK] = 'D',    [SR_STATE_STOPPED] = 'T',   [SR_STATE_TRACED] = 't',
		[SR_STATE_DEAD] = 'X',    [SR_STATE_ZOMBIE] = 'Z',    [SR_STATE_PARKED] = 'P',
		[SR_STATE_IDLE] = 'I',    [SR_STATE_OTHER] = '?',
	};

	return state < SR_STATES ? letters[state] : '?';
}

const char *sr_cause_name(unsigned cause)
{
	static const char *const names[SR_CAUSES] = {
		[SR_CAUSE_NONE] = "none",     [SR_CAUSE_FORK] = "fork",       [SR_CAUSE_EXEC] = "exec",
		[SR_CAUSE_WAKE] = "wake",     [SR_CAUSE_NEWIDLE] = "newidle", [SR_CAUSE_TICK] = "tick",
		[SR_CAUSE_ACTIVE] = "active", [SR_CAUSE_KERNEL] = "kernel",
	};

	return cause < SR_CAUSES ? names[cause] : "?";
}
