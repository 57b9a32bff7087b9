/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's tunables, read from a made-up root directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "record/tunables.h"

struct fixture {
	char root[64];
	struct rec_tunables t;
	struct sr_error err;
};

/* A file below the root, with the directories above it. */
static void file(struct fixture *x, const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", x->root, path);
	for (char *slash = strchr(full + strlen(x->root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *value(struct fixture *x, const char *key)
{
	for (size_t i = 0; i < x->t.n; i++)
		if (!strcmp(x->t.v[i].key, key))
			return x->t.v[i].value;
	return "(none)";
}

static void read_all(struct fixture *x)
{
	rec_tunables_release(&x->t);
	assert_int_equal(rec_tunables_read(&x->t, x->root, &x->err), 0);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	if (!x)
		return -1;
	snprintf(x->root, sizeof(x->root), "/tmp/schedrec-tun.XXXXXX");
	*state = x;
	return mkdtemp(x->root) ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	char command[128];
	int rc;

	rec_tunables_release(&x->t);
	snprintf(command, sizeof(command), "rm -rf '%s'", x->root);
	rc = system(command);
	free(x);
	return rc;
}

static void a_machine_without_any_of_them_has_none(void **state)
{
	struct fixture *x = *state;

	read_all(x);
	assert_int_equal(x->t.n, 0);
}

static void what_is_there_is_read(void **state)
{
	struct fixture *x = *state;

	file(x, "/proc/cmdline", "quiet isolcpus=3\n");
	file(x, "/proc/sys/kernel/sched_rt_runtime_us", "950000\n");
	file(x, "/proc/sys/kernel/sched_autogroup_enabled", "1\n");
	file(x, "/proc/sys/kernel/other", "1\n");
	file(x, "/sys/kernel/debug/sched/base_slice_ns", "2800000\n");
	file(x, "/sys/kernel/debug/sched/features", "PLACE_LAG NO_HRTICK\n");
	file(x, "/sys/kernel/debug/sched/debug", "Sched Debug Version: v0.11\n");
	file(x, "/sys/kernel/debug/sched/preempt", "none voluntary (full) lazy\n");
	file(x, "/sys/kernel/debug/sched/numa_balancing/scan_size_mb", "256\n");
	file(x, "/sys/kernel/sched_ext/state", "enabled\n");
	file(x, "/sys/kernel/sched_ext/root/ops", "lavd\n");
	file(x, "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "schedutil\n");
	file(x, "/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "1800000\n");
	file(x, "/sys/devices/system/cpu/cpufreq/policy12/scaling_governor", "performance\n");
	file(x, "/sys/devices/system/cpu/smt/control", "on\n");
	file(x, "/sys/devices/system/cpu/isolated", "3\n");
	file(x, "/proc/self/cgroup", "3:cpu:/\n0::/user.slice/a\n");
	file(x, "/sys/fs/cgroup/user.slice/a/cpu.weight", "100\n");
	read_all(x);
	assert_string_equal(value(x, "kernel.cmdline"), "quiet isolcpus=3");
	assert_string_equal(value(x, "kernel.preempt"), "full");
	assert_string_equal(value(x, "tunable.sched_rt_runtime_us"), "950000");
	assert_string_equal(value(x, "tunable.sched_autogroup_enabled"), "1");
	assert_string_equal(value(x, "tunable.other"), "(none)");
	assert_string_equal(value(x, "tunable.debug.base_slice_ns"), "2800000");
	assert_string_equal(value(x, "tunable.debug.features"), "PLACE_LAG NO_HRTICK");
	assert_string_equal(value(x, "tunable.debug.debug"), "(none)");
	assert_string_equal(value(x, "tunable.debug.numa_balancing.scan_size_mb"), "256");
	assert_string_equal(value(x, "sched_ext.state"), "enabled");
	assert_string_equal(value(x, "sched_ext.ops"), "lavd");
	assert_string_equal(value(x, "cpufreq.policy0.governor"), "schedutil");
	assert_string_equal(value(x, "cpufreq.policy0.cur_khz"), "1800000");
	assert_string_equal(value(x, "cpufreq.policy12.governor"), "performance");
	assert_string_equal(value(x, "smt.control"), "on");
	assert_string_equal(value(x, "cpus.isolated"), "3");
	assert_string_equal(value(x, "cgroup.path"), "/user.slice/a");
	assert_string_equal(value(x, "cgroup.cpu.weight"), "100");
}

static void without_debugfs_the_version_tells_of_preemption(void **state)
{
	struct fixture *x = *state;
	static const char *const cases[][2] = { { "#1 SMP PREEMPT_DYNAMIC Debian", "dynamic" },
						{ "#1 SMP PREEMPT_RT x", "rt" },
						{ "#1 SMP PREEMPT x", "full" },
						{ "#1 SMP x", "none or voluntary" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		file(x, "/proc/sys/kernel/version", cases[i][0]);
		read_all(x);
		assert_string_equal(value(x, "kernel.preempt"), cases[i][1]);
	}
}

static void hostile_values_are_cut_and_stay_on_one_line(void **state)
{
	struct fixture *x = *state;
	char *big = malloc(100001);

	memset(big, 'x', 100000);
	big[100000] = '\0';
	file(x, "/proc/cmdline", big);
	file(x, "/proc/sys/kernel/sched_odd", "a\nb\x1b[2J\x7f");
	file(x, "/proc/sys/kernel/sched_empty", "\n");
	read_all(x);
	assert_int_equal(strlen(value(x, "kernel.cmdline")), REC_TUNABLE_VALUE - 1);
	assert_string_equal(value(x, "tunable.sched_odd"), "a b [2J");
	assert_string_equal(value(x, "tunable.sched_empty"), "(none)");
	free(big);
}

static void too_many_are_cut_off(void **state)
{
	struct fixture *x = *state;
	char path[96];

	for (int i = 0; i < 2 * REC_TUNABLES_MAX; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpufreq/policy%d/scaling_governor", i);
		file(x, path, "schedutil");
	}
	read_all(x);
	assert_in_range(x->t.n, REC_TUNABLES_MAX / 2, REC_TUNABLES_MAX);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_machine_without_any_of_them_has_none),
		T(what_is_there_is_read),
		T(without_debugfs_the_version_tells_of_preemption),
		T(hostile_values_are_cut_and_stay_on_one_line),
		T(too_many_are_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
