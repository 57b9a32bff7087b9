/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scheduling attributes that no event tells: read for all tasks at the start, and again for a task that was forked or
 * has exec'd, as soon as its event has been read (three system calls; kept only where they are not what the task was
 * believed to have). One that has ended by then is believed to have had its parent's.
 *
 * Autogroup and control group are read where the session's id is not the parent's: setsid is what makes an autogroup,
 * and who is put into a control group is as a rule put into a session as well. It is called soon after the fork, and
 * events are read some 25 ms late or more: it stands as if it had been called at the fork.
 */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "formats/tidmap.h"
#include "record/internal.h"

/* The kernel's struct sched_attr in its second size. */
struct kernel_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};
#define FIRST_SIZE 48 /* kernels without clamps fill in so much */

struct rec_attrs {
	struct sr_attrs a;
	struct sr_tidmap now;     /* tid -> its set + 1 */
	struct sr_tidmap named;   /* tids that an entry names */
	struct sr_tidmap session; /* tid -> id of its session */
	uint64_t unit_ns;
	bool autogroups;
};

static bool read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	buf[n] = '\0';
	return true;
}

struct rec_attrs *rec_attrs_new(uint64_t unit_ns, struct sr_error *err)
{
	struct rec_attrs *r = calloc(1, sizeof(*r));
	char text[16];

	if (!r) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	r->unit_ns = unit_ns ? unit_ns : 1;
	r->autogroups = read_file("/proc/sys/kernel/sched_autogroup_enabled", text, sizeof(text)) && *text == '1';
	return r;
}

void rec_attrs_free(struct rec_attrs *r)
{
	if (!r)
		return;
	sr_attrs_release(&r->a);
	sr_tidmap_release(&r->now);
	sr_tidmap_release(&r->named);
	sr_tidmap_release(&r->session);
	free(r);
}

const struct sr_attrs *rec_attrs_get(const struct rec_attrs *r)
{
	return &r->a;
}

/* Class and affinity as they are; false: it is gone. */
static bool read_class(struct rec_attrs *r, int tid, struct sr_attr *out)
{
	struct kernel_attr k = { 0 };
	struct sr_cpumask mask;

	if (syscall(SYS_sched_getattr, tid, &k, sizeof(k), 0) || rec_proc_allowed(tid, &mask))
		return false;
	out->policy = (uint8_t)k.policy;
	out->nice = k.nice >= -20 && k.nice <= 19 ? (int8_t)k.nice : 0;
	out->rt_prio = k.priority <= 99 ? (uint8_t)k.priority : 0;
	out->runtime_ns = k.runtime;
	out->deadline_ns = k.deadline;
	out->period_ns = k.period;
	out->util_min = k.size > FIRST_SIZE && k.util_min <= 1024 ? k.util_min : 0;
	out->util_max = k.size > FIRST_SIZE && k.util_max <= 1024 ? k.util_max : 0;
	out->mask = sr_attrs_mask(&r->a, &mask);
	return true;
}

static bool group_file(const char *const *mounts, const char *path, const char *name, char *buf, size_t size)
{
	char full[PATH_MAX];

	for (; *mounts; mounts++)
		if (snprintf(full, sizeof(full), "%s%s/%s", *mounts, path, name) < (int)sizeof(full) &&
		    read_file(full, buf, size))
			return true;
	return false;
}

static void read_group(struct sr_group *g)
{
	static const char *const v1[] = { "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", NULL };
	static const char *const v2[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified", NULL };
	const char *const *mounts = g->version == 1 ? v1 : v2;
	char text[64];
	long long quota;

	if (group_file(mounts, g->path, g->version == 1 ? "cpu.shares" : "cpu.weight", text, sizeof(text)))
		g->weight = (uint32_t)strtoul(text, NULL, 10);
	if (group_file(mounts, g->path, "cpu.idle", text, sizeof(text)))
		g->idle = *text == '1';
	if (g->version == 2 && group_file(mounts, g->path, "cpu.max", text, sizeof(text))) {
		char *end;

		if (*text == 'm')
			return;
		g->quota_us = strtoull(text, &end, 10);
		g->period_us = strtoull(end, NULL, 10);
	} else if (g->version == 1 && group_file(mounts, g->path, "cpu.cfs_quota_us", text, sizeof(text))) {
		quota = strtoll(text, NULL, 10);
		if (quota <= 0 || !group_file(mounts, g->path, "cpu.cfs_period_us", text, sizeof(text)))
			return;
		g->quota_us = (uint64_t)quota;
		g->period_us = strtoull(text, NULL, 10);
	}
}

/* Is "cpu" among "cpu,cpuacct"? */
static bool has_cpu(const char *controllers, const char *end)
{
	while (controllers < end) {
		size_t len = strcspn(controllers, ",:");

		if (len == 3 && !strncmp(controllers, "cpu", 3))
			return true;
		controllers += len + 1;
	}
	return false;
}

int rec_attrs_parse_cgroup(char *text, const char **path)
{
	int version = 0;
	char *line, *save = NULL;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *first = strchr(line, ':'), *second = first ? strchr(first + 1, ':') : NULL;

		if (!second)
			continue;
		if (has_cpu(first + 1, second)) {
			*path = second + 1;
			return 1;
		}
		if (first + 1 == second) {
			*path = second + 1;
			version = 2;
		}
	}
	return version;
}

/* The nearest group above, or at, the path that has the controller on; its path is shortened to that. false: the root. */
static bool find_group(struct sr_group *g)
{
	char *slash = g->path;

	while (slash && g->path[0] == '/' && g->path[1]) {
		read_group(g);
		if (g->weight)
			return true;
		slash = strrchr(g->path, '/');
		if (slash)
			*slash = '\0';
	}
	return false;
}

/* Group and session of a process. The root group has no weight, and is none. */
static void read_group_and_session(struct rec_attrs *r, int tid, struct sr_attr *out)
{
	char path[64], text[8192];
	struct sr_group g = { 0 };
	const char *at = text;
	unsigned session;
	int nice;

	out->group = SR_ATTR_NONE;
	out->session = 0;
	out->session_nice = 0;
	snprintf(path, sizeof(path), "/proc/%d/autogroup", tid);
	if (r->autogroups && read_file(path, text, sizeof(text)) &&
	    sscanf(text, "/autogroup-%u nice %d", &session, &nice) == 2) {
		out->session = session;
		out->session_nice = nice >= -20 && nice <= 19 ? (int8_t)nice : 0;
	}
	snprintf(path, sizeof(path), "/proc/%d/cgroup", tid);
	if (!read_file(path, text, sizeof(text)))
		return;
	g.version = (uint8_t)rec_attrs_parse_cgroup(text, &at);
	g.path = text + (at - text);
	if (g.version && find_group(&g))
		out->group = sr_attrs_group(&r->a, &g);
}

static const struct sr_attr *known(const struct rec_attrs *r, int tid)
{
	uint32_t set = sr_tidmap_get(&r->now, tid);

	return set ? &r->a.v[set - 1] : NULL;
}

/* Running out of memory or room only makes the picture coarser. */
static void note(struct rec_attrs *r, uint64_t time_ns, int tid, const struct sr_attr *attr)
{
	uint32_t set = sr_attrs_set(&r->a, attr);

	if (set == SR_ATTR_NONE || (r->a.nentries && time_ns < r->a.entries[r->a.nentries - 1].time_ns))
		return;
	if (sr_attrs_add(&r->a, time_ns, tid, set) == 0) {
		sr_tidmap_put(&r->now, tid, set + 1);
		sr_tidmap_put(&r->named, tid, 1);
	}
}

void rec_attrs_start(struct rec_attrs *r, const struct sr_task_starts *starts)
{
	size_t i;

	for (i = 0; i < starts->n; i++) {
		const struct sr_task_start *s = &starts->v[i];
		const struct sr_attr *of = s->tid == s->tgid ? NULL : known(r, s->tgid);
		struct sr_attr attr = { .mask = SR_ATTR_NONE, .group = SR_ATTR_NONE };
		pid_t session = getsid(s->tid);

		if (s->flags & (SR_TASK_KTHREAD | SR_TASK_RECORDER) || !read_class(r, s->tid, &attr))
			continue;
		if (session > 0)
			sr_tidmap_put(&r->session, s->tid, (uint32_t)session);
		if (of) { /* a thread: as its process */
			attr.session = of->session;
			attr.session_nice = of->session_nice;
			attr.group = of->group;
		} else {
			read_group_and_session(r, s->tid, &attr);
		}
		note(r, 0, s->tid, &attr);
	}
}

/* Is it in another session than it is believed to be in? */
static bool changed_session(struct rec_attrs *r, int tid, uint32_t believed)
{
	pid_t session = getsid(tid);

	if (session <= 0 || sr_tidmap_put(&r->session, tid, (uint32_t)session) < 0)
		return false;
	return (uint32_t)session != believed;
}

/* A task that is new, or another program now; from: it is believed to have what this one had. */
static void look(struct rec_attrs *r, uint64_t time_ns, int tid, int from, bool born)
{
	uint32_t before = sr_tidmap_get(&r->now, from);
	struct sr_attr attr = { .mask = SR_ATTR_NONE, .group = SR_ATTR_NONE };
	/* An entry of this tid was another task's. */
	bool tell = born && sr_tidmap_get(&r->named, tid);
	uint32_t set;

	if (before)
		attr = r->a.v[before - 1];
	if (!read_class(r, tid, &attr) && !before)
		return;
	if (changed_session(r, tid, sr_tidmap_get(&r->session, from)))
		read_group_and_session(r, tid, &attr);
	/* Read late, the exec before may show it already; priorities in events then show that it was too early. */
	tell |= !born && attr.policy != SR_SCHED_OTHER;
	set = sr_attrs_set(&r->a, &attr);
	if (set == SR_ATTR_NONE)
		return;
	if (tell || set + 1 != before)
		note(r, time_ns - time_ns % r->unit_ns, tid, &attr);
	else
		sr_tidmap_put(&r->now, tid, set + 1);
}

void rec_attrs_events(struct rec_attrs *r, const struct sr_event *ev, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (ev[i].kind == SR_EV_FORK)
			look(r, ev[i].time_ns, ev[i].u.fork.child, ev[i].u.fork.parent, true);
		else if (ev[i].kind == SR_EV_EXEC)
			look(r, ev[i].time_ns, ev[i].u.exec.tid, ev[i].u.exec.tid, false);
}
