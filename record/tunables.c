/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/tunables.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct reading {
	struct rec_tunables *out;
	const char *root;
	struct sr_error *err;
};

static int put(const struct reading *r, const char *key, const char *value)
{
	struct rec_tunables *t = r->out;

	if (t->n == REC_TUNABLES_MAX || strlen(key) >= REC_TUNABLE_KEY)
		return 0;
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 32;
		struct rec_tunable *v = realloc(t->v, cap * sizeof(*v));

		if (!v)
			return sr_fail(r->err, SR_ENVIRONMENT, "out of memory");
		t->v = v;
		t->cap = cap;
	}
	t->v[t->n].value = strdup(value);
	if (!t->v[t->n].value)
		return sr_fail(r->err, SR_ENVIRONMENT, "out of memory");
	snprintf(t->v[t->n++].key, REC_TUNABLE_KEY, "%s", key);
	return 0;
}

/* The text of a small file on one line; false: it is not there, may not be read, or is empty. */
static bool read_text(const struct reading *r, const char *path, char value[REC_TUNABLE_VALUE])
{
	char full[PATH_MAX];
	ssize_t n;
	int fd;

	if (snprintf(full, sizeof(full), "%s%s", r->root, path) >= (int)sizeof(full))
		return false;
	/* A fifo in the way of a file is not waited for. */
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return false;
	while ((n = read(fd, value, REC_TUNABLE_VALUE - 1)) < 0 && errno == EINTR)
		;
	close(fd);
	if (n <= 0)
		return false;
	value[n] = '\0';
	for (char *c = value; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' ';
	for (n = (ssize_t)strlen(value); n && value[n - 1] == ' ';)
		value[--n] = '\0';
	return n > 0;
}

static int put_file(const struct reading *r, const char *key, const char *path)
{
	char value[REC_TUNABLE_VALUE];

	return read_text(r, path, value) ? put(r, key, value) : 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t n)
{
	while (n)
		free(names[--n]);
	free(names);
}

/* The names in a directory that begin with prefix, sorted; *n 0 when there is none. */
static int list(const struct reading *r, const char *path, const char *prefix, char ***names, size_t *n)
{
	char full[PATH_MAX];
	struct dirent *d;
	DIR *dir;
	int rc = 0;

	*names = NULL;
	*n = 0;
	dir = snprintf(full, sizeof(full), "%s%s", r->root, path) < (int)sizeof(full) ? opendir(full) : NULL;
	while (dir && !rc && *n < REC_TUNABLES_MAX && (d = readdir(dir))) {
		char **grown;

		if (*d->d_name == '.' || strncmp(d->d_name, prefix, strlen(prefix)) != 0)
			continue;
		grown = realloc(*names, (*n + 1) * sizeof(*grown));
		if (grown)
			*names = grown;
		if (!grown || !(grown[*n] = strdup(d->d_name)))
			rc = sr_fail(r->err, SR_ENVIRONMENT, "out of memory");
		else
			++*n;
	}
	if (dir)
		closedir(dir);
	if (*n)
		qsort(*names, *n, sizeof(**names), by_name);
	return rc;
}

/* Each file of a directory, its key: before, its name. One called debug is a report on all tasks, no setting. */
static int put_files(const struct reading *r, const char *dir, const char *prefix, const char *before)
{
	char path[PATH_MAX], key[REC_TUNABLE_KEY * 2], **names;
	size_t n;
	int rc = list(r, dir, prefix, &names, &n);

	for (size_t i = 0; !rc && i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (!strcmp(names[i], "debug"))
			continue;
		if (snprintf(key, sizeof(key), "%s%s", before, names[i]) < (int)sizeof(key))
			rc = put_file(r, key, path);
	}
	free_names(names, n);
	return rc;
}

/* "none voluntary (full)": the one in parentheses is in force. */
static bool chosen(char *value)
{
	char *open = strchr(value, '('), *close = open ? strchr(open, ')') : NULL;

	if (!close)
		return false;
	*close = '\0';
	memmove(value, open + 1, strlen(open + 1) + 1);
	return true;
}

static int put_preempt(const struct reading *r)
{
	/* A kernel that lets it be chosen says only that much in its version, and where it stands only root may read it. */
	static const struct {
		const char *word, *value;
	} words[] = { { "PREEMPT_DYNAMIC", "dynamic" },
		      { "PREEMPT_RT", "rt" },
		      { "PREEMPT_LAZY", "lazy" },
		      { "PREEMPT", "full" } };
	char value[REC_TUNABLE_VALUE];

	if (read_text(r, "/sys/kernel/debug/sched/preempt", value) && chosen(value))
		return put(r, "kernel.preempt", value);
	if (!read_text(r, "/proc/sys/kernel/version", value))
		return 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strstr(value, words[i].word))
			return put(r, "kernel.preempt", words[i].value);
	return put(r, "kernel.preempt", "none or voluntary");
}

/* The coarse clocks advance by one tick. */
static int put_hz(const struct reading *r)
{
	struct timespec tick;
	char value[24];

	if (*r->root || clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_sec || tick.tv_nsec < 100000)
		return 0;
	snprintf(value, sizeof(value), "%ld", (1000000000 + tick.tv_nsec / 2) / tick.tv_nsec);
	return put(r, "kernel.hz", value);
}

static int put_kernel(const struct reading *r)
{
	static const struct {
		const char *key, *path;
	} files[] = {
		{ "kernel.cmdline", "/proc/cmdline" },
		{ "cpus.isolated", "/sys/devices/system/cpu/isolated" },
		{ "cpus.nohz_full", "/sys/devices/system/cpu/nohz_full" },
		{ "smt.control", "/sys/devices/system/cpu/smt/control" },
		{ "smt.active", "/sys/devices/system/cpu/smt/active" },
		{ "sched_ext.state", "/sys/kernel/sched_ext/state" },
		{ "sched_ext.ops", "/sys/kernel/sched_ext/root/ops" },
		{ "cpuidle.driver", "/sys/devices/system/cpu/cpuidle/current_driver" },
		{ "cpuidle.governor", "/sys/devices/system/cpu/cpuidle/current_governor" },
		{ "cpufreq.boost", "/sys/devices/system/cpu/cpufreq/boost" },
		{ "cpufreq.no_turbo", "/sys/devices/system/cpu/intel_pstate/no_turbo" },
		{ "tunable.timer_migration", "/proc/sys/kernel/timer_migration" },
		{ "tunable.numa_balancing", "/proc/sys/kernel/numa_balancing" },
	};
	int rc = put_preempt(r) || put_hz(r) ? -1 : 0;

	for (size_t i = 0; !rc && i < sizeof(files) / sizeof(*files); i++)
		rc = put_file(r, files[i].key, files[i].path);
	return rc;
}

/* By policy: the cpus that change their frequency together. */
static int put_cpufreq(const struct reading *r)
{
	static const struct {
		const char *word, *file;
	} facts[] = { { "cpus", "affected_cpus" },         { "driver", "scaling_driver" },
		      { "governor", "scaling_governor" },  { "min_khz", "scaling_min_freq" },
		      { "max_khz", "scaling_max_freq" },   { "cur_khz", "scaling_cur_freq" },
		      { "hw_max_khz", "cpuinfo_max_freq" } };
	static const char dir[] = "/sys/devices/system/cpu/cpufreq";
	char path[PATH_MAX], key[REC_TUNABLE_KEY * 2], **names;
	size_t n;
	int rc = list(r, dir, "policy", &names, &n);

	for (size_t i = 0; !rc && i < n; i++)
		for (size_t k = 0; !rc && k < sizeof(facts) / sizeof(*facts); k++) {
			snprintf(path, sizeof(path), "%s/%s/%s", dir, names[i], facts[k].file);
			if (snprintf(key, sizeof(key), "cpufreq.%s.%s", names[i], facts[k].word) < (int)sizeof(key))
				rc = put_file(r, key, path);
		}
	free_names(names, n);
	return rc;
}

/* Of the recorder's own group, which the command is started in. */
static int put_cgroup(const struct reading *r)
{
	static const char *const files[] = { "cpu.weight", "cpu.max", "cpu.uclamp.min", "cpu.uclamp.max", "cpu.idle" };
	static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	char text[REC_TUNABLE_VALUE], path[PATH_MAX], key[REC_TUNABLE_KEY], *at, *end;
	int rc = 0;

	if (!read_text(r, "/proc/self/cgroup", text))
		return 0;
	at = strstr(text, "0::/"); /* the one of version 2, which is the last or the only line */
	if (!at || (at != text && at[-1] != ' '))
		return 0;
	at += 3;
	end = strstr(at, " "); /* a name with a blank is cut: then there is no such group */
	if (end)
		*end = '\0';
	rc = put(r, "cgroup.path", at);
	for (size_t m = 0; m < sizeof(mounts) / sizeof(*mounts); m++)
		for (size_t i = 0; !rc && i < sizeof(files) / sizeof(*files); i++) {
			snprintf(key, sizeof(key), "cgroup.%s", files[i]);
			if (snprintf(path, sizeof(path), "%s%s/%s", mounts[m], strcmp(at, "/") != 0 ? at : "",
				     files[i]) < (int)sizeof(path))
				rc = put_file(r, key, path);
		}
	return rc;
}

int rec_tunables_read(struct rec_tunables *t, const char *root, struct sr_error *err)
{
	struct reading r = { t, root, err };

	if (!put_kernel(&r) && !put_files(&r, "/proc/sys/kernel", "sched_", "tunable.") &&
	    !put_files(&r, "/sys/kernel/debug/sched", "", "tunable.debug.") &&
	    !put_files(&r, "/sys/kernel/debug/sched/numa_balancing", "", "tunable.debug.numa_balancing.") &&
	    !put_cpufreq(&r) && !put_cgroup(&r))
		return 0;
	rec_tunables_release(t);
	return -1;
}

void rec_tunables_release(struct rec_tunables *t)
{
	while (t->n)
		free(t->v[--t->n].value);
	free(t->v);
	*t = (struct rec_tunables){ 0 };
}
