/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What else runs on this machine. */
#include "analyze/internal.h"
#include "analyze/nightly.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOLD 3          /* processes */
#define LEAST_TOLD 0.05 /* of a CPU */

static bool read_line(const char *path, char *line, size_t len)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(line, (int)len, f);

	if (f)
		fclose(f);
	return ok;
}

/* user nice system idle iowait irq softirq steal; guest time is part of user's. */
static void look_at_cpus(const char *root, struct ana_busy_look *l)
{
	unsigned long long v[8] = { 0 };
	char path[PATH_MAX], line[512];

	snprintf(path, sizeof(path), "%s/proc/stat", root);
	if (!read_line(path, line, sizeof(line)) || sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0],
							   &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 4)
		return;
	for (size_t i = 0; i < 8; i++)
		l->total += v[i];
	l->busy = l->total - v[3] - v[4];
}

/* PID (COMM) STATE ...: utime and stime are the 12th and 13th behind the name, which may hold anything. */
static bool parse_task(const char *line, struct ana_busy_task *t)
{
	const char *open = strchr(line, '('), *close = strrchr(line, ')'), *at = close;
	unsigned long long user, system;
	size_t len;

	if (!open || !close || close < open)
		return false;
	for (int i = 0; i < 12 && at; i++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, " %llu %llu", &user, &system) != 2)
		return false;
	t->pid = (int32_t)strtol(line, NULL, 10);
	t->ticks = user + system;
	len = (size_t)(close - open - 1);
	snprintf(t->comm, sizeof(t->comm), "%.*s", (int)(len < sizeof(t->comm) ? len : sizeof(t->comm) - 1), open + 1);
	return true;
}

void ana_busy_look(const char *root, struct ana_busy_look *l)
{
	char path[PATH_MAX], line[1024];
	struct sr_error ignored;
	const struct dirent *d;
	size_t cap = 0;
	DIR *dir;

	memset(l, 0, sizeof(*l));
	look_at_cpus(root, l);
	snprintf(path, sizeof(path), "%s/proc", root);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		struct ana_busy_task t = { 0 };

		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "%s/proc/%.32s/stat", root, d->d_name);
		if (!read_line(path, line, sizeof(line)) || !parse_task(line, &t))
			continue;
		if (ana_reserve(&l->tasks, &cap, l->ntasks + 1, sizeof(t), &ignored) < 0)
			break;
		l->tasks[l->ntasks++] = t;
	}
	if (dir)
		closedir(dir);
}

void ana_busy_release(struct ana_busy_look *l)
{
	free(l->tasks);
	memset(l, 0, sizeof(*l));
}

static int by_ticks(const void *x, const void *y)
{
	const struct ana_busy_task *a = x, *b = y;

	if (a->ticks != b->ticks)
		return a->ticks < b->ticks ? 1 : -1;
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

static uint64_t ticks_before(const struct ana_busy_look *l, int32_t pid)
{
	for (size_t i = 0; i < l->ntasks; i++)
		if (l->tasks[i].pid == pid)
			return l->tasks[i].ticks;
	return 0;
}

static void tell_tasks(const struct ana_busy_look *a, const struct ana_busy_look *b, int32_t own, double wall_ticks,
		       char *text, size_t len)
{
	struct ana_busy_task *used = malloc((b->ntasks + 1) * sizeof(*used));
	size_t n = 0, at = 0;

	for (size_t i = 0; used && i < b->ntasks; i++) {
		uint64_t before = ticks_before(a, b->tasks[i].pid);

		if (b->tasks[i].pid == own || b->tasks[i].ticks <= before)
			continue;
		used[n] = b->tasks[i];
		used[n++].ticks -= before;
	}
	if (used)
		qsort(used, n, sizeof(*used), by_ticks);
	for (size_t i = 0; i < n && i < TOLD && at < len; i++) {
		double share = (double)used[i].ticks / wall_ticks;

		if (share >= LEAST_TOLD)
			at += (size_t)snprintf(text + at, len - at, "%s%s %.0f%%", at ? ", " : "", used[i].comm,
					       100 * share);
	}
	if (at && at < len)
		snprintf(text + at, len - at, " of a CPU");
	free(used);
}

double ana_busy_between(const struct ana_busy_look *a, const struct ana_busy_look *b, double own_s, int32_t own,
			char *text, size_t len)
{
	long hz = sysconf(_SC_CLK_TCK), cpus = sysconf(_SC_NPROCESSORS_ONLN);
	double total, busy;

	text[0] = '\0';
	if (!a->total || b->total <= a->total || b->busy < a->busy)
		return -1;
	total = (double)(b->total - a->total);
	busy = (double)(b->busy - a->busy) - own_s * (double)(hz > 0 ? hz : 100);
	tell_tasks(a, b, own, total / (double)(cpus > 0 ? cpus : 1), text, len);
	return busy > 0 ? busy / total : 0;
}
