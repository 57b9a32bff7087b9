/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scheduling attributes that no event tells: read for all tasks at the start, and again for a task that was forked or
 * has exec'd, as soon as its event has been read (four system calls; kept only where they are not what the task was
 * believed to have). One that has ended by then is believed to have had its parent's.
 *
 * Autogroup and control group are read where the session's id is not the parent's: setsid is what makes an autogroup,
 * and who is put into a control group is as a rule put into a session as well, or execs in it: the group is read at each
 * exec too. setsid is called soon after the fork, and events are read some 25 ms late or more: it stands as if it had been
 * called at the fork. One that is called later shows at the next exec, or at the next fork: then it is the parent's.
 */
#include <ctype.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "formats/cgroup.h"
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
	char last_groups[8192]; /* of /proc/PID/cgroup as it was read last, */
	uint32_t last_group;    /* and what that came to */
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
	r->last_group = SR_ATTR_NONE;
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

static bool group_file(const struct sr_group *g, const char *name, char *buf, size_t size)
{
	return sr_cgroup_read(g->version, g->path, name, buf, size);
}

static void read_group(struct sr_group *g)
{
	char text[64];
	long long quota;

	if (group_file(g, g->version == 1 ? "cpu.shares" : "cpu.weight", text, sizeof(text)))
		g->weight = (uint32_t)strtoul(text, NULL, 10);
	if (group_file(g, "cpu.idle", text, sizeof(text)))
		g->idle = *text == '1';
	if (g->version == 2 && group_file(g, "cpu.max", text, sizeof(text))) {
		char *end;

		if (*text == 'm')
			return;
		g->quota_us = strtoull(text, &end, 10);
		g->period_us = strtoull(end, NULL, 10);
	} else if (g->version == 1 && group_file(g, "cpu.cfs_quota_us", text, sizeof(text))) {
		quota = strtoll(text, NULL, 10);
		if (quota <= 0 || !group_file(g, "cpu.cfs_period_us", text, sizeof(text)))
			return;
		g->quota_us = (uint64_t)quota;
		g->period_us = strtoull(text, NULL, 10);
	}
}

/* The nearest group above, or at, the path that has the controller on; its path is shortened to that. false: the root. Of
 * version 1 the root has a weight too; of version 2 only one that a namespace begins with. */
static bool find_group(struct sr_group *g)
{
	char *slash = g->path;

	while (slash && g->path[0] == '/' && (g->path[1] || g->version == 2)) {
		read_group(g);
		if (g->weight)
			return true;
		slash = g->path[1] ? strrchr(g->path, '/') : NULL;
		if (slash)
			slash[slash == g->path] = '\0';
	}
	return false;
}

static void read_session(struct rec_attrs *r, int tid, struct sr_attr *out)
{
	char path[64], text[64];
	unsigned session;
	int nice;

	out->session = 0;
	out->session_nice = 0;
	snprintf(path, sizeof(path), "/proc/%d/autogroup", tid);
	if (r->autogroups && read_file(path, text, sizeof(text)) &&
	    sscanf(text, "/autogroup-%u nice %d", &session, &nice) == 2) {
		out->session = session;
		out->session_nice = nice >= -20 && nice <= 19 ? (int8_t)nice : 0;
	}
}

/* The root group has no weight, and is none. */
static void read_group_of(struct rec_attrs *r, int tid, struct sr_attr *out)
{
	char path[64], text[sizeof(r->last_groups)];
	struct sr_group g = { 0 };
	const char *at = text;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", tid);
	if (!read_file(path, text, sizeof(text)))
		return;
	if (strcmp(text, r->last_groups) != 0) {
		snprintf(r->last_groups, sizeof(r->last_groups), "%s", text);
		g.version = (uint8_t)sr_cgroup_parse(text, &at);
		g.path = text + (at - text);
		r->last_group = g.version && find_group(&g) ? sr_attrs_group(&r->a, &g) : SR_ATTR_NONE;
	}
	out->group = r->last_group;
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
			read_session(r, s->tid, &attr);
			read_group_of(r, s->tid, &attr);
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

/* A child in another session than its parent was believed to be in: the parent may have made it since it was looked at. */
static void look_at_parent(struct rec_attrs *r, uint64_t time_ns, int parent, int child)
{
	const struct sr_attr *before = known(r, parent);
	uint32_t believed = sr_tidmap_get(&r->session, parent);
	pid_t session = getsid(child);
	struct sr_attr attr;

	if (!before || session <= 0 || (uint32_t)session == believed || getsid(parent) != session)
		return;
	attr = *before;
	sr_tidmap_put(&r->session, parent, (uint32_t)session);
	read_session(r, parent, &attr);
	read_group_of(r, parent, &attr);
	note(r, time_ns, parent, &attr);
}

/* A task that is new, or another program now; from: it is believed to have what this one had. */
static void look(struct rec_attrs *r, uint64_t time_ns, int tid, int from, bool born)
{
	uint32_t before = sr_tidmap_get(&r->now, from);
	struct sr_attr attr = { .mask = SR_ATTR_NONE, .group = SR_ATTR_NONE };
	/* An entry of this tid was another task's. */
	bool tell = born && sr_tidmap_get(&r->named, tid), changed;
	uint32_t set;

	if (before)
		attr = r->a.v[before - 1];
	if (!read_class(r, tid, &attr) && !before)
		return;
	changed = changed_session(r, tid, sr_tidmap_get(&r->session, from));
	if (changed)
		read_session(r, tid, &attr);
	if (changed || !born)
		read_group_of(r, tid, &attr);
	/* Read late, the exec before may show it already; priorities in events then show that it was too early. */
	tell |= !born && attr.policy != SR_SCHED_OTHER;
	set = sr_attrs_set(&r->a, &attr);
	if (set == SR_ATTR_NONE)
		return;
	if (tell || set + 1 != before)
		note(r, time_ns, tid, &attr);
	else
		sr_tidmap_put(&r->now, tid, set + 1);
}

void rec_attrs_events(struct rec_attrs *r, const struct sr_event *ev, size_t n)
{
	uint64_t time_ns;
	size_t i;

	for (i = 0; i < n; i++) {
		time_ns = ev[i].time_ns - ev[i].time_ns % r->unit_ns;
		if (ev[i].kind == SR_EV_FORK) {
			look_at_parent(r, time_ns, ev[i].u.fork.parent, ev[i].u.fork.child);
			look(r, time_ns, ev[i].u.fork.child, ev[i].u.fork.parent, true);
		} else if (ev[i].kind == SR_EV_EXEC) {
			look(r, time_ns, ev[i].u.exec.tid, ev[i].u.exec.tid, false);
		}
	}
}
