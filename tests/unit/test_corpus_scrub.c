/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scrubbing: nothing leaves but what is on the lists, and what is left means the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "corpus/scrub.h"
#include "corpus/scrub_internal.h"
#include "formats/attr.h"
#include "formats/digest.h"
#include "replay/policy.h"
#include "tests/unit/trace_builder.h"

static unsigned char salt[CRP_SALT] = "0123456789abcdef0123456789abcdef";
static char dir[64], in[100], out[100];
static struct sr_error err;

static int setup(void **state)
{
	strcpy(dir, "/tmp/schedrec-scrub.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(in, sizeof(in), "%s/in.srz", dir);
	snprintf(out, sizeof(out), "%s/out.srz", dir);
	return 0;
}

static int teardown(void **state)
{
	char cmd[100];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static const char *pseudonym(const char *name)
{
	static char a[16];

	crp_pseudonym(salt, CRP_NAME_TASK, name, a, NULL);
	return a;
}

static void test_pseudonyms_are_stable_and_differ(void **state)
{
	char a[16], b[16], c[16];
	bool kept;

	crp_pseudonym(salt, CRP_NAME_TASK, "bash", a, &kept);
	assert_false(kept);
	assert_int_equal(strlen(a), 13);
	crp_pseudonym(salt, CRP_NAME_TASK, "bash", b, NULL);
	assert_string_equal(a, b);
	crp_pseudonym(salt, CRP_NAME_GROUP, "bash", c, NULL);
	assert_string_not_equal(a + 1, c + 1);
	crp_pseudonym(salt, CRP_NAME_TASK, "basi", b, NULL);
	assert_string_not_equal(a, b);
	salt[0] ^= 1;
	crp_pseudonym(salt, CRP_NAME_TASK, "bash", b, NULL);
	salt[0] ^= 1;
	assert_string_not_equal(a, b);
	/* A fixed point, computed by another implementation: openssl dgst -sha256 -mac HMAC. */
	assert_string_equal(a, "t651aedff3ef8");
}

static void test_kernel_threads_are_kept_without_user_parts(void **state)
{
	static const struct {
		const char *name, *after;
	} cases[] = {
		{ "ksoftirqd/0", "ksoftirqd/0" },
		{ "migration/12", "migration/12" },
		{ "kworker/0:1", "kworker/0:1" },
		{ "kworker/u8:3-nv", "kworker/u8:3" },
		{ "kworker/1:2H-kb", "kworker/1:2H" },
		{ "kworker/3:0+eve", "kworker/3:0" },
		{ "irq/27-secretdv", "irq/" },
		{ "jbd2/vg-home-8", "jbd2" },
		{ "rcu_preempt", "rcu_preempt" },
		{ "kthreadd", "kthreadd" },
		{ "", "" },
	};
	static const char *const others[] = { "ksoftirqd/x", "kthreadd2", "migration/",   "kworker/alice", "kwor",
					      "xjbd2",       "bash",      "migration/1x", "kswapd0y",      "rcu_alice" };
	char after[16];
	bool kept;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		crp_pseudonym(salt, CRP_NAME_TASK, cases[i].name, after, &kept);
		assert_string_equal(after, cases[i].after);
		assert_true(kept);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		crp_pseudonym(salt, CRP_NAME_TASK, others[i], after, &kept);
		if (kept || after[0] != 't' || strlen(after) != 13)
			fail_msg("%s -> %s", others[i], after);
	}
}

static void test_meta_by_allow_list(void **state)
{
	static const struct {
		const char *key, *value, *after; /* NULL: dropped */
	} cases[] = {
		{ "kernel.release", "6.1.0-18-amd64", "6.1.0-18-amd64" },
		{ "kernel.release", "6.9.3-alices-laptop+", "6.9.3-x-x+" },
		{ "kernel.release", "6.9.0-rc3-g1234567890ab", "6.9.0-rc3-xxx" },
		{ "kernel.release", "5.15.0-1051-azure", "5.15.0-1051-azure" },
		{ "kernel.version", "#1 SMP Debian 6.1.76-1 (2024-02-01)", NULL },
		{ "kernel.cmdline", "root=UUID=1234", NULL },
		{ "command", "vim /home/alice/secret.txt", NULL },
		{ "label", "alice", NULL },
		{ "start.realtime_ns", "1700000000000000000", NULL },
		{ "host.name", "alices-laptop", NULL },
		{ "host.cpu_model", "AMD EPYC 7B13 64-Core Processor", "AMD EPYC 7B13 64-Core Processor" },
		{ "host.cpu_model", "<b>", NULL },
		{ "cgroup.path", "/user.slice/user-1000.slice", NULL },
		{ "cgroup.cpu.weight", "100", "100" },
		{ "cgroup.cpu.weight", "alice", NULL },
		{ "cgroup.cpu.max", "max 100000", "max 100000" },
		{ "cgroup.cpu.max", "maximal", NULL },
		{ "record.id", "00112233445566778899aabbccddeeff", NULL },
		{ "scope", "tree", "tree" },
		{ "scope", "alice", NULL },
		{ "scope", "tree|pid", NULL },
		{ "duration_ns", "123", "123" },
		{ "duration_ns", "123 alice", NULL },
		{ "tunable.sched_rt_period_us", "1000000", "1000000" },
		{ "tunable.sched_rt_period_us", "alice", NULL },
		{ "tunable.hostname", "1", NULL },
		{ "tunable.debug.features", "PLACE_LAG NO_HRTICK", "PLACE_LAG NO_HRTICK" },
		{ "tunable.debug.features", "PLACE_LAG alice", NULL },
		{ "cpufreq.policy12.governor", "schedutil", "schedutil" },
		{ "cpufreq.policyalice.governor", "schedutil", NULL },
		{ "sched_ext.ops", "lavd", "lavd" },
		{ "sched_ext.ops", "alices_scheduler", NULL },
		{ "replay.source_name", "alice.srz", NULL },
		{ "replay.source.1.name", "alice.srz", NULL },
		{ "cut.source_sha256", "00", NULL },
		{ "replay.policy", "alices_scheduler", NULL },
		{ "replay.policy.moves", "5", "5" },
		{ "cpus.isolated", "", "" },
		{ "something.new", "1", NULL },
	};
	char after[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool keep = crp_scrub_meta(cases[i].key, cases[i].value, after, sizeof(after));

		if (keep != (cases[i].after != NULL))
			fail_msg("%s %s: %s", cases[i].key, cases[i].value, keep ? "kept" : "dropped");
		if (keep)
			assert_string_equal(after, cases[i].after);
	}
}

static void test_every_policy_of_ours_is_told(void **state)
{
	char after[64];

	for (size_t i = 0; rpl_policies[i]; i++)
		if (!crp_scrub_meta("replay.policy", rpl_policies[i]->name, after, sizeof(after)))
			fail_msg("%s is dropped", rpl_policies[i]->name);
}

#define SECRET "alice"
#define T0 987654321012345ull

static uint32_t name(struct trace *t, const char *text)
{
	return srz_put_name(t->w, text, &t->err);
}

/* A recording with the secret in every place that can hold one. */
static void write_recording(void)
{
	static const char *const metas[] = { "command",         "label",         "kernel.cmdline", "kernel.version",
					     "cgroup.path",     "host.name",     SECRET ".key",    "kernel.release",
					     "record.id",       "sched_ext.ops", "host.cpu_model", "replay.task",
					     "schedrec.version" };
	struct sr_attrs a = { 0 };
	struct sr_group group = { .path = (char *)"/user.slice/" SECRET ".slice", .version = 2, .weight = 77 };
	struct sr_group same = { .path = (char *)"/user.slice", .version = 2, .weight = 100 };
	struct sr_attr attr = { .session = 4711, .mask = SR_ATTR_NONE, .nice = 3 };
	struct sr_task_start s = { .tid = 70001, .tgid = 70001, .ppid = 69999, .comm = SECRET "-main", .state = 'R' };
	struct trace t;

	trace_begin(&t, "tree");
	for (size_t i = 0; i < sizeof(metas) / sizeof(metas[0]); i++)
		trace_meta(&t, metas[i], "/home/" SECRET "/x");
	trace_meta(&t, "start.realtime_ns", "1700000000123456789");
	trace_meta(&t, "start.mono_ns", "987654321000000");
	trace_meta(&t, "cpus.changes", "-1@987654322000000,+1@987654323000000");
	trace_meta(&t, "kernel.hz", "250");
	trace_meta(&t, "replay.policy", SECRET "_policy");
	trace_meta(&t, "replay.policy." SECRET "_moves", "5");
	assert_int_equal(sr_task_starts_add(&t.starts, &s, NULL, &t.err), 0);
	s = (struct sr_task_start){ .tid = 2, .tgid = 2, .comm = "kthreadd", .flags = SR_TASK_KTHREAD, .state = 'S' };
	assert_int_equal(sr_task_starts_add(&t.starts, &s, NULL, &t.err), 0);
	attr.group = sr_attrs_group(&a, &group);
	assert_int_equal(sr_attrs_add(&a, 0, 70001, sr_attrs_set(&a, &attr)), 0);
	attr.group = sr_attrs_group(&a, &same);
	attr.session = 4000;
	assert_int_equal(sr_attrs_add(&a, T0 + 5000, 70002, sr_attrs_set(&a, &attr)), 0);
	assert_int_equal(sr_attrs_put(t.w, &a, &t.err), 0);
	sr_attrs_release(&a);
	assert_int_equal(srz_put_section(t.w, SRZ_SEC_WORK, SECRET, 5, &t.err), 0);
	assert_int_equal(srz_put_section(t.w, 4242, SECRET, 5, &t.err), 0);
	trace_switch(&t, T0, 0, 0, SR_STATE_RUNNING, 70001);
	trace_fork(&t, T0 + 5000, 0, 70001, 70002);
	trace_put(&t,
		  (struct sr_event){ .time_ns = T0 + 6000,
				     .kind = SR_EV_EXEC,
				     .ctx = 70001,
				     .u.exec = { 70001, 70001, name(&t, "/home/" SECRET "/bin/" SECRET "-prog") } });
	trace_put(&t, (struct sr_event){ .time_ns = T0 + 7000,
					 .kind = SR_EV_COMM,
					 .u.rename = { 70002, name(&t, SECRET "-thread") } });
	trace_put(&t, (struct sr_event){ .time_ns = T0 + 7500,
					 .kind = SR_EV_COMM,
					 .u.rename = { 70003, name(&t, "kworker/0:1-ali") } });
	trace_put(&t, (struct sr_event){ .time_ns = T0 + 8000, .kind = SR_EV_LOST, .u.lost = { 17, 3 } });
	trace_switch(&t, T0 + 9000, 0, 70001, SR_STATE_SLEEPING, 70002);
	trace_waking(&t, T0 + 9500, 1, 0, 70001, SR_EV_HARDIRQ);
	trace_switch(&t, T0 + 10000, 0, 70002, SR_STATE_PREEMPTED, 70001);
	trace_exit(&t, T0 + 11000, 0, 70001);
	trace_keep(&t, in);
}

static bool holds(const char *path, const char *text)
{
	static char buf[1 << 20];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	return memmem(buf, n, text, strlen(text)) != NULL;
}

static void test_nothing_of_the_secret_is_left(void **state)
{
	struct crp_scrubbed report;
	struct srz_reader *r;
	struct sr_attrs a = { 0 };
	struct sr_event ev;
	const char *key, *value;
	size_t len;

	write_recording();
	if (crp_scrub(in, out, salt, NULL, &report, &err))
		fail_msg("%s", err.text);
	r = srz_open(out, &err);
	assert_non_null(r);
	for (size_t i = 0; i < srz_meta_count(r); i++) {
		srz_meta_at(r, i, &key, &value);
		if (strstr(key, SECRET) || strstr(value, SECRET) || strstr(value, "home"))
			fail_msg("%s %s", key, value);
	}
	assert_null(srz_get_meta(r, "start.realtime_ns"));
	assert_string_equal(srz_get_meta(r, "kernel.hz"), "250");
	assert_string_equal(srz_get_meta(r, "start.mono_ns"), "1321000000");
	assert_string_equal(srz_get_meta(r, "cpus.changes"), "-1@1322000000,+1@1323000000");
	assert_null(srz_get_section(r, SRZ_SEC_WORK, &len));
	assert_null(srz_get_section(r, 4242, &len));
	while (srz_next(r, &ev, &err) == 1)
		if (ev.kind == SR_EV_COMM || ev.kind == SR_EV_EXEC)
			assert_null(strstr(srz_name_at(r, ev.u.rename.name), SECRET));
	assert_int_equal(sr_attrs_get(r, &a, &err), 0);
	assert_int_equal(a.ngroups, 2);
	for (size_t i = 0; i < a.ngroups; i++)
		assert_null(strstr(a.groups[i].path, SECRET));
	/* The parts of paths are pseudonyms of their own: who was below whom still is. */
	assert_memory_equal(a.groups[0].path, a.groups[1].path, strlen(a.groups[1].path));
	assert_int_equal(a.groups[0].path[strlen(a.groups[1].path)], '/');
	assert_int_equal(a.groups[0].weight, 77);
	/* Sessions keep their order. */
	assert_int_equal(a.v[0].session, 2);
	assert_int_equal(a.v[1].session, 1);
	assert_int_equal(a.v[0].nice, 3);
	sr_attrs_release(&a);
	srz_reader_free(r);
	assert_false(holds(out, SECRET));
	assert_true(report.dropped_bytes >= 5);
	assert_int_equal(report.shift_ns, 987653000000000);
	crp_scrubbed_release(&report);
}

/* As kernels without autogroups give them. */
static void test_attributes_without_sessions(void **state)
{
	struct sr_attr attr = { .mask = SR_ATTR_NONE, .group = SR_ATTR_NONE, .nice = 3 };
	struct crp_scrubbed report;
	struct sr_attrs a = { 0 };
	struct srz_reader *r;
	struct trace t;

	trace_begin(&t, "tree");
	assert_int_equal(sr_attrs_add(&a, 0, 70001, sr_attrs_set(&a, &attr)), 0);
	assert_int_equal(sr_attrs_put(t.w, &a, &t.err), 0);
	sr_attrs_release(&a);
	trace_switch(&t, T0, 0, 0, SR_STATE_RUNNING, 70001);
	trace_keep(&t, in);
	if (crp_scrub(in, out, salt, NULL, &report, &err))
		fail_msg("%s", err.text);
	crp_scrubbed_release(&report);
	r = srz_open(out, &err);
	assert_non_null(r);
	assert_int_equal(sr_attrs_get(r, &a, &err), 0);
	assert_int_equal(a.v[0].session, 0);
	assert_int_equal(a.v[0].nice, 3);
	sr_attrs_release(&a);
	srz_reader_free(r);
}

static void test_events_are_the_same_but_for_names_and_numbers(void **state)
{
	/* tids of the recording in ascending order, and what they become */
	static const int32_t tids[][2] = { { 0, 0 }, { 2, 2 }, { 69999, 3 }, { 70001, 4 }, { 70002, 5 }, { 70003, 6 } };
	struct crp_scrubbed report;
	struct srz_reader *a, *b;
	struct sr_event x, y;
	unsigned n = 0;

	write_recording();
	assert_int_equal(crp_scrub(in, out, salt, NULL, &report, &err), 0);
	a = srz_open(in, &err);
	b = srz_open(out, &err);
	while (srz_next(a, &x, &err) == 1) {
		assert_int_equal(srz_next(b, &y, &err), 1);
		assert_int_equal(x.time_ns - report.shift_ns, y.time_ns);
		assert_int_equal(x.time_ns % 1000000000, y.time_ns % 1000000000);
		assert_int_equal(x.kind, y.kind);
		assert_int_equal(x.flags, y.flags);
		assert_int_equal(x.cpu, y.cpu);
		for (size_t i = 0; i < sizeof(tids) / sizeof(tids[0]); i++) {
			if (x.ctx == tids[i][0])
				assert_int_equal(y.ctx, tids[i][1]);
			if (x.kind == SR_EV_SWITCH && x.u.sw.next == tids[i][0])
				assert_int_equal(y.u.sw.next, tids[i][1]);
		}
		if (x.kind == SR_EV_LOST)
			assert_int_equal(y.u.lost.count, 17);
		if (x.kind == SR_EV_SWITCH)
			assert_int_equal(x.u.sw.prev_state, y.u.sw.prev_state);
		n++;
	}
	assert_int_equal(srz_next(b, &y, &err), 0);
	assert_int_equal(n, 11);
	assert_string_equal(srz_get_tasks(b)->v[1].comm, "kthreadd");
	assert_string_equal(srz_get_tasks(b)->v[0].comm, pseudonym(SECRET "-main"));
	srz_reader_free(a);
	srz_reader_free(b);
	crp_scrubbed_release(&report);
}

static void test_an_executed_file_gives_the_tasks_name(void **state)
{
	struct crp_scrubbed report;
	struct srz_reader *r;
	struct sr_event ev;
	char want[16];

	write_recording();
	assert_int_equal(crp_scrub(in, out, salt, NULL, &report, &err), 0);
	r = srz_open(out, &err);
	snprintf(want, sizeof(want), "%s", pseudonym(SECRET "-prog"));
	while (srz_next(r, &ev, &err) == 1)
		if (ev.kind == SR_EV_EXEC)
			assert_string_equal(srz_name_at(r, ev.u.exec.name), want);
	srz_reader_free(r);
	crp_scrubbed_release(&report);
}

static void test_the_same_recording_gives_the_same_bytes(void **state)
{
	char a[SR_SHA256_TEXT] = "", b[SR_SHA256_TEXT] = "";
	struct crp_scrubbed report;

	write_recording();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(crp_scrub(in, out, salt, NULL, &report, &err), 0);
		crp_scrubbed_release(&report);
		assert_int_equal(sr_sha256_file(out, i ? b : a, &err), 0);
	}
	assert_string_equal(a, b);
	/* A scrubbed one may be scrubbed again. */
	assert_int_equal(crp_scrub(out, in, salt, NULL, &report, &err), 0);
	crp_scrubbed_release(&report);
}

static void test_every_golden_file(void **state)
{
	static const char *const files[] = { "all-kinds", "attributes", "coded",      "future",   "late-events",
					     "load",      "many-cpus",  "many-tasks", "one-event" };
	struct crp_scrubbed report;
	char path[64], a[SR_SHA256_TEXT];
	struct srz_reader *x, *y;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "tests/golden/%s.srz", files[i]);
		if (access(path, R_OK))
			skip();
		if (crp_scrub(path, out, salt, NULL, &report, &err))
			fail_msg("%s: %s", path, err.text);
		x = srz_open(path, &err);
		y = srz_open(out, &err);
		assert_int_equal(srz_get_info(x)->events, srz_get_info(y)->events);
		assert_int_equal(srz_get_info(x)->lost, srz_get_info(y)->lost);
		assert_int_equal(sr_sha256_file(out, a, &err), 0);
		srz_reader_free(x);
		srz_reader_free(y);
		crp_scrubbed_release(&report);
	}
}

static int stop(void *arg, double part)
{
	return 1;
}

static void test_what_cannot_be_scrubbed(void **state)
{
	struct crp_scrubbed report;
	struct crp_scrub_watch watch = { stop, NULL };
	struct stat st;

	assert_int_equal(crp_scrub(in, out, salt, NULL, &report, &err), -1);
	assert_int_equal(err.status, SR_ENVIRONMENT);
	crp_scrubbed_release(&report);
	write_recording();
	assert_int_equal(stat(in, &st), 0);
	assert_int_equal(truncate(in, st.st_size - 1), 0);
	assert_int_equal(crp_scrub(in, out, salt, &watch, &report, &err), -1);
	assert_int_equal(err.status, SR_DAMAGED);
	crp_scrubbed_release(&report);
	assert_int_equal(access(out, F_OK), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_pseudonyms_are_stable_and_differ),
		T(test_kernel_threads_are_kept_without_user_parts),
		T(test_meta_by_allow_list),
		T(test_every_policy_of_ours_is_told),
		T(test_nothing_of_the_secret_is_left),
		T(test_attributes_without_sessions),
		T(test_events_are_the_same_but_for_names_and_numbers),
		T(test_an_executed_file_gives_the_tasks_name),
		T(test_the_same_recording_gives_the_same_bytes),
		T(test_every_golden_file),
		T(test_what_cannot_be_scrubbed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
