/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The start state from /proc. Tasks come and go while it is read: one that is gone is left out, never an error. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/internal.h"

#define KTHREAD_FLAG 0x00200000 /* PF_KTHREAD */

/* The kernel escapes newline and backslash in stat, and shows kernel threads by longer names than their comm. */
static void take_comm(char out[SR_COMM_LEN], const char *text, size_t len)
{
	static const char worker[] = "kworker/";
	size_t n = 0;

	memset(out, 0, SR_COMM_LEN);
	for (size_t i = 0; i < len && n < SR_COMM_LEN - 1; i++) {
		char c = text[i];

		if (c == '\\' && i + 1 < len && (text[i + 1] == 'n' || text[i + 1] == '\\'))
			c = text[++i] == 'n' ? '\n' : '\\';
		out[n++] = c;
	}
	/* "kworker/0:1-events": the work it does now is no part of the comm; "kworker/R-name" is one. */
	if (!strncmp(out, worker, sizeof(worker) - 1) && (isdigit((unsigned char)out[8]) || out[8] == 'u'))
		for (n = 8 + strcspn(out + 8, "-+"); n < SR_COMM_LEN; n++)
			out[n] = '\0';
}

enum {
	STAT_PPID = 4,
	STAT_FLAGS = 9,
	STAT_NICE = 19,
	STAT_START = 22,
	STAT_CPU = 39,
	STAT_RT_PRIO = 40,
	STAT_POLICY = 41
};

int rec_proc_parse_stat(const char *text, size_t len, struct sr_task_start *out, uint64_t *start_ticks)
{
	const char *end = text + len, *open = memchr(text, '(', len), *close = memrchr(text, ')', len), *p;
	int64_t field[STAT_POLICY + 1] = { 0 };
	int n = STAT_PPID;

	if (!open || !close || close < open || end - close < 4 || close[1] != ' ')
		return -1;
	take_comm(out->comm, open + 1, close - open - 1);
	out->state = close[2];
	for (p = close + 3; n <= STAT_POLICY && p < end;) {
		bool negative;
		uint64_t v = 0;

		while (p < end && *p == ' ')
			p++;
		negative = p < end && *p == '-';
		p += negative;
		if (p == end || !isdigit((unsigned char)*p))
			break;
		for (; p < end && isdigit((unsigned char)*p); p++)
			v = v * 10 + (uint64_t)(*p - '0');
		field[n++] = negative ? -(int64_t)v : (int64_t)v;
	}
	if (n <= STAT_POLICY)
		return -1;
	out->ppid = (int32_t)field[STAT_PPID];
	out->nice = (int8_t)field[STAT_NICE];
	out->last_cpu = (uint16_t)field[STAT_CPU];
	out->rt_prio = (uint8_t)field[STAT_RT_PRIO];
	out->policy = (uint8_t)field[STAT_POLICY];
	out->flags = field[STAT_FLAGS] & KTHREAD_FLAG ? SR_TASK_KTHREAD : 0;
	if (start_ticks)
		*start_ticks = (uint64_t)field[STAT_START];
	return 0;
}

/* Bytes read, 0: gone. */
static size_t read_small(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size);

	if (fd >= 0)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

uint64_t rec_proc_start_ticks(int pid)
{
	char path[64], text[2048];
	struct sr_task_start ignored = { 0 };
	uint64_t ticks;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	len = read_small(path, text, sizeof(text));
	return rec_proc_parse_stat(text, len, &ignored, &ticks) ? 0 : ticks;
}

int rec_proc_allowed(int tid, struct sr_cpumask *mask)
{
	cpu_set_t *set = CPU_ALLOC(SR_MAX_CPUS * 2);
	size_t size = CPU_ALLOC_SIZE(SR_MAX_CPUS * 2);
	int rc = -1;

	memset(mask, 0, sizeof(*mask));
	if (set && !sched_getaffinity(tid, size, set)) {
		for (unsigned cpu = 0; cpu < SR_MAX_CPUS; cpu++)
			if (CPU_ISSET_S(cpu, size, set))
				sr_cpumask_set(mask, cpu);
		rc = 0;
	}
	CPU_FREE(set);
	return rc;
}

int rec_proc_task(struct sr_task_starts *out, int tgid, int tid, unsigned flags, struct sr_error *err)
{
	char path[64], text[2048];
	struct sr_task_start t = { .tid = tid, .tgid = tgid };
	struct sr_cpumask allowed;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", tgid, tid);
	len = read_small(path, text, sizeof(text));
	if (rec_proc_parse_stat(text, len, &t, NULL) || rec_proc_allowed(tid, &allowed))
		return 0;
	t.flags |= (uint8_t)flags;
	return sr_task_starts_add(out, &t, &allowed, err) ? -1 : 1;
}

int *rec_proc_threads(int tgid, size_t *n, struct sr_error *err)
{
	char path[64];
	int *tids = NULL;
	size_t cap = 0;
	struct dirent *d;
	DIR *dir;

	*n = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", tgid);
	dir = opendir(path);
	if (!dir) {
		sr_fail(err, SR_ENVIRONMENT, "no process %d", tgid);
		return NULL;
	}
	while ((d = readdir(dir))) {
		int tid = atoi(d->d_name);

		if (tid <= 0)
			continue;
		if (*n == cap) {
			int *grown = realloc(tids, (cap = cap ? cap * 2 : 64) * sizeof(*tids));

			if (!grown) {
				free(tids);
				closedir(dir);
				sr_fail(err, SR_ENVIRONMENT, "out of memory");
				return NULL;
			}
			tids = grown;
		}
		tids[(*n)++] = tid;
	}
	closedir(dir);
	if (!tids)
		sr_fail(err, SR_ENVIRONMENT, "no process %d", tgid);
	return tids;
}

static bool among(const int *v, size_t n, int x)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == x)
			return true;
	return false;
}

int rec_proc_all(struct sr_task_starts *out, const int *recorder, size_t nrecorder, const pid_t *roots, size_t nroots,
		 struct sr_error *err)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	int rc = 0;

	if (!dir)
		return sr_fail_errno(err, SR_ENVIRONMENT, "/proc");
	while (!rc && (d = readdir(dir))) {
		int tgid = atoi(d->d_name), *tids;
		struct sr_error gone;
		size_t n;

		if (tgid <= 0)
			continue;
		tids = rec_proc_threads(tgid, &n, &gone);
		for (size_t i = 0; tids && !rc && i < n; i++) {
			unsigned flags = (among(recorder, nrecorder, tids[i]) ? SR_TASK_RECORDER : 0) |
					 (among(roots, nroots, tids[i]) ? SR_TASK_ROOT : 0);

			rc = rec_proc_task(out, tgid, tids[i], flags, err) < 0 ? -1 : 0;
		}
		free(tids);
	}
	closedir(dir);
	return rc;
}
