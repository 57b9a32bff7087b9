/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decoding by the layouts of several kernels: the same event must come out whatever kernel wrote it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/internal.h"

#define COMMON                                                                         \
	"format:\n"                                                                    \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"         \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"         \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n" \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"

#define MASK(d) \
	"((((0x" d "0 | 0x" d "1 | 0x" d "2 | 0x" d "4 | 0x" d "8 | 0x" d "10 | 0x" d "20 | 0x" d "40) + 1) << 1)"
#define SWITCH_PRINT(d)                                                                                                \
	"\nprint fmt: \"prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%s%s ==> next_comm=%s next_pid=%d "           \
	"next_prio=%d\", "                                                                                             \
	"REC->prev_comm, REC->prev_pid, REC->prev_prio, (REC->prev_state & " MASK(                                     \
		d) " - 1)) ? __print_flags(REC->prev_state & " MASK(d) " - 1), \"|\", { 0x" d "1, \"S\" }, { 0x" d     \
								       "2, \"D\" }, { 0x" d "4, \"T\" }, { 0x" d       \
								       "8, \"t\" }, "                                  \
								       "{ 0x" d "10, \"X\" }, { 0x" d                  \
								       "20, \"Z\" }, { 0x" d "40, \"P\" }, { 0x" d     \
								       "80, \"I\" }) : \"R\", REC->prev_state "        \
								       "& " MASK(                                      \
									       d) ") ? \"+\" : \"\", REC->next_comm, " \
										  "REC->next_pid, REC->next_prio\n"

#define SWITCH(state, size, next, d)                                                                                  \
	"name: sched_switch\nID: 316\n" COMMON "\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:" next ";\n" \
	"\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n"                                                   \
	"\tfield:int prev_prio;\toffset:28;\tsize:4;\tsigned:1;\n"                                                    \
	"\tfield:" state " prev_state;\toffset:32;\tsize:" size ";\tsigned:1;\n"

/* 64 bit, 5.10 and 6.x: the constants are written with fewer and with more digits, char is signed or not. */
static const char switch_510[] =
	SWITCH("long", "8", "1", "000") "\tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:1;\n"
					"\tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;\n"
					"\tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;\n" SWITCH_PRINT("000");
static const char switch_618[] = SWITCH(
	"long", "8", "0", "0000000") "\tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:0;\n"
				     "\tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;\n"
				     "\tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;\n" SWITCH_PRINT("0000000");
/* prev_state of four bytes, as on a 32 bit kernel; next_* come nearer. */
static const char switch_int[] =
	SWITCH("int", "4", "0", "000") "\tfield:char next_comm[16];\toffset:36;\tsize:16;\tsigned:0;\n"
				       "\tfield:pid_t next_pid;\toffset:52;\tsize:4;\tsigned:1;\n"
				       "\tfield:int next_prio;\toffset:56;\tsize:4;\tsigned:1;\n" SWITCH_PRINT("000");

/* 5.10 has a success field no more, 4.x did; the offset of target_cpu shows that names decide. */
static const char waking_old[] =
	"name: sched_waking\nID: 317\n" COMMON "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:1;\n"
	"\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n"
	"\tfield:int prio;\toffset:28;\tsize:4;\tsigned:1;\n"
	"\tfield:int success;\toffset:32;\tsize:4;\tsigned:1;\n"
	"\tfield:int target_cpu;\toffset:36;\tsize:4;\tsigned:1;\n"
	"\nprint fmt: \"comm=%s pid=%d prio=%d target_cpu=%03d\", REC->comm, REC->pid, REC->prio, REC->target_cpu\n";
static const char waking_new[] =
	"name: sched_waking\nID: 317\n" COMMON "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
	"\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n"
	"\tfield:int prio;\toffset:28;\tsize:4;\tsigned:1;\n"
	"\tfield:int target_cpu;\toffset:32;\tsize:4;\tsigned:1;\n"
	"\nprint fmt: \"comm=%s pid=%d prio=%d target_cpu=%03d\", REC->comm, REC->pid, REC->prio, REC->target_cpu\n";

static const char fork_61[] = "name: sched_process_fork\nID: 318\n" COMMON
			      "\tfield:char parent_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
			      "\tfield:pid_t parent_pid;\toffset:24;\tsize:4;\tsigned:1;\n"
			      "\tfield:char child_comm[16];\toffset:28;\tsize:16;\tsigned:0;\n"
			      "\tfield:pid_t child_pid;\toffset:44;\tsize:4;\tsigned:1;\n"
			      "\nprint fmt: \"comm=%s pid=%d child_comm=%s child_pid=%d\", REC->parent_comm, "
			      "REC->parent_pid, REC->child_comm, REC->child_pid\n";
static const char fork_618[] = "name: sched_process_fork\nID: 318\n" COMMON
			       "\tfield:__data_loc char[] parent_comm;\toffset:8;\tsize:4;\tsigned:0;\n"
			       "\tfield:pid_t parent_pid;\toffset:12;\tsize:4;\tsigned:1;\n"
			       "\tfield:__data_loc char[] child_comm;\toffset:16;\tsize:4;\tsigned:0;\n"
			       "\tfield:pid_t child_pid;\toffset:20;\tsize:4;\tsigned:1;\n"
			       "\nprint fmt: \"comm=%s pid=%d child_comm=%s child_pid=%d\", __get_str(parent_comm), "
			       "REC->parent_pid, __get_str(child_comm), REC->child_pid\n";

static const char exit_61[] = "name: sched_process_exit\nID: 319\n" COMMON
			      "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
			      "\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n"
			      "\tfield:int prio;\toffset:28;\tsize:4;\tsigned:1;\n"
			      "\nprint fmt: \"comm=%s pid=%d prio=%d\", REC->comm, REC->pid, REC->prio\n";
static const char exit_618[] = "name: sched_process_exit\nID: 319\n" COMMON
			       "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
			       "\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n"
			       "\tfield:int prio;\toffset:28;\tsize:4;\tsigned:1;\n"
			       "\tfield:bool group_dead;\toffset:32;\tsize:1;\tsigned:0;\n"
			       "\nprint fmt: \"comm=%s pid=%d prio=%d group_dead=%s\", REC->comm, REC->pid, REC->prio, "
			       "REC->group_dead ? \"true\" : \"false\"\n";

static const char exec_any[] =
	"name: sched_process_exec\nID: 320\n" COMMON
	"\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;\n"
	"\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;\n"
	"\tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;\n"
	"\nprint fmt: \"filename=%s pid=%d old_pid=%d\", __get_str(filename), REC->pid, REC->old_pid\n";

static const char rename_pid[] = "name: task_rename\nID: 321\n" COMMON
				 "\tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;\n"
				 "\tfield:char oldcomm[16];\toffset:12;\tsize:16;\tsigned:0;\n"
				 "\tfield:char newcomm[16];\toffset:28;\tsize:16;\tsigned:0;\n"
				 "\tfield:short oom_score_adj;\toffset:44;\tsize:2;\tsigned:1;\n"
				 "\nprint fmt: \"pid=%d oldcomm=%s newcomm=%s oom_score_adj=%hd\", REC->pid, "
				 "REC->oldcomm, REC->newcomm, REC->oom_score_adj\n";
static const char rename_no_pid[] =
	"name: task_rename\nID: 321\n" COMMON "\tfield:char oldcomm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
	"\tfield:char newcomm[16];\toffset:24;\tsize:16;\tsigned:0;\n"
	"\tfield:short oom_score_adj;\toffset:40;\tsize:2;\tsigned:1;\n"
	"\nprint fmt: \"oldcomm=%s newcomm=%s oom_score_adj=%hd\", REC->oldcomm, REC->newcomm, REC->oom_score_adj\n";

struct fixture {
	struct rec_formats f;
	struct rec_names names;
	struct rec_item item;
	uint8_t data[256];
	struct sr_error err;
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	rec_names_release(&x->names);
	free(x);
	return 0;
}

static void learn(struct fixture *x, unsigned kind, const char *text)
{
	int rc;

	memset(&x->f, 0, sizeof(x->f));
	rc = rec_formats_add(&x->f, kind, text, strlen(text), &x->err);
	if (rc)
		fail_msg("%s", x->err.text);
}

static void set(struct fixture *x, size_t at, const void *value, size_t size)
{
	memcpy(x->data + at, value, size);
}

static void set32(struct fixture *x, size_t at, int32_t v)
{
	set(x, at, &v, 4);
}

static void set_common(struct fixture *x, uint16_t id, uint8_t flags, int32_t pid)
{
	memset(x->data, 0xee, sizeof(x->data)); /* what lies behind a NUL must not matter */
	set(x, 0, &id, 2);
	x->data[2] = flags;
	set32(x, 4, pid);
}

static const char *comm_a(struct fixture *x)
{
	return rec_names_get(&x->names, x->item.comm_a);
}

static const char *comm_b(struct fixture *x)
{
	return rec_names_get(&x->names, x->item.comm_b);
}

static void check_switch(struct fixture *x, const char *format, size_t state_size, int64_t prev_state, unsigned want)
{
	size_t next = 32 + state_size;

	learn(x, SR_EV_SWITCH, format);
	set_common(x, 316, 0, 41);
	set(x, 8, "worker", 7);
	set32(x, 24, 41);
	set32(x, 28, 120);
	set(x, 32, &prev_state, state_size);
	set(x, next, "fifteen-chars-x", 16);
	set32(x, next + 16, 42);
	set32(x, next + 20, 98);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, next + 24, 1234, 3, &x->item), 1);
	assert_int_equal(x->item.ev.kind, SR_EV_SWITCH);
	assert_int_equal(x->item.ev.time_ns, 1234);
	assert_int_equal(x->item.ev.cpu, 3);
	assert_int_equal(x->item.ev.ctx, 41);
	assert_int_equal(x->item.ev.u.sw.prev, 41);
	assert_int_equal(x->item.ev.u.sw.next, 42);
	assert_int_equal(x->item.ev.u.sw.prev_prio, 120);
	assert_int_equal(x->item.ev.u.sw.next_prio, 98);
	assert_int_equal(x->item.ev.u.sw.prev_state, want);
	assert_string_equal(comm_a(x), "worker");
	assert_string_equal(comm_b(x), "fifteen-chars-x");
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, next + 23, 1234, 3, &x->item), -1);
}

static void a_switch_reads_the_same_from_every_kernel(void **state)
{
	check_switch(*state, switch_510, 8, 1, SR_STATE_SLEEPING);
	check_switch(*state, switch_618, 8, 1, SR_STATE_SLEEPING);
	check_switch(*state, switch_int, 4, 1, SR_STATE_SLEEPING);
}

static void every_state_is_told(void **state)
{
	static const struct {
		int64_t bits;
		unsigned want;
	} rows[] = {
		{ 0, SR_STATE_RUNNING }, { 0x100, SR_STATE_PREEMPTED }, { 1, SR_STATE_SLEEPING },
		{ 2, SR_STATE_DISK },    { 4, SR_STATE_STOPPED },       { 8, SR_STATE_TRACED },
		{ 0x10, SR_STATE_DEAD }, { 0x20, SR_STATE_ZOMBIE },     { 0x40, SR_STATE_PARKED },
		{ 0x80, SR_STATE_IDLE }, { 0x2000, SR_STATE_OTHER },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_switch(*state, switch_510, 8, rows[i].bits, rows[i].want);
}

static void states_come_from_the_format_and_not_from_habit(void **state)
{
	/* A kernel that renumbers: sleeping is 0x2, the preempted bit 0x8. */
	static const char odd[] =
		SWITCH("long", "8", "0",
		       "000") "\tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:0;\n"
			      "\tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;\n"
			      "\tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;\n"
			      "\nprint fmt: \"%s%s\", (REC->prev_state & 0x7) ? __print_flags(REC->prev_state & 0x7, "
			      "\"|\", { 0x2, \"S\" }, "
			      "{ 0x1, \"D\" }, { 0x4, \"?\" }) : \"R\", REC->prev_state & 0x8 ? \"+\" : \"\"\n";

	check_switch(*state, odd, 8, 2, SR_STATE_SLEEPING);
	check_switch(*state, odd, 8, 1, SR_STATE_DISK);
	check_switch(*state, odd, 8, 4, SR_STATE_OTHER);
	check_switch(*state, odd, 8, 8, SR_STATE_PREEMPTED);
}

static void a_preempted_bit_among_the_states_is_refused(void **state)
{
	struct fixture *x = *state;
	static const char twice[] =
		SWITCH("long", "8", "0", "000") "\tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:0;\n"
						"\tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;\n"
						"\tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;\n"
						"\nprint fmt: \"%s%s\", (REC->prev_state & 0x3) ? "
						"__print_flags(REC->prev_state & 0x3, \"|\", { 0x1, \"S\" }, "
						"{ 0x2, \"D\" }) : \"R\", REC->prev_state & 0x2 ? \"+\" : \"\"\n";

	assert_int_equal(rec_formats_add(&x->f, SR_EV_SWITCH, twice, strlen(twice), &x->err), -1);
	assert_non_null(strstr(x->err.text, "states"));
}

static void a_switch_format_without_states_is_refused(void **state)
{
	struct fixture *x = *state;
	static const char none[] =
		SWITCH("long", "8", "0", "000") "\tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:0;\n"
						"\tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;\n"
						"\tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;\n\nprint fmt: "
						"\"%ld\", REC->prev_state\n";

	assert_int_equal(rec_formats_add(&x->f, SR_EV_SWITCH, none, strlen(none), &x->err), -1);
	assert_int_equal(x->err.status, SR_ENVIRONMENT);
	assert_non_null(strstr(x->err.text, "states"));
}

static void a_format_that_lacks_a_field_is_refused_by_name(void **state)
{
	struct fixture *x = *state;
	static const char lacking[] = "name: sched_waking\nID: 317\n" COMMON
				      "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
				      "\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n"
				      "\nprint fmt: \"comm=%s pid=%d\", REC->comm, REC->pid\n";

	assert_int_equal(rec_formats_add(&x->f, SR_EV_WAKING, lacking, strlen(lacking), &x->err), -1);
	assert_non_null(strstr(x->err.text, "sched_waking"));
	assert_non_null(strstr(x->err.text, "prio"));
}

static void garbage_is_no_format(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(rec_formats_add(&x->f, SR_EV_WAKING, "rubbish", 7, &x->err), -1);
	assert_int_equal(rec_formats_add(&x->f, SR_EV_WAKING, "", 0, &x->err), -1);
	assert_int_equal(rec_formats_add(&x->f, SR_EV_WAKING, switch_510, strlen(switch_510), &x->err), -1);
}

static void check_waking(struct fixture *x, const char *format, size_t cpu_at)
{
	learn(x, SR_EV_WAKING, format);
	set_common(x, 317, 0x08 | 0x10, 7);
	set(x, 8, "a", 2);
	set32(x, 24, 99);
	set32(x, 28, -1);
	set32(x, cpu_at, 2);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, cpu_at + 4, 5, 0, &x->item), 1);
	assert_int_equal(x->item.ev.u.wake.tid, 99);
	assert_int_equal(x->item.ev.u.wake.prio, -1);
	assert_int_equal(x->item.ev.u.wake.target_cpu, 2);
	assert_string_equal(comm_a(x), "a");
	assert_int_equal(x->item.ev.flags, SR_EV_HARDIRQ | SR_EV_SOFTIRQ);
	set32(x, cpu_at, SR_MAX_CPUS);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, cpu_at + 4, 5, 0, &x->item), -1);
}

static void fields_are_found_by_name_wherever_they_lie(void **state)
{
	check_waking(*state, waking_old, 36);
	check_waking(*state, waking_new, 32);
}

static void a_comm_in_place_and_one_by_reference_read_the_same(void **state)
{
	struct fixture *x = *state;

	learn(x, SR_EV_FORK, fork_61);
	set_common(x, 318, 0, 5);
	set(x, 8, "mother", 7);
	set32(x, 24, 5);
	set(x, 28, "child", 6);
	set32(x, 44, 6);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 48, 5, 0, &x->item), 1);
	assert_int_equal(x->item.ev.u.fork.parent, 5);
	assert_int_equal(x->item.ev.u.fork.child, 6);
	assert_string_equal(comm_a(x), "mother");
	assert_string_equal(comm_b(x), "child");

	learn(x, SR_EV_FORK, fork_618);
	set_common(x, 318, 0, 5);
	set32(x, 8, 7 << 16 | 24);
	set32(x, 12, 5);
	set32(x, 16, 6 << 16 | 31);
	set32(x, 20, 6);
	set(x, 24, "mother\0child", 13);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 40, 5, 0, &x->item), 1);
	assert_int_equal(x->item.ev.u.fork.parent, 5);
	assert_int_equal(x->item.ev.u.fork.child, 6);
	assert_string_equal(comm_a(x), "mother");
	assert_string_equal(comm_b(x), "child");
}

static void a_reference_that_leads_outside_is_refused(void **state)
{
	struct fixture *x = *state;

	learn(x, SR_EV_EXEC, exec_any);
	set_common(x, 320, 0, 5);
	set32(x, 8, 8 << 16 | 20);
	set32(x, 12, 5);
	set32(x, 16, 5);
	set(x, 20, "/bin/ls", 8);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 28, 5, 0, &x->item), 1);
	assert_string_equal(comm_b(x), "/bin/ls");
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 27, 5, 0, &x->item), -1);
	set32(x, 8, 1 << 16 | 0xffff);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 28, 5, 0, &x->item), -1);
}

static void a_negative_tid_is_refused(void **state)
{
	struct fixture *x = *state;

	learn(x, SR_EV_EXEC, exec_any);
	set_common(x, 320, 0, 5);
	set32(x, 8, 8 << 16 | 20);
	set32(x, 12, 5);
	set32(x, 16, -5);
	set(x, 20, "/bin/ls", 8);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 28, 5, 0, &x->item), -1);
	set32(x, 16, 5);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 28, 5, 0, &x->item), 1);
	set_common(x, 320, 0, -5);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 28, 5, 0, &x->item), -1);
}

static void group_dead_is_unknown_where_the_kernel_does_not_tell(void **state)
{
	struct fixture *x = *state;

	learn(x, SR_EV_EXIT, exit_61);
	set_common(x, 319, 0, 5);
	set(x, 8, "x", 2);
	set32(x, 24, 5);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 32, 5, 0, &x->item), 1);
	assert_int_equal(x->item.ev.u.exit.group_dead, 2);
	learn(x, SR_EV_EXIT, exit_618);
	x->data[32] = 0;
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 36, 5, 0, &x->item), 1);
	assert_int_equal(x->item.ev.u.exit.group_dead, 0);
	x->data[32] = 1;
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 36, 5, 0, &x->item), 1);
	assert_int_equal(x->item.ev.u.exit.group_dead, 1);
}

static void a_rename_without_a_pid_is_the_running_tasks(void **state)
{
	struct fixture *x = *state;

	learn(x, SR_EV_RENAME, rename_pid);
	set_common(x, 321, 0, 5);
	set32(x, 8, 6);
	set(x, 12, "old", 4);
	set(x, 28, "new", 4);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 48, 5, 0, &x->item), 1);
	assert_int_equal(x->item.ev.u.rename.tid, 6);
	assert_string_equal(comm_b(x), "new");
	learn(x, SR_EV_RENAME, rename_no_pid);
	set(x, 8, "old", 4);
	set(x, 24, "new", 4);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 44, 5, 0, &x->item), 1);
	assert_int_equal(x->item.ev.u.rename.tid, 5);
	assert_string_equal(comm_a(x), "old");
}

static const char frequency[] = "name: cpu_frequency\nID: 565\n" COMMON
				"\tfield:u32 state;\toffset:8;\tsize:4;\tsigned:0;\n"
				"\tfield:u32 cpu_id;\toffset:12;\tsize:4;\tsigned:0;\n"
				"\nprint fmt: \"state=%lu cpu_id=%lu\", (unsigned long)REC->state, (unsigned "
				"long)REC->cpu_id\n";
static const char idle[] = "name: cpu_idle\nID: 568\n" COMMON "\tfield:u32 state;\toffset:8;\tsize:4;\tsigned:0;\n"
			   "\tfield:u32 cpu_id;\toffset:12;\tsize:4;\tsigned:0;\n"
			   "\nprint fmt: \"state=%lu cpu_id=%lu\", (unsigned long)REC->state, (unsigned "
			   "long)REC->cpu_id\n";

static void power_events_tell_of_a_cpu_and_no_task(void **state)
{
	struct fixture *x = *state;

	learn(x, SR_EV_FREQUENCY, frequency);
	set_common(x, 565, 0, 5);
	set32(x, 8, 3200000);
	set32(x, 12, 3);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 16, 5, 1, &x->item), 1);
	assert_int_equal(x->item.ev.u.frequency.khz, 3200000);
	assert_int_equal(x->item.ev.u.frequency.target_cpu, 3);
	assert_int_equal(x->item.ev.cpu, 1);
	assert_int_equal(x->item.comm_a, 0);
	learn(x, SR_EV_IDLE, idle);
	set_common(x, 568, 0, 0);
	set32(x, 8, -1);
	set32(x, 12, 1);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 16, 5, 1, &x->item), 1);
	assert_int_equal(x->item.ev.u.idle.state, SR_IDLE_LEFT);
	set32(x, 12, SR_MAX_CPUS);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 16, 5, 1, &x->item), -1);
}

static void other_events_are_passed_over(void **state)
{
	struct fixture *x = *state;

	learn(x, SR_EV_WAKING, waking_new);
	set_common(x, 999, 0, 5);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 40, 5, 0, &x->item), 0);
	assert_int_equal(rec_decode(&x->f, &x->names, x->data, 1, 5, 0, &x->item), -1);
}

static void a_header_page_tells_the_width_of_the_commit_field(void **state)
{
	struct fixture *x = *state;
	static const char wide[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
				   "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
				   "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
				   "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";
	static const char narrow[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
				     "\tfield: local_t commit;\toffset:8;\tsize:4;\tsigned:1;\n"
				     "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
				     "\tfield: char data;\toffset:12;\tsize:4084;\tsigned:0;\n";

	assert_int_equal(rec_formats_header(&x->f, wide, strlen(wide), &x->err), 0);
	assert_int_equal(x->f.commit_size, 8);
	assert_int_equal(rec_formats_header(&x->f, narrow, strlen(narrow), &x->err), 0);
	assert_int_equal(x->f.commit_size, 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_switch_reads_the_same_from_every_kernel),
		T(every_state_is_told),
		T(states_come_from_the_format_and_not_from_habit),
		T(a_preempted_bit_among_the_states_is_refused),
		T(a_switch_format_without_states_is_refused),
		T(a_format_that_lacks_a_field_is_refused_by_name),
		T(garbage_is_no_format),
		T(fields_are_found_by_name_wherever_they_lie),
		T(a_comm_in_place_and_one_by_reference_read_the_same),
		T(a_reference_that_leads_outside_is_refused),
		T(a_negative_tid_is_refused),
		T(group_dead_is_unknown_where_the_kernel_does_not_tell),
		T(a_rename_without_a_pid_is_the_running_tasks),
		T(power_events_tell_of_a_cpu_and_no_task),
		T(other_events_are_passed_over),
		T(a_header_page_tells_the_width_of_the_commit_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
