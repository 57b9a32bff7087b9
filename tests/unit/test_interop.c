/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Importers and exporters on inputs made by hand. */
#include <fcntl.h>

#include "formats/export.h"
#include "formats/import.h"
#include "formats/outfile.h"
#include "formats/perfetto.h"
#include "formats/protobuf.h"
#include "formats/srz_internal.h"
#include "tests/unit/trace_builder.h"

#define MOST 256

struct result {
	struct sr_event ev[MOST];
	char name[MOST][64]; /* of RENAME, COMM, EXEC */
	size_t n;
	struct sr_import_counts counts;
	struct sr_task_start start[32];
	size_t nstart;
	char missing[256], context[32], clock[32], scope[32];
	size_t roots;
	int ret;
	struct sr_error err;
};

static char path_in[64], path_out[64];

static void paths(void)
{
	snprintf(path_in, sizeof(path_in), "/tmp/schedrec-interop-%d.in", getpid());
	snprintf(path_out, sizeof(path_out), "/tmp/schedrec-interop-%d.srz", getpid());
}

static void copy_meta(char *to, size_t len, struct srz_reader *r, const char *key)
{
	snprintf(to, len, "%s", srz_get_meta(r, key) ? srz_get_meta(r, key) : "");
}

static void read_back(struct result *out)
{
	struct srz_reader *r = srz_open(path_out, &out->err);
	const struct sr_task_starts *starts;

	if (!r)
		fail_msg("%s", out->err.text);
	while (out->n < MOST && srz_next(r, &out->ev[out->n], &out->err) == 1) {
		const struct sr_event *ev = &out->ev[out->n];

		if (ev->kind == SR_EV_RENAME || ev->kind == SR_EV_COMM)
			snprintf(out->name[out->n], 64, "%s", srz_name_at(r, ev->u.rename.name));
		if (ev->kind == SR_EV_EXEC)
			snprintf(out->name[out->n], 64, "%s", srz_name_at(r, ev->u.exec.name));
		out->n++;
	}
	starts = srz_get_tasks(r);
	for (size_t i = 0; i < starts->n && i < 32; i++)
		out->start[out->nstart++] = starts->v[i];
	copy_meta(out->missing, sizeof(out->missing), r, "import.missing");
	copy_meta(out->context, sizeof(out->context), r, "import.context");
	copy_meta(out->clock, sizeof(out->clock), r, "clock");
	copy_meta(out->scope, sizeof(out->scope), r, "scope");
	for (size_t i = 0; i < srz_get_tasks(r)->n; i++)
		out->roots += srz_get_tasks(r)->v[i].flags & SR_TASK_ROOT ? 1 : 0;
	srz_reader_free(r);
}

/* Imports bytes; the result's ret and err say how that went. */
static struct result *import(const void *bytes, size_t len, enum sr_import_format format)
{
	struct result *out = calloc(1, sizeof(*out));
	struct sr_import *im;
	struct srz_writer *w;
	FILE *f;
	int fd;

	paths();
	f = fopen(path_in, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
	fd = open(path_in, O_RDONLY | O_CLOEXEC);
	w = srz_create(path_out, 0, &out->err);
	im = w ? sr_import_new(w, NULL, &out->err) : NULL;
	assert_non_null(im);
	out->ret = format == SR_IMPORT_TEXT ? sr_import_text(im, fd, len, &out->err) :
		   format == SR_IMPORT_PERF ? sr_import_perf(im, fd, &out->err) :
					      sr_import_perfetto(im, fd, &out->err);
	if (!out->ret)
		out->ret = sr_import_end(im, NULL, &out->err);
	out->counts = *sr_import_counted(im);
	sr_import_free(im);
	close(fd);
	if (out->ret) {
		srz_abort(w);
	} else {
		assert_int_equal(srz_close(w, &out->err), 0);
		read_back(out);
	}
	unlink(path_in);
	unlink(path_out);
	return out;
}

static struct result *import_text(const char *text)
{
	struct result *r = import(text, strlen(text), SR_IMPORT_TEXT);

	if (r->ret)
		fail_msg("%s", r->err.text);
	return r;
}

/* ---- text ---- */

static void is_switch(const struct sr_event *ev, uint64_t time_ns, unsigned cpu, unsigned flags)
{
	assert_int_equal(ev->kind, SR_EV_SWITCH);
	assert_int_equal(ev->time_ns, time_ns);
	assert_int_equal(ev->cpu, cpu);
	assert_int_equal(ev->ctx, 11);
	assert_int_equal(ev->flags, flags);
	assert_int_equal(ev->u.sw.prev, 11);
	assert_int_equal(ev->u.sw.next, 12);
	assert_int_equal(ev->u.sw.prev_prio, 120);
	assert_int_equal(ev->u.sw.next_prio, 98);
	assert_int_equal(ev->u.sw.prev_state, SR_STATE_PREEMPTED);
}

#define SWITCH "prev_comm=a prev_pid=11 prev_prio=120 prev_state=R+ ==> next_comm=b c next_pid=12 next_prio=98\n"

static void test_every_form_of_columns(void **state)
{
	static const struct {
		const char *head;
		uint64_t time_ns;
		unsigned cpu, flags;
	} forms[] = {
		{ "            a-11      [003] d.h2.  7.000000123: sched_switch: ", 7000000123, 3, SR_EV_HARDIRQ },
		{ "            a-11      [003] d.H2  7.000001: sched_switch: ", 7000001000, 3,
		  SR_EV_HARDIRQ | SR_EV_SOFTIRQ },
		{ "            a-11      [003]  7.5: sched_switch: ", 7500000000, 3, 0 },
		{ "   a-11    (   10) [000] ..s. 7.000001: sched_switch: ", 7000001000, 0, SR_EV_SOFTIRQ },
		{ "   a-11    (-----) [000] ..z. 7.000001: sched_switch: ", 7000001000, 0, SR_EV_NMI },
		{ "     a-11      12d.Z2.   7.000000001: sched_switch:         ", 7000000001, 12,
		  SR_EV_NMI | SR_EV_HARDIRQ },
		{ "    a-11     0d..2. 20762us : sched_switch: ", 20762000, 0, 0 },
		{ "    a-11     0d..2. 20762us+: sched_switch: ", 20762000, 0, 0 },
		{ "a-1 [0] x-11 [001] .... 7.000001: sched_switch: ", 7000001000, 1, 0 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		char line[512];
		struct result *r;

		snprintf(line, sizeof(line), "%s" SWITCH, forms[i].head);
		r = import_text(line);
		assert_int_equal(r->n, 1);
		is_switch(&r->ev[0], forms[i].time_ns, forms[i].cpu, forms[i].flags);
		assert_int_equal(r->nstart, 2);
		assert_string_equal(r->start[1].comm, "b c");
		assert_int_equal(r->start[1].policy, SR_SCHED_FIFO);
		assert_int_equal(r->start[1].rt_prio, 1);
		free(r);
	}
}

static void test_short_forms_of_trace_cmd(void **state)
{
	struct result *r = import_text("  a-11 [000] d..2. 7.000001: sched_switch: a:x:11 [120] R+ ==> b:12 [98]\n"
				       "  a-11 [000] d..2. 7.000002: sched_wakeup: b:12 [98] CPU:003\n"
				       "  a-11 [000] d..2. 7.000003: sched_wakeup: b:12 [98] success=1 CPU:002\n");

	assert_int_equal(r->n, 3);
	is_switch(&r->ev[0], 7000001000, 0, 0);
	assert_int_equal(r->ev[1].u.wake.target_cpu, 3);
	assert_int_equal(r->ev[2].u.wake.target_cpu, 2);
	assert_int_equal(r->ev[2].u.wake.tid, 12);
	free(r);
}

static void test_comms_that_look_like_fields(void **state)
{
	struct result *r = import_text(
		"  x-1 [000] d..2. 7.000001: sched_switch: prev_comm=a prev_pid=7 prev_pid=11 prev_prio=120 "
		"prev_state=S ==> next_comm=next_pid=1 next_pid=12 next_prio=120\n"
		"  x-12 [000] d..2. 7.000002: sched_waking: comm= pid=3 pid=11 prio=120 target_cpu=000\n");

	assert_int_equal(r->n, 3);
	assert_int_equal(r->ev[0].u.sw.prev, 11);
	assert_int_equal(r->ev[0].u.sw.next, 12);
	assert_string_equal(r->start[1].comm, "a prev_pid=7");
	assert_string_equal(r->start[2].comm, "next_pid=1");
	assert_int_equal(r->ev[1].kind, SR_EV_COMM);
	assert_string_equal(r->name[1], " pid=3");
	assert_int_equal(r->ev[2].u.wake.tid, 11);
	free(r);
}

static void test_every_kind_of_event(void **state)
{
	struct result *r = import_text(
		" a-1 [000] ..... 1.000001: task_newtask: pid=2 comm=a clone_flags=1200000 oom_score_adj=0\n"
		" a-1 [000] ..... 1.000002: sched_process_fork: comm=a pid=1 child_comm=a child_pid=2\n"
		" a-1 [000] d..2. 1.000003: sched_wakeup_new: comm=a pid=2 prio=120 target_cpu=001\n"
		" a-2 [001] ..... 1.000004: task_rename: pid=2 oldcomm=a newcomm=ls oom_score_adj=0\n"
		" ls-2 [001] ..... 1.000005: sched_process_exec: filename=/bin/ls pid=2 old_pid=2\n"
		" ls-2 [001] d..2. 1.000006: sched_migrate_task: comm=a pid=1 prio=120 orig_cpu=0 dest_cpu=1\n"
		" ls-2 [001] ..... 1.000007: sched_process_exit: comm=ls pid=2 prio=120 group_dead=true\n"
		" a-1 [000] ..... 1.000008: cpu_frequency: state=1400000 cpu_id=3\n"
		" a-1 [000] ..... 1.000009: cpu_idle: state=4294967295 cpu_id=0\n"
		" a-1 [000] ..... 1.000010: sched_stat_runtime: comm=a pid=1 runtime=3 [ns]\n"
		" a-1 [000] ..... 1.000011: sched_waking: comm=a pid=nothing\n");
	static const uint8_t kinds[] = { SR_EV_FORK,    SR_EV_NEWTASK, SR_EV_WAKEUP_NEW, SR_EV_RENAME, SR_EV_EXEC,
					 SR_EV_MIGRATE, SR_EV_EXIT,    SR_EV_FREQUENCY,  SR_EV_IDLE };

	assert_int_equal(r->n, 9);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(r->ev[i].kind, kinds[i]);
	assert_int_equal(r->ev[1].time_ns, 1000002000); /* right behind its fork */
	assert_int_equal(r->ev[1].u.newtask.clone_flags, 0x1200000);
	assert_string_equal(r->name[3], "ls");
	assert_string_equal(r->name[4], "/bin/ls");
	assert_int_equal(r->ev[5].u.migrate.to, 1);
	assert_int_equal(r->ev[6].u.exit.group_dead, 1);
	assert_int_equal(r->ev[7].u.frequency.khz, 1400000);
	assert_true(r->ev[8].u.idle.state == SR_IDLE_LEFT);
	assert_int_equal(r->counts.other, 1);
	assert_int_equal(r->counts.unreadable, 1);
	assert_int_equal(r->nstart, 1); /* the forked one was not there */
	assert_int_equal(r->start[0].tid, 1);
	assert_int_equal(r->start[0].state, '?');
	assert_string_equal(r->missing, "sched_switch sched_waking sched_wakeup");
	free(r);
}

static void test_losses(void **state)
{
	struct result *r = import_text(" a-11 [000] d..2. 7.000000: sched_switch: " SWITCH "CPU:0 [LOST 123 EVENTS]\n"
				       "CPU:1 [LOST EVENTS]\n"
				       " a-11 [000] d..2. 7.000100: sched_switch: " SWITCH "CPU:0 [7 EVENTS DROPPED]\n"
				       " a-11 [001] d..2. 7.000200: sched_switch: " SWITCH);
	static const struct {
		unsigned kind, cpu;
		uint64_t time_ns, count;
	} want[] = { { SR_EV_SWITCH, 0, 7000000000, 0 }, { SR_EV_LOST, 0, 7000100000, 123 },
		     { SR_EV_SWITCH, 0, 7000100000, 0 }, { SR_EV_LOST, 0, 7000200000, 7 },
		     { SR_EV_LOST, 1, 7000200000, 0 },   { SR_EV_SWITCH, 1, 7000200000, 0 } };

	assert_int_equal(r->n, 6);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(r->ev[i].kind, want[i].kind);
		assert_int_equal(r->ev[i].cpu, want[i].cpu);
		assert_int_equal(r->ev[i].time_ns, want[i].time_ns);
		if (want[i].kind == SR_EV_LOST)
			assert_int_equal(r->ev[i].u.lost.count, want[i].count);
	}
	assert_int_equal(r->ev[1].u.lost.span_us, 100);
	assert_int_equal(r->counts.lost, 130);
	assert_int_equal(r->counts.lost_places, 3);
	free(r);
}

#define EVENT " a-11 [000] d..2. 7.000000: sched_switch: " SWITCH

static void test_the_scope_is_what_export_wrote(void **state)
{
	static const struct {
		const char *text, *scope;
		bool told, unknown;
	} texts[] = {
		{ EVENT, "system", false, false },
		{ "# tracer: nop\n# schedrec scope tree\n" EVENT, "tree", true, false },
		{ "# schedrec scope pid\n" EVENT, "pid", true, false },
		{ "# schedrec scope system\n" EVENT, "system", true, false },
		{ "# schedrec scope self\n" EVENT, "tree", true, false },
		{ "# schedrec scope \n" EVENT, "system", false, true },
		{ "# schedrec scope tree \n" EVENT, "system", false, true },
		{ "# schedrec scope treetree\n" EVENT, "system", false, true },
		{ "# schedrec scope \033[31m%n\n" EVENT, "system", false, true },
		{ EVENT "# schedrec scope tree\n" EVENT, "system", false, false }, /* what a mark says is no comment */
		{ " # schedrec scope tree\n# schedrec scopetree\n" EVENT, "system", false, false },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct result *r = import_text(texts[i].text);

		assert_string_equal(r->scope, texts[i].scope);
		assert_true(r->counts.scope_told == texts[i].told);
		assert_true(r->counts.scope_unknown == texts[i].unknown);
		free(r);
	}
}

#define MARK(at, text) " a-11 [000] ..s.. 7." at ": tracing_mark_write: " text "\n"
#define OURS "# schedrec clock mono\n"

static void test_decisions_that_export_wrote(void **state)
{
	struct result *r = import_text(
		OURS MARK("000001", "schedrec decision tid=99 cause=wake from=-1 to=3 cost_ns=70")
			EVENT MARK("000002", "schedrec decision tid=11 cause=none from=4095 to=-1 "
					     "cost_ns=4294967295"));

	assert_int_equal(r->n, 3);
	assert_int_equal(r->counts.events, 3);
	assert_int_equal(r->counts.other, 0);
	assert_int_equal(r->counts.by_kind[SR_EV_DECISION], 2);
	assert_int_equal(r->counts.first_ns, 7000000000);
	assert_int_equal(r->ev[1].kind, SR_EV_DECISION);
	assert_int_equal(r->ev[1].time_ns, 7000001000);
	assert_int_equal(r->ev[1].ctx, 11);
	assert_int_equal(r->ev[1].flags, SR_EV_SOFTIRQ);
	assert_int_equal(r->ev[1].u.decision.tid, 99);
	assert_int_equal(r->ev[1].u.decision.cause, SR_CAUSE_WAKE);
	assert_int_equal(r->ev[1].u.decision.from, -1);
	assert_int_equal(r->ev[1].u.decision.to, 3);
	assert_int_equal(r->ev[1].u.decision.cost_ns, 70);
	assert_int_equal(r->ev[2].u.decision.cause, SR_CAUSE_NONE);
	assert_int_equal(r->ev[2].u.decision.from, 4095);
	assert_true(r->ev[2].u.decision.cost_ns == UINT32_MAX);
	assert_int_equal(r->nstart, 2); /* 11 and 12, which ran: a decision only names a task */
	free(r);
}

static void test_other_marks_are_no_decisions(void **state)
{
	static const char *const marks[] = {
		"B|201|onMessageReceived",
		"schedrec decision",
		"schedrec decision tid=1 cause=wake from=0 to=1 cost_ns=1 ",
		"schedrec decision tid=1 cause=wake from=0 to=1 cost_ns=1x",
		"schedrec decision tid=1 cause=wake from=0 to=1 cost_ns=-1",
		"schedrec decision tid=1 cause=wake from=0 to=1 cost_ns=4294967296",
		"schedrec decision tid=1 cause=wake from=0 to=1 cost_ns=",
		"schedrec decision tid=-1 cause=wake from=0 to=1 cost_ns=1",
		"schedrec decision tid=2147483648 cause=wake from=0 to=1 cost_ns=1",
		"schedrec decision tid=1 cause=wakes from=0 to=1 cost_ns=1",
		"schedrec decision tid=1 cause=? from=0 to=1 cost_ns=1",
		"schedrec decision tid=1 cause= from=0 to=1 cost_ns=1",
		"schedrec decision tid=1 cause=wake from=-2 to=1 cost_ns=1",
		"schedrec decision tid=1 cause=wake from=0 to=4096 cost_ns=1",
		"schedrec decision tid=1 cause=wake to=1 from=0 cost_ns=1",
		"schedrec  decision tid=1 cause=wake from=0 to=1 cost_ns=1",
		" schedrec decision tid=1 cause=wake from=0 to=1 cost_ns=1 and more",
	};
	char text[1024];
	struct result *r;

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		snprintf(text, sizeof(text), OURS EVENT " a-11 [000] ..s.. 7.1: tracing_mark_write: %s\n", marks[i]);
		r = import_text(text);
		assert_int_equal(r->n, 1);
		assert_int_equal(r->counts.other, 1);
		free(r);
	}
	/* Anyone may write such a mark: in a text that export did not write it is none. */
	r = import_text(EVENT MARK("000001", "schedrec decision tid=99 cause=wake from=-1 to=3 cost_ns=70"));
	assert_int_equal(r->n, 1);
	assert_int_equal(r->counts.other, 1);
	free(r);
}

static void test_decisions_out_of_order(void **state)
{
	static const char far[] = OURS EVENT MARK(
		"900000",
		"schedrec decision tid=1 cause=tick from=0 to=1 cost_ns=1") " a-11 [000] ..s.. 4.5: "
									    "tracing_mark_write: schedrec decision "
									    "tid=1 cause=tick from=0 to=1 cost_ns=1\n";
	struct result *r = import_text(
		OURS EVENT MARK("000009", "schedrec decision tid=1 cause=tick from=0 to=1 cost_ns=1")
			MARK("000003", "schedrec decision tid=2 cause=tick from=0 to=1 cost_ns=1"));

	assert_int_equal(r->n, 3);
	assert_int_equal(r->ev[2].time_ns, 7000009000);
	assert_int_equal(r->counts.late, 1);
	free(r);
	r = import(far, strlen(far), SR_IMPORT_TEXT);
	assert_int_equal(r->ret, -1);
	assert_int_equal(r->err.status, SR_DAMAGED);
	free(r);
	/* Without an event of the scheduler's it is no recording. */
	r = import(OURS MARK("1", "schedrec decision tid=1 cause=tick from=0 to=1 cost_ns=1"),
		   strlen(OURS MARK("1", "schedrec decision tid=1 cause=tick from=0 to=1 cost_ns=1")), SR_IMPORT_TEXT);
	assert_int_equal(r->ret, -1);
	assert_int_equal(r->err.status, SR_DAMAGED);
	free(r);
}

static void test_time_that_goes_back(void **state)
{
	static const char little[] = " a-11 [000] d..2. 7.000002: sched_switch: " SWITCH
				     " a-11 [000] d..2. 7.000001: sched_switch: " SWITCH;
	static const char far[] = " a-11 [000] d..2. 9.000002: sched_switch: " SWITCH
				  " a-11 [000] d..2. 7.000001: sched_switch: " SWITCH;
	struct result *r = import_text(little);

	assert_int_equal(r->ev[1].time_ns, 7000002000);
	assert_int_equal(r->counts.late, 1);
	free(r);
	r = import(far, strlen(far), SR_IMPORT_TEXT);
	assert_int_equal(r->ret, -1);
	assert_int_equal(r->err.status, SR_DAMAGED);
	assert_non_null(strstr(r->err.text, "line 2: on CPU 0 time goes back by 2.000 s"));
	free(r);
}

static void test_text_without_events_is_refused(void **state)
{
	static const char *const texts[] = { "", "\n", "hello\n", "a-1 [000] 1.0: nothing: at all\n",
					     "CPU:99999 [LOST 1 EVENTS]\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct result *r = import(texts[i], strlen(texts[i]), SR_IMPORT_TEXT);

		assert_int_equal(r->ret, -1);
		assert_int_equal(r->err.status, SR_DAMAGED);
		free(r);
	}
}

static void test_a_line_that_never_ends(void **state)
{
	size_t len = 3u << 20, n;
	char *text = malloc(len + 1024);
	struct result *r;

	memset(text, 'x', len);
	n = len + (size_t)sprintf(text + len, "\n a-11 [000] d..2. 7.000002: sched_switch: %s", SWITCH);
	r = import(text, n, SR_IMPORT_TEXT);
	assert_int_equal(r->ret, 0);
	assert_int_equal(r->n, 1);
	free(r);
	free(text);
}

/* ---- perfetto ---- */

static void put_bundle(struct sr_pb *trace, const struct sr_pb *bundle)
{
	struct sr_pb packet = { 0 };

	sr_pb_message(&packet, PF_PACKET_FTRACE, bundle);
	sr_pb_message(trace, PF_TRACE_PACKET, &packet);
	sr_pb_release(&packet);
}

static void put_packed(struct sr_pb *b, unsigned field, const uint64_t *v, size_t n)
{
	struct sr_pb column = { 0 };

	for (size_t i = 0; i < n; i++)
		sr_pb_number(&column, v[i]);
	sr_pb_message(b, field, &column);
	sr_pb_release(&column);
}

/* CPU 1: switches at 1000 to 21, 1500 to 0, 1600 to 22; wakings at 900 of 21, 1100 of 22. */
static void put_compact(struct sr_pb *trace)
{
	struct sr_pb k = { 0 }, bundle = { 0 };

	sr_pb_text(&k, PF_COMPACT_COMMS, "swapper/1");
	sr_pb_text(&k, PF_COMPACT_COMMS, "binder");
	sr_pb_text(&k, PF_COMPACT_COMMS, "surface");
	put_packed(&k, PF_COMPACT_SWITCH_TIME, (uint64_t[]){ 1000, 500, 100 }, 3);
	put_packed(&k, PF_COMPACT_SWITCH_STATE, (uint64_t[]){ 0, 1, 0 }, 3);
	put_packed(&k, PF_COMPACT_SWITCH_PID, (uint64_t[]){ 21, 0, 22 }, 3);
	put_packed(&k, PF_COMPACT_SWITCH_PRIO, (uint64_t[]){ 110, 120, 97 }, 3);
	put_packed(&k, PF_COMPACT_SWITCH_COMM, (uint64_t[]){ 1, 0, 2 }, 3);
	put_packed(&k, PF_COMPACT_WAKING_TIME, (uint64_t[]){ 900, 200 }, 2);
	put_packed(&k, PF_COMPACT_WAKING_PID, (uint64_t[]){ 21, 22 }, 2);
	put_packed(&k, PF_COMPACT_WAKING_CPU, (uint64_t[]){ 1, 1 }, 2);
	put_packed(&k, PF_COMPACT_WAKING_PRIO, (uint64_t[]){ 110, 97 }, 2);
	put_packed(&k, PF_COMPACT_WAKING_COMM, (uint64_t[]){ 1, 2 }, 2);
	put_packed(&k, PF_COMPACT_WAKING_FLAGS, (uint64_t[]){ 0x08, 0x10 }, 2);
	sr_pb_u64(&bundle, PF_BUNDLE_CPU, 1);
	sr_pb_message(&bundle, PF_BUNDLE_COMPACT, &k);
	put_bundle(trace, &bundle);
	sr_pb_release(&k);
	sr_pb_release(&bundle);
}

static void is_compact(const struct result *r)
{
	if (r->ret)
		fail_msg("%s", r->err.text);
	assert_int_equal(r->n, 3);
	assert_int_equal(r->counts.unplaced, 2); /* the first waking and the first switch */
	assert_int_equal(r->ev[0].kind, SR_EV_WAKING);
	assert_int_equal(r->ev[0].time_ns, 1100);
	assert_int_equal(r->ev[0].ctx, 21);
	assert_int_equal(r->ev[0].flags, SR_EV_SOFTIRQ);
	assert_int_equal(r->ev[0].u.wake.tid, 22);
	assert_int_equal(r->ev[0].u.wake.prio, 97);
	assert_int_equal(r->ev[1].kind, SR_EV_SWITCH);
	assert_int_equal(r->ev[1].u.sw.prev, 21);
	assert_int_equal(r->ev[1].u.sw.prev_prio, 110);
	assert_int_equal(r->ev[1].u.sw.prev_state, SR_STATE_SLEEPING);
	assert_int_equal(r->ev[1].u.sw.next, 0);
	assert_int_equal(r->ev[2].u.sw.prev, 0);
	assert_int_equal(r->ev[2].u.sw.next, 22);
	assert_int_equal(r->ev[2].time_ns, 1600);
	assert_int_equal(r->start[0].tid, 21);
	assert_string_equal(r->start[0].comm, "binder");
	assert_string_equal(r->start[1].comm, "surface");
}

static void test_compact_switches(void **state)
{
	struct sr_pb trace = { 0 };
	struct result *r;

	put_compact(&trace);
	r = import(trace.p, trace.n, SR_IMPORT_PERFETTO);
	is_compact(r);
	assert_int_equal(sr_import_guess(trace.p, trace.n), SR_IMPORT_PERFETTO);
	free(r);
	sr_pb_release(&trace);
}

static void test_deflated_packets(void **state)
{
	struct sr_pb trace = { 0 }, packet = { 0 }, outer = { 0 };
	uint8_t deflated[4096];
	uLongf len = sizeof(deflated);
	struct result *r;

	put_compact(&trace);
	assert_int_equal(compress(deflated, &len, trace.p, trace.n), Z_OK);
	sr_pb_bytes(&packet, PF_PACKET_COMPRESSED, deflated, len);
	sr_pb_message(&outer, PF_TRACE_PACKET, &packet);
	r = import(outer.p, outer.n, SR_IMPORT_PERFETTO);
	is_compact(r);
	free(r);
	for (size_t i = 8; i < packet.n; i += 3) { /* a byte of the deflated ones is another */
		outer.p[outer.n - i] ^= 0x55;
		r = import(outer.p, outer.n, SR_IMPORT_PERFETTO);
		outer.p[outer.n - i] ^= 0x55;
		assert_true(r->ret == 0 || r->err.status == SR_DAMAGED);
		free(r);
	}
	sr_pb_release(&trace);
	sr_pb_release(&packet);
	sr_pb_release(&outer);
}

static void test_a_cut_trace_is_damaged_or_shorter(void **state)
{
	struct sr_pb trace = { 0 };

	put_compact(&trace);
	put_compact(&trace);
	for (size_t len = 0; len < trace.n; len++) {
		struct result *r = import(trace.p, len, SR_IMPORT_PERFETTO);

		if (len == trace.n / 2)
			is_compact(r);
		else
			assert_int_equal(r->err.status, SR_DAMAGED);
		free(r);
	}
	sr_pb_release(&trace);
}

/* The process tree, the release and the clocks stand anywhere. */
static void test_what_perfetto_tells_besides(void **state)
{
	struct sr_pb trace = { 0 }, packet = { 0 }, m = { 0 }, inner = { 0 };
	struct result *r;

	put_compact(&trace);
	sr_pb_i64(&inner, 1, 20);
	sr_pb_i64(&inner, 2, 2);
	sr_pb_message(&m, 1, &inner);
	inner.n = 0;
	sr_pb_i64(&inner, 1, 20);
	sr_pb_text(&inner, 2, "kworker/0");
	sr_pb_i64(&inner, 3, 20);
	sr_pb_message(&m, 2, &inner);
	inner.n = 0;
	sr_pb_i64(&inner, 1, 22);
	sr_pb_text(&inner, 2, "surfaceflinger");
	sr_pb_i64(&inner, 3, 9);
	sr_pb_message(&m, 2, &inner);
	sr_pb_message(&packet, PF_PACKET_PROCESS_TREE, &m);
	m.n = inner.n = 0;
	sr_pb_u64(&inner, 1, PF_CLOCK_BOOTTIME);
	sr_pb_u64(&inner, 2, 500);
	sr_pb_message(&m, 1, &inner);
	inner.n = 0;
	sr_pb_u64(&inner, 1, PF_CLOCK_MONOTONIC);
	sr_pb_u64(&inner, 2, 500);
	sr_pb_message(&m, 1, &inner);
	sr_pb_message(&packet, PF_PACKET_CLOCKS, &m);
	sr_pb_message(&trace, PF_TRACE_PACKET, &packet);
	r = import(trace.p, trace.n, SR_IMPORT_PERFETTO);
	assert_int_equal(r->ret, 0);
	assert_string_equal(r->clock, "mono");
	assert_int_equal(r->nstart, 3);
	assert_int_equal(r->start[0].tid, 20);
	assert_int_equal(r->start[0].flags, SR_TASK_KTHREAD);
	assert_int_equal(r->start[1].tid, 22);
	assert_int_equal(r->start[1].tgid, 9);
	assert_string_equal(r->start[1].comm, "surfaceflinger");
	assert_int_equal(r->ev[0].kind, SR_EV_COMM); /* which it is not called any more */
	assert_string_equal(r->name[0], "surface");
	free(r);
	sr_pb_release(&trace);
	sr_pb_release(&packet);
	sr_pb_release(&m);
	sr_pb_release(&inner);
}

static void test_the_roots_are_what_export_wrote(void **state)
{
	static const struct {
		const char *text;
		size_t roots;
	} texts[] = { { EVENT, 0 },
		      { "# schedrec root 11\n" EVENT, 1 },
		      { "# schedrec root 11\n# schedrec root 11\n# schedrec root 4711\n" EVENT,
			1 }, /* who is not there */
		      { "# schedrec root 11x\n# schedrec root -11\n# schedrec root \n# schedrec root 0\n" EVENT, 0 },
		      { "# schedrec root 4294967307\n" EVENT, 0 },
		      { "# schedrec root 99999999999999999999999999\n" EVENT, 0 },
		      { EVENT "# schedrec root 11\n" EVENT, 0 } };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct result *r = import_text(texts[i].text);

		assert_int_equal(r->ret, 0);
		assert_int_equal(r->roots, texts[i].roots);
		free(r);
	}
}

static void test_the_scope_stands_in_a_packet_for_tests(void **state)
{
	static const struct {
		const char *text, *scope;
	} texts[] = { { "schedrec scope tree", "tree" },
		      { "schedrec scope pid", "pid" },
		      { "schedrec scope", "system" },
		      { "schedrec scope root", "system" },
		      { "of Perfetto's own", "system" } };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct sr_pb trace = { 0 }, packet = { 0 }, m = { 0 };
		struct result *r;

		sr_pb_text(&m, 1, texts[i].text);
		sr_pb_message(&packet, PF_PACKET_FOR_TESTING, &m);
		sr_pb_message(&trace, PF_TRACE_PACKET, &packet);
		put_compact(&trace);
		r = import(trace.p, trace.n, SR_IMPORT_PERFETTO);
		assert_int_equal(r->ret, 0);
		assert_string_equal(r->scope, texts[i].scope);
		assert_true(r->counts.scope_unknown == !strcmp(texts[i].text, "schedrec scope root"));
		free(r);
		sr_pb_release(&trace);
		sr_pb_release(&packet);
		sr_pb_release(&m);
	}
}

static void test_a_loss_forgets_what_ran(void **state)
{
	struct sr_pb trace = { 0 }, bundle = { 0 }, event = { 0 }, sw = { 0 };
	struct result *r;

	put_compact(&trace);
	sr_pb_u64(&bundle, PF_BUNDLE_CPU, 1);
	sr_pb_u64(&bundle, PF_BUNDLE_LOST, 1);
	sr_pb_u64(&event, PF_EVENT_TIMESTAMP, 3000);
	sr_pb_u64(&event, PF_EVENT_PID, 30);
	sr_pb_text(&sw, 1, "x");
	sr_pb_i64(&sw, 2, 30);
	sr_pb_i64(&sw, 3, -1);
	sr_pb_i64(&sw, 4, 0x100);
	sr_pb_i64(&sw, 6, 21);
	sr_pb_i64(&sw, 7, 110);
	sr_pb_message(&event, PF_EVENT_SWITCH, &sw);
	sr_pb_message(&bundle, PF_BUNDLE_EVENT, &event);
	put_bundle(&trace, &bundle);
	r = import(trace.p, trace.n, SR_IMPORT_PERFETTO);
	assert_int_equal(r->ret, 0);
	assert_int_equal(r->n, 5);
	assert_int_equal(r->ev[3].kind, SR_EV_LOST);
	assert_int_equal(r->ev[3].time_ns, 3000);
	assert_int_equal(r->ev[3].u.lost.count, 0);
	assert_int_equal(r->ev[4].u.sw.prev, 30);
	assert_int_equal(r->ev[4].u.sw.prev_prio, -1);
	assert_int_equal(r->ev[4].u.sw.prev_state, SR_STATE_PREEMPTED);
	free(r);
	sr_pb_release(&trace);
	sr_pb_release(&bundle);
	sr_pb_release(&event);
	sr_pb_release(&sw);
}

/* ---- protobuf, the file in the making ---- */

static void test_protobuf_numbers(void **state)
{
	static const uint64_t values[] = { 0, 1, 127, 128, 300, UINT32_MAX, INT64_MAX, UINT64_MAX };
	struct sr_pb b = { 0 };
	struct sr_pb_field f;

	for (size_t i = 0; i < 8; i++)
		sr_pb_u64(&b, (unsigned)i + 1, values[i]);
	for (size_t i = 0; i < 8; i++) {
		struct sr_pb_reader r = { b.p, b.p + b.n };

		for (size_t k = 0; k <= i; k++)
			assert_int_equal(sr_pb_next(&r, &f), 1);
		assert_int_equal(f.number, i + 1);
		assert_true(f.v == values[i]);
	}
	sr_pb_release(&b);
	/* 11 bytes, and 10 with more than 64 bits */
	for (int last = 0x01; last <= 0x80; last *= 2) {
		uint8_t bytes[12] = { 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, (uint8_t)last, 0 };
		struct sr_pb_reader r = { bytes, bytes + 12 };

		assert_int_equal(sr_pb_next(&r, &f), last == 1 ? 1 : -1);
	}
}

static void test_text_becomes_utf8(void **state)
{
	struct sr_pb b = { 0 };
	struct sr_pb_reader r;
	struct sr_pb_field f;

	sr_pb_text(&b, 1, "a\xc3\xa4 \xff\xc3 \xe2\x82\xac\xed\xa0\x80 \xf0\x9f\x98\x80");
	r = (struct sr_pb_reader){ b.p, b.p + b.n };
	assert_int_equal(sr_pb_next(&r, &f), 1);
	assert_memory_equal(f.p, "a\xc3\xa4 ?? \xe2\x82\xac??? \xf0\x9f\x98\x80", f.len);
	sr_pb_release(&b);
}

static void test_a_file_gets_its_name_when_it_is_whole(void **state)
{
	struct sr_error err;
	struct sr_outfile *o;
	char part[80], text[16] = "";
	FILE *f;

	paths();
	snprintf(part, sizeof(part), "%s.part", path_out);
	o = sr_outfile_create(path_out, &err);
	assert_non_null(o);
	sr_out_text(o, "one");
	assert_int_equal(access(part, F_OK), 0);
	assert_int_equal(access(path_out, F_OK), -1);
	assert_int_equal(sr_outfile_close(o, &err), 0);
	assert_int_equal(access(part, F_OK), -1);
	o = sr_outfile_create(path_out, &err);
	sr_out_text(o, "two");
	sr_outfile_abort(o);
	assert_int_equal(access(part, F_OK), -1);
	f = fopen(path_out, "re");
	assert_non_null(fgets(text, sizeof(text), f));
	assert_string_equal(text, "one");
	fclose(f);
	unlink(path_out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_form_of_columns),
		cmocka_unit_test(test_short_forms_of_trace_cmd),
		cmocka_unit_test(test_comms_that_look_like_fields),
		cmocka_unit_test(test_every_kind_of_event),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_the_scope_is_what_export_wrote),
		cmocka_unit_test(test_the_roots_are_what_export_wrote),
		cmocka_unit_test(test_decisions_that_export_wrote),
		cmocka_unit_test(test_other_marks_are_no_decisions),
		cmocka_unit_test(test_decisions_out_of_order),
		cmocka_unit_test(test_time_that_goes_back),
		cmocka_unit_test(test_text_without_events_is_refused),
		cmocka_unit_test(test_a_line_that_never_ends),
		cmocka_unit_test(test_compact_switches),
		cmocka_unit_test(test_deflated_packets),
		cmocka_unit_test(test_a_cut_trace_is_damaged_or_shorter),
		cmocka_unit_test(test_what_perfetto_tells_besides),
		cmocka_unit_test(test_the_scope_stands_in_a_packet_for_tests),
		cmocka_unit_test(test_a_loss_forgets_what_ran),
		cmocka_unit_test(test_protobuf_numbers),
		cmocka_unit_test(test_text_becomes_utf8),
		cmocka_unit_test(test_a_file_gets_its_name_when_it_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
