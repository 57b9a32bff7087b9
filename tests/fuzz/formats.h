/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The events' formats as three kernels have them, for fuzz_page.c: 6.18 and 5.10 of 64 bits, and one of 32 bits. The ids
 * are those of the recorded sub-buffers in corpus-page, for all three.
 */
#ifndef SCHEDREC_TESTS_FORMATS_H
#define SCHEDREC_TESTS_FORMATS_H

#include "record/internal.h"

#define FIELD(type, name, offset, size, sign) \
	"\tfield:" type " " name ";\toffset:" #offset ";\tsize:" #size ";\tsigned:" #sign ";\n"
#define NUM(type, name, offset) FIELD(type, name, offset, 4, 1)
#define COMM(name, offset) FIELD("char", name "[16]", offset, 16, 0)
#define LOC(name, offset) FIELD("__data_loc char[]", name, offset, 4, 0)
#define EVENT(name, id, fields, print)                                                           \
	"name: " name "\nID: " #id "\nformat:\n" FIELD("unsigned short", "common_type", 0, 2, 0) \
		FIELD("unsigned char", "common_flags", 2, 1, 0)                                  \
			FIELD("unsigned char", "common_preempt_count", 3, 1, 0)                  \
				NUM("int", "common_pid", 4) "\n" fields "\nprint fmt: " print "\n"
#define NO_PRINT "\"\""
#define STATES                                                                                                \
	"\"%s%s\", (REC->prev_state & 0xff) ? __print_flags(REC->prev_state & 0xff, \"|\", { 0x1, \"S\" }, "  \
	"{ 0x2, \"D\" }, { 0x4, \"T\" }, { 0x8, \"t\" }, { 0x10, \"X\" }, { 0x20, \"Z\" }, { 0x40, \"P\" }, " \
	"{ 0x80, \"I\" }) : \"R\", REC->prev_state & 0x100 ? \"+\" : \"\""

#define SWITCH_HEAD COMM("prev_comm", 8) NUM("pid_t", "prev_pid", 24) NUM("int", "prev_prio", 28)
#define SWITCH_64                                                                                                  \
	EVENT("sched_switch", 372,                                                                                 \
	      SWITCH_HEAD FIELD("long", "prev_state", 32, 8, 1) COMM("next_comm", 40) NUM("pid_t", "next_pid", 56) \
		      NUM("int", "next_prio", 60),                                                                 \
	      STATES)
#define SWITCH_32                                                                                          \
	EVENT("sched_switch", 372,                                                                         \
	      SWITCH_HEAD NUM("long", "prev_state", 32) COMM("next_comm", 36) NUM("pid_t", "next_pid", 52) \
		      NUM("int", "next_prio", 56),                                                         \
	      STATES)
#define WAKE(name, id)                                                                                               \
	EVENT(name, id, COMM("comm", 8) NUM("pid_t", "pid", 24) NUM("int", "prio", 28) NUM("int", "target_cpu", 32), \
	      NO_PRINT)
#define MIGRATE_TAIL(at, at4, at8, at12) \
	NUM("pid_t", "pid", at) NUM("int", "prio", at4) NUM("int", "orig_cpu", at8) NUM("int", "dest_cpu", at12)
#define EXEC                                                                                                     \
	EVENT("sched_process_exec", 365, LOC("filename", 8) NUM("pid_t", "pid", 12) NUM("pid_t", "old_pid", 16), \
	      NO_PRINT)
#define EXIT_FIELDS COMM("comm", 8) NUM("pid_t", "pid", 24) NUM("int", "prio", 28)
#define NEWTASK_64                                                                          \
	EVENT("task_newtask", 205,                                                          \
	      NUM("pid_t", "pid", 8) COMM("comm", 12) FIELD("u64", "clone_flags", 32, 8, 0) \
		      FIELD("short", "oom_score_adj", 40, 2, 1),                            \
	      NO_PRINT)
#define NEWTASK_32                                                                                    \
	EVENT("task_newtask", 205,                                                                    \
	      NUM("pid_t", "pid", 8) COMM("comm", 12) FIELD("unsigned long", "clone_flags", 28, 4, 0) \
		      FIELD("short", "oom_score_adj", 32, 2, 1),                                      \
	      NO_PRINT)

#define WAKES                                                                                   \
	[SR_EV_WAKING] = WAKE("sched_waking", 375), [SR_EV_WAKEUP] = WAKE("sched_wakeup", 374), \
	[SR_EV_WAKEUP_NEW] = WAKE("sched_wakeup_new", 373), [SR_EV_EXEC] = EXEC
/* Before comms became __data_loc, and an exit told whether it was the last of its process. */
#define OLDER                                                                                                       \
	[SR_EV_MIGRATE] = EVENT("sched_migrate_task", 371, COMM("comm", 8) MIGRATE_TAIL(24, 28, 32, 36), NO_PRINT), \
	[SR_EV_FORK] = EVENT("sched_process_fork", 366,                                                             \
			     COMM("parent_comm", 8) NUM("pid_t", "parent_pid", 24) COMM("child_comm", 28)           \
				     NUM("pid_t", "child_pid", 44),                                                 \
			     NO_PRINT),                                                                             \
	[SR_EV_EXIT] = EVENT("sched_process_exit", 369, EXIT_FIELDS, NO_PRINT),                                     \
	[SR_EV_RENAME] = EVENT("task_rename", 204,                                                                  \
			       COMM("oldcomm", 8) COMM("newcomm", 24) FIELD("short", "oom_score_adj", 40, 2, 1),    \
			       NO_PRINT)

#define HEADER_PAGE(size, data)                                                                                    \
	FIELD("u64", "timestamp", 0, 8, 0)                                                                         \
	"\tfield: local_t commit;\toffset:8;\tsize:" #size                                                         \
	";\tsigned:1;\n\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n\tfield: char data;\toffset:" #data \
	";\tsize:4080;\tsigned:0;\n"

static const struct kernel {
	const char *header;
	const char *event[SR_EV_KINDS];
} kernels[] = {
	{ HEADER_PAGE(8, 16),
	  { WAKES, [SR_EV_SWITCH] = SWITCH_64, [SR_EV_NEWTASK] = NEWTASK_64,
	    [SR_EV_MIGRATE] = EVENT("sched_migrate_task", 371, LOC("comm", 8) MIGRATE_TAIL(12, 16, 20, 24), NO_PRINT),
	    [SR_EV_FORK] = EVENT("sched_process_fork", 366,
				 LOC("parent_comm", 8) NUM("pid_t", "parent_pid", 12) LOC("child_comm", 16)
					 NUM("pid_t", "child_pid", 20),
				 NO_PRINT),
	    [SR_EV_EXIT] = EVENT("sched_process_exit", 369, EXIT_FIELDS FIELD("bool", "group_dead", 32, 1, 0), NO_PRINT),
	    [SR_EV_RENAME] = EVENT("task_rename", 204,
				   NUM("pid_t", "pid", 8) COMM("oldcomm", 12) COMM("newcomm", 28)
					   FIELD("short", "oom_score_adj", 44, 2, 1),
				   NO_PRINT) } },
	{ HEADER_PAGE(8, 16), { WAKES, OLDER, [SR_EV_SWITCH] = SWITCH_64, [SR_EV_NEWTASK] = NEWTASK_64 } },
	{ HEADER_PAGE(4, 12), { WAKES, OLDER, [SR_EV_SWITCH] = SWITCH_32, [SR_EV_NEWTASK] = NEWTASK_32 } },
};

#define KERNELS (sizeof(kernels) / sizeof(*kernels))

#endif
