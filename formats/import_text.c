/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of ftrace text, as the kernel's `trace` file has them with any of its columns, as trace-cmd report prints them
 * (with its plug-ins or without), and as Android's systrace pages carry them:
 *
 *   COMM-PID [(TGID)] [CPU] [FLAGS] SECONDS.FRACTION: EVENT: FIELDS
 *   COMM-PID [(TGID)] CPUFLAGS SECONDS.FRACTION: EVENT: FIELDS
 *   COMM-PID [(TGID)] CPUFLAGS MICROSECONDSus[!+...]: EVENT: FIELDS
 *
 * A comm may hold anything but a line's end, also what looks like the columns behind it: each "-PID" in the line is tried,
 * and the first behind which all columns stand is it. In the fields too, what is sought is what must come behind a comm.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/import.h"

#define BUFFER (1u << 20)
#define LONGEST 65536 /* a longer line is none of these */

struct line {
	int32_t pid;
	unsigned cpu;
	uint8_t flags; /* SR_EV_* */
	bool has_flags;
	uint64_t time_ns;
	const char *event, *fields;
	size_t event_len;
};

struct text {
	struct sr_import *im;
	uint64_t lines, events, without_flags;
	uint64_t lost[SR_MAX_CPUS]; /* + 1: a loss that the next event of the cpu dates */
	bool lost_any;
	bool relative; /* times count from the first event, in microseconds */
	bool ours;     /* export wrote it, its comments say */
	bool begun;    /* a line of an event came: what looks like export's comments behind is none */
};

/* ---- pieces ---- */

static const char *blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

static const char *number(const char *s, uint64_t max, uint64_t *v)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)*s))
		return NULL;
	for (; isdigit((unsigned char)*s); s++) {
		n = 10 * n + (uint64_t)(*s - '0');
		if (n > max)
			return NULL;
	}
	*v = n;
	return s;
}

static const char *integer(const char *s, int64_t *v)
{
	bool minus = *s == '-';
	uint64_t n;

	s = number(s + minus, INT32_MAX, &n);
	if (s)
		*v = minus ? -(int64_t)n : (int64_t)n;
	return s;
}

/* "key" and a number behind it. */
static const char *keyed(const char *s, const char *key, int64_t *v)
{
	size_t len = strlen(key);

	return strncmp(s, key, len) ? NULL : integer(s + len, v);
}

static const char *last_of(const char *s, const char *what)
{
	const char *found = NULL;

	for (; (s = strstr(s, what)); s++)
		found = s;
	return found;
}

/* ---- the columns ---- */

/* irqs-off, need-resched, context, and more: "d..2.", "dNh3", "....". */
static const char *flags_at(const char *s, struct line *l)
{
	const char *end = s + strcspn(s, " \t");

	if (end - s < 3 || !strchr(".dbDBXx", s[0]) || isdigit((unsigned char)s[2]))
		return NULL;
	switch (s[2]) {
	case 'h':
		l->flags = SR_EV_HARDIRQ;
		break;
	case 's':
		l->flags = SR_EV_SOFTIRQ;
		break;
	case 'H':
		l->flags = SR_EV_HARDIRQ | SR_EV_SOFTIRQ;
		break;
	case 'z':
		l->flags = SR_EV_NMI;
		break;
	case 'Z':
		l->flags = SR_EV_NMI | SR_EV_HARDIRQ;
		break;
	case '.':
		l->flags = 0;
		break;
	default:
		return NULL;
	}
	l->has_flags = true;
	return end;
}

static const char *time_at(const char *s, struct line *l, bool *relative)
{
	uint64_t whole, part = 0;
	unsigned digits = 0;

	s = number(s, UINT64_MAX / 2000000000, &whole);
	if (!s)
		return NULL;
	if (s[0] == 'u' && s[1] == 's') {
		s += 2;
		if (*s && strchr("+!#*@$ ", *s))
			s++;
		*relative = true;
		l->time_ns = whole * 1000;
		return *s == ':' ? s + 1 : NULL;
	}
	if (*s++ != '.')
		return NULL;
	for (; isdigit((unsigned char)*s); s++) {
		if (digits < 9) {
			part = 10 * part + (uint64_t)(*s - '0');
			digits++;
		}
	}
	if (!digits || *s != ':')
		return NULL;
	for (; digits < 9; digits++)
		part *= 10;
	l->time_ns = whole * 1000000000 + part;
	return s + 1;
}

static const char *cpu_at(const char *s, struct line *l)
{
	bool bracket = *s == '[';
	const char *flags;
	uint64_t cpu;

	s = number(s + bracket, SR_MAX_CPUS - 1, &cpu);
	if (!s || (bracket && *s != ']'))
		return NULL;
	l->cpu = (unsigned)cpu;
	if (bracket)
		s = blanks(s + 1);
	flags = flags_at(s, l);
	if (!flags && !bracket)
		return NULL;
	return blanks(flags ? flags : s);
}

/* From behind the '-' of a pid to the fields. */
static bool columns(const char *s, struct line *l, bool *relative)
{
	uint64_t pid;

	*l = (struct line){ 0 };
	s = number(s, INT32_MAX, &pid);
	if (!s || (*s != ' ' && *s != '\t'))
		return false;
	l->pid = (int32_t)pid;
	s = blanks(s);
	if (*s == '(') {
		s += strspn(s, "(- 0123456789");
		if (*s != ')')
			return false;
		s = blanks(s + 1);
	}
	s = cpu_at(s, l);
	s = s ? time_at(s, l, relative) : NULL;
	if (!s)
		return false;
	l->event = s = blanks(s);
	while (isalnum((unsigned char)*s) || *s == '_')
		s++;
	l->event_len = (size_t)(s - l->event);
	if (*s != ':' || !l->event_len)
		return false;
	l->fields = blanks(s + 1);
	return true;
}

static bool head_of(const char *s, struct line *l, bool *relative)
{
	for (s = strchr(s, '-'); s; s = strchr(s + 1, '-'))
		if (isdigit((unsigned char)s[1]) && columns(s + 1, l, relative))
			return true;
	return false;
}

/* ---- fields ---- */

static unsigned state_of(const char *s, size_t len)
{
	static const char letters[] = "SDTtXZPI";
	const char *at;

	if (memchr(s, '+', len))
		return SR_STATE_PREEMPTED;
	if (*s == 'R')
		return SR_STATE_RUNNING;
	at = len ? strchr(letters, *s) : NULL;
	return at && *at ? SR_STATE_SLEEPING + (unsigned)(at - letters) : SR_STATE_OTHER;
}

static void comm(struct sr_import_item *item, bool second, const char *from, const char *to)
{
	sr_import_comm(second ? item->b : item->a, from, (size_t)(to - from));
	if (second)
		item->has_b = true;
	else
		item->has_a = true;
}

static bool put_switch(struct sr_import_item *item, const char *p, const int64_t v[4])
{
	item->ev.u.sw.prev = (int32_t)v[0];
	item->ev.u.sw.prev_prio = (int16_t)v[1];
	item->ev.u.sw.next = (int32_t)v[2];
	item->ev.u.sw.next_prio = (int16_t)v[3];
	return !*blanks(p);
}

/* "prev_comm=A prev_pid=1 prev_prio=120 prev_state=S ==> next_comm=B next_pid=2 next_prio=120" */
static bool read_switch(const char *s, struct sr_import_item *item)
{
	static const char arrow[] = " ==> next_comm=";
	const char *at, *p, *next, *pid;
	int64_t v[4];
	size_t len;

	if (strncmp(s, "prev_comm=", 10))
		return false;
	for (at = strstr(s, " prev_pid="); at; at = strstr(at + 1, " prev_pid=")) {
		p = keyed(at, " prev_pid=", &v[0]);
		p = p ? keyed(p, " prev_prio=", &v[1]) : NULL;
		if (!p || strncmp(p, " prev_state=", 12))
			continue;
		p += 12;
		len = strcspn(p, " ");
		if (!strncmp(p + len, arrow, sizeof(arrow) - 1))
			break;
	}
	if (!at)
		return false;
	item->ev.u.sw.prev_state = (uint8_t)state_of(p, len);
	next = p + len + sizeof(arrow) - 1;
	pid = last_of(next, " next_pid=");
	p = pid ? keyed(pid, " next_pid=", &v[2]) : NULL;
	p = p ? keyed(p, " next_prio=", &v[3]) : NULL;
	if (!p)
		return false;
	comm(item, false, s + 10, at);
	comm(item, true, next, pid);
	return put_switch(item, p, v);
}

/* "COMM:PID [PRIO]" behind which `after` stands: trace-cmd's own form. Returns what is behind it. */
static const char *short_task(const char *s, const char *after, const char **comm_end, int64_t *pid, int64_t *prio)
{
	for (const char *colon = strchr(s, ':'); colon; colon = strchr(colon + 1, ':')) {
		const char *p = integer(colon + 1, pid);

		p = p ? keyed(p, " [", prio) : NULL;
		if (p && *p == ']' && !strncmp(p + 1, after, strlen(after))) {
			*comm_end = colon;
			return p + 1 + strlen(after);
		}
	}
	return NULL;
}

/* "A:1 [120] S ==> B:2 [120]" */
static bool read_short_switch(const char *s, struct sr_import_item *item)
{
	const char *end, *p;
	int64_t v[4];
	size_t len;

	p = short_task(s, " ", &end, &v[0], &v[1]);
	if (!p)
		return false;
	len = strcspn(p, " ");
	if (strncmp(p + len, " ==> ", 5))
		return false;
	item->ev.u.sw.prev_state = (uint8_t)state_of(p, len);
	comm(item, false, s, end);
	s = p + len + 5;
	p = short_task(s, "", &end, &v[2], &v[3]);
	if (!p)
		return false;
	comm(item, true, s, end);
	return put_switch(item, p, v);
}

/* "comm=A pid=1 prio=120 [success=1 ]target_cpu=001", or "A:1 [120]<any> CPU:001" */
static bool read_wake(const char *s, struct sr_import_item *item)
{
	const char *at = last_of(s, " pid="), *p, *end;
	int64_t pid, prio, cpu, success;
	uint64_t n;

	if (strncmp(s, "comm=", 5)) {
		p = short_task(s, " ", &end, &pid, &prio);
		at = p ? strstr(p, "CPU:") : NULL;
		if (!at || !number(at + 4, SR_MAX_CPUS - 1, &n))
			return false;
		comm(item, false, s, end);
		cpu = (int64_t)n;
	} else {
		p = at ? keyed(at, " pid=", &pid) : NULL;
		p = p ? keyed(p, " prio=", &prio) : NULL;
		if (p && !strncmp(p, " success=", 9))
			p = keyed(p, " success=", &success);
		p = p ? keyed(p, " target_cpu=", &cpu) : NULL;
		if (!p || cpu < 0 || cpu >= SR_MAX_CPUS)
			return false;
		comm(item, false, s + 5, at);
	}
	item->ev.u.wake.tid = (int32_t)pid;
	item->ev.u.wake.prio = (int16_t)prio;
	item->ev.u.wake.target_cpu = (uint16_t)cpu;
	return true;
}

static bool read_migrate(const char *s, struct sr_import_item *item)
{
	const char *at = last_of(s, " pid="), *p;
	int64_t pid, prio, from, to;

	p = at && !strncmp(s, "comm=", 5) ? keyed(at, " pid=", &pid) : NULL;
	p = p ? keyed(p, " prio=", &prio) : NULL;
	p = p ? keyed(p, " orig_cpu=", &from) : NULL;
	p = p ? keyed(p, " dest_cpu=", &to) : NULL;
	if (!p || from < 0 || to < 0 || from >= SR_MAX_CPUS || to >= SR_MAX_CPUS)
		return false;
	comm(item, false, s + 5, at);
	item->ev.u.migrate.tid = (int32_t)pid;
	item->ev.u.migrate.prio = (int16_t)prio;
	item->ev.u.migrate.from = (uint16_t)from;
	item->ev.u.migrate.to = (uint16_t)to;
	return true;
}

/* "comm=A pid=1 child_comm=B child_pid=2" */
static bool read_fork(const char *s, struct sr_import_item *item)
{
	const char *at, *child, *p = NULL;
	int64_t pid, child_pid;

	if (strncmp(s, "comm=", 5))
		return false;
	for (at = strstr(s, " pid="); at; at = strstr(at + 1, " pid=")) {
		p = keyed(at, " pid=", &pid);
		if (p && !strncmp(p, " child_comm=", 12))
			break;
	}
	if (!at)
		return false;
	p += 12;
	child = last_of(p, " child_pid=");
	if (!child || !keyed(child, " child_pid=", &child_pid))
		return false;
	comm(item, false, s + 5, at);
	comm(item, true, p, child);
	item->ev.u.fork.parent = (int32_t)pid;
	item->ev.u.fork.child = (int32_t)child_pid;
	return true;
}

static bool read_exec(struct sr_import *im, const char *s, struct sr_import_item *item, struct sr_error *err)
{
	const char *at = last_of(s, " pid="), *p;
	int64_t pid, old;

	p = at && !strncmp(s, "filename=", 9) ? keyed(at, " pid=", &pid) : NULL;
	if (!p || !keyed(p, " old_pid=", &old))
		return false;
	item->ev.u.exec.tid = (int32_t)pid;
	item->ev.u.exec.old_tid = (int32_t)old;
	item->ev.u.exec.name = sr_import_name(im, s + 9, (size_t)(at - s - 9), err);
	p = s + 9; /* the last component's beginning, should it stand for the comm */
	for (const char *c = p; c < at; c++)
		if (*c == '/')
			p = c + 1;
	sr_import_comm(item->b, p, (size_t)(at - p));
	return true;
}

static bool read_exit(const char *s, struct sr_import_item *item)
{
	const char *at = last_of(s, " pid="), *p;
	int64_t pid, prio;

	p = at && !strncmp(s, "comm=", 5) ? keyed(at, " pid=", &pid) : NULL;
	p = p ? keyed(p, " prio=", &prio) : NULL;
	if (!p)
		return false;
	comm(item, false, s + 5, at);
	item->ev.u.exit.tid = (int32_t)pid;
	item->ev.u.exit.prio = (int16_t)prio;
	item->ev.u.exit.group_dead = 2;
	if (!strncmp(p, " group_dead=", 12))
		item->ev.u.exit.group_dead = p[12] == 't' || p[12] == '1';
	return true;
}

/* "[pid=1 ]oldcomm=A newcomm=B oom_score_adj=0" */
static bool read_rename(struct sr_import *im, const char *s, struct sr_import_item *item, struct sr_error *err)
{
	const char *p = s, *at, *end;
	int64_t pid = item->ev.ctx;

	if (!strncmp(s, "pid=", 4)) {
		p = keyed(s, "pid=", &pid);
		p = p && *p == ' ' ? p + 1 : NULL;
	}
	if (!p || strncmp(p, "oldcomm=", 8))
		return false;
	p += 8;
	at = strstr(p, " newcomm=");
	end = last_of(p, " oom_score_adj=");
	if (!at || !end || end < at + 9)
		return false;
	comm(item, false, p, at);
	comm(item, true, at + 9, end);
	item->ev.u.rename.tid = (int32_t)pid;
	item->ev.u.rename.name = sr_import_name(im, item->b, SR_COMM_LEN, err);
	return true;
}

/* "pid=1 comm=A clone_flags=1200000 oom_score_adj=0" */
static bool read_newtask(const char *s, struct sr_import_item *item)
{
	const char *at = last_of(s, " clone_flags="), *p;
	int64_t pid;
	char *end;

	p = keyed(s, "pid=", &pid);
	if (!p || strncmp(p, " comm=", 6) || !at || at < p + 6)
		return false;
	item->ev.u.newtask.clone_flags = strtoull(at + 13, &end, 16);
	item->ev.u.newtask.tid = (int32_t)pid;
	comm(item, false, p + 6, at);
	return end != at + 13;
}

static bool read_power(const char *s, struct sr_import_item *item)
{
	const char *p = strncmp(s, "state=", 6) ? NULL : s + 6;
	uint64_t state;
	int64_t cpu;

	p = p ? number(p, UINT32_MAX, &state) : NULL;
	p = p ? keyed(p, " cpu_id=", &cpu) : NULL;
	if (!p || cpu < 0 || cpu >= SR_MAX_CPUS)
		return false;
	if (item->ev.kind == SR_EV_FREQUENCY) {
		item->ev.u.frequency.khz = (uint32_t)state;
		item->ev.u.frequency.target_cpu = (uint16_t)cpu;
	} else {
		item->ev.u.idle.state = (uint32_t)state;
		item->ev.u.idle.target_cpu = (uint16_t)cpu;
	}
	return true;
}

static bool read_fields(struct sr_import *im, const char *s, struct sr_import_item *item, struct sr_error *err)
{
	switch (item->ev.kind) {
	case SR_EV_SWITCH:
		return read_switch(s, item) || read_short_switch(s, item);
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		return read_wake(s, item);
	case SR_EV_MIGRATE:
		return read_migrate(s, item);
	case SR_EV_FORK:
		return read_fork(s, item);
	case SR_EV_EXEC:
		return read_exec(im, s, item, err);
	case SR_EV_EXIT:
		return read_exit(s, item);
	case SR_EV_RENAME:
		return read_rename(im, s, item, err);
	case SR_EV_NEWTASK:
		return read_newtask(s, item);
	default:
		return read_power(s, item);
	}
}

/* ---- lines ---- */

static unsigned kind_of(const struct line *l)
{
	for (unsigned kind = SR_EV_SWITCH; kind < SR_EV_KINDS; kind++) {
		const char *name = sr_event_kind_name(kind);

		if (kind != SR_EV_COMM && kind != SR_EV_LOST && kind != SR_EV_DECISION && kind != SR_EV_BIND &&
		    strlen(name) == l->event_len && !memcmp(name, l->event, l->event_len))
			return kind;
	}
	return 0;
}

/* "CPU:0 [LOST 123 EVENTS]", "CPU:0 [LOST EVENTS]"; of trace-cmd "CPU:1 [23 EVENTS DROPPED]", "CPU:1 [EVENTS DROPPED]" */
static bool lost_line(struct text *t, const char *s)
{
	uint64_t cpu, n = 0;
	const char *p;

	s = strstr(s, "CPU:");
	p = s ? number(s + 4, SR_MAX_CPUS - 1, &cpu) : NULL;
	if (!p || *(p = blanks(p)) != '[')
		return false;
	p++;
	if (!strncmp(p, "LOST ", 5))
		p += 5;
	else if (!strstr(p, "EVENTS DROPPED]"))
		return false;
	if (isdigit((unsigned char)*p)) {
		p = number(p, UINT64_MAX / 16, &n);
		if (!p || *p++ != ' ')
			return false;
	}
	if (strncmp(p, "EVENTS", 6))
		return false;
	t->lost[cpu] += t->lost[cpu] ? n : n + 1;
	t->lost_any = true;
	return true;
}

/* "schedrec decision tid=1 cause=wake from=-1 to=2 cost_ns=300": export's form of a policy's decision, and nothing else. */
static bool read_decision(const char *s, struct sr_event *ev)
{
	int64_t tid, from, to;
	uint64_t cost;
	size_t len;

	s = keyed(s, "schedrec decision tid=", &tid);
	if (!s || tid < 0 || strncmp(s, " cause=", 7))
		return false;
	s += 7;
	len = strcspn(s, " ");
	while (ev->u.decision.cause < SR_CAUSES && (strlen(sr_cause_name(ev->u.decision.cause)) != len ||
						    memcmp(sr_cause_name(ev->u.decision.cause), s, len)))
		ev->u.decision.cause++;
	s = keyed(s + len, " from=", &from);
	s = s ? keyed(s, " to=", &to) : NULL;
	s = s && !strncmp(s, " cost_ns=", 9) ? number(s + 9, UINT32_MAX, &cost) : NULL;
	if (!s || *s || ev->u.decision.cause == SR_CAUSES || from < -1 || from >= SR_MAX_CPUS || to < -1 ||
	    to >= SR_MAX_CPUS)
		return false;
	ev->u.decision.tid = (int32_t)tid;
	ev->u.decision.from = (int16_t)from;
	ev->u.decision.to = (int16_t)to;
	ev->u.decision.cost_ns = (uint32_t)cost;
	return true;
}

/* What export wrote in front: "# schedrec KEY VALUE". */
static int comment(struct text *t, const char *s, struct sr_error *err)
{
	static const char *const keys[] = { "clock",         "kernel.release",    "kernel.machine", "command",
					    "start.mono_ns", "start.realtime_ns", "host.cpu_model", "label" };
	const char *p;

	if (t->begun || strncmp(s, "# schedrec ", 11))
		return 0;
	s += 11;
	t->ours = true;
	if (!strncmp(s, "scope ", 6)) {
		sr_import_scope(t->im, s + 6, strlen(s + 6));
		return 0;
	}
	if (!strncmp(s, "root ", 5))
		return sr_import_root(t->im, s + 5, strlen(s + 5), err);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		size_t len = strlen(keys[i]);

		p = s + len;
		if (!strncmp(s, keys[i], len) && *p == ' ' && p[1])
			return sr_import_meta(t->im, keys[i], p + 1, err);
	}
	return 0;
}

static int take_event(struct text *t, const struct line *l, unsigned kind, struct sr_error *err)
{
	struct sr_import_item item = { .ev = { .time_ns = l->time_ns,
					       .ctx = l->pid,
					       .cpu = (uint16_t)l->cpu,
					       .kind = (uint8_t)kind,
					       .flags = l->flags } };

	err->status = SR_OK;
	if (!read_fields(t->im, l->fields, &item, err)) {
		sr_import_counted(t->im)->unreadable++;
		return 0;
	}
	if (err->status != SR_OK) /* a name */
		return -1;
	t->events++;
	t->without_flags += !l->has_flags;
	return sr_import_put(t->im, &item, err);
}

/* Of another kind than the kernel's scheduling events: the mark of a decision, or nothing. */
static int take_other(struct text *t, const struct line *l, struct sr_error *err)
{
	static const char mark[] = "tracing_mark_write";
	struct sr_event ev = {
		.time_ns = l->time_ns, .ctx = l->pid, .cpu = (uint16_t)l->cpu, .kind = SR_EV_DECISION, .flags = l->flags
	};

	if (t->ours && l->event_len == sizeof(mark) - 1 && !memcmp(l->event, mark, l->event_len) &&
	    read_decision(l->fields, &ev))
		return sr_import_decision(t->im, &ev, err);
	sr_import_counted(t->im)->other++;
	return 0;
}

static int take_line(struct text *t, const char *s, struct sr_error *err)
{
	struct line l;
	unsigned kind;
	uint64_t n;

	t->lines++;
	if (*s == '#')
		return comment(t, s, err);
	if (!head_of(s, &l, &t->relative)) {
		lost_line(t, s);
		return 0;
	}
	t->begun = true;
	if (t->lost_any && t->lost[l.cpu]) {
		n = t->lost[l.cpu] - 1;
		t->lost[l.cpu] = 0;
		if (sr_import_lost(t->im, l.cpu, l.time_ns, n, err))
			return -1;
	}
	kind = kind_of(&l);
	if (kind)
		return take_event(t, &l, kind, err);
	return take_other(t, &l, err);
}

/* Where a line number helps. */
static int fail_at(const struct text *t, struct sr_error *err)
{
	return err->status == SR_DAMAGED ? sr_fail_prefix(err, "line %llu", (unsigned long long)t->lines) : -1;
}

static ssize_t read_some(int fd, char *buf, size_t len)
{
	ssize_t n;

	do
		n = read(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Takes the whole lines in buf[0..n); what is left moves to its front. Returns its length, -1. */
static ssize_t take_lines(struct text *t, char *buf, size_t n, bool end, bool *skip, struct sr_error *err)
{
	char *s = buf, *stop = buf + n;

	while (s < stop) {
		char *nl = memchr(s, '\n', (size_t)(stop - s));
		size_t len;

		if (!nl && !end)
			break;
		if (!nl)
			nl = stop;
		len = (size_t)(nl - s);
		*nl = '\0';
		if (len && s[len - 1] == '\r')
			s[len - 1] = '\0';
		if (!*skip && len < LONGEST && take_line(t, s, err))
			return fail_at(t, err);
		*skip = false;
		s = nl + (nl < stop);
	}
	n = (size_t)(stop - s);
	memmove(buf, s, n);
	if (n > LONGEST) {
		*skip = true;
		n = 0;
	}
	return (ssize_t)n;
}

static int read_text(struct text *t, int fd, char *buf, uint64_t all, struct sr_error *err)
{
	uint64_t done = 0;
	bool skip = false;
	size_t kept = 0;
	ssize_t got;

	do {
		int stop = sr_import_step(t->im, done, all);
		ssize_t left;

		if (stop)
			return stop;
		got = read_some(fd, buf + kept, BUFFER - kept);
		if (got < 0)
			return sr_fail_errno(err, SR_ENVIRONMENT, "cannot read it");
		done += (uint64_t)got;
		left = take_lines(t, buf, kept + (size_t)got, !got, &skip, err);
		if (left < 0)
			return -1;
		kept = (size_t)left;
	} while (got);
	return 0;
}

int sr_import_text(struct sr_import *im, int fd, uint64_t all, struct sr_error *err)
{
	struct text *t = calloc(1, sizeof(*t));
	char *buf = malloc(BUFFER + 1);
	int ret = -1;

	if (!t || !buf) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		goto out;
	}
	t->im = im;
	ret = read_text(t, fd, buf, all, err);
	if (ret)
		goto out;
	/* A loss behind the last event of its cpu has the time of that one, or of the last of all. */
	for (unsigned cpu = 0; cpu < SR_MAX_CPUS; cpu++)
		if (t->lost[cpu] && sr_import_lost(im, cpu, sr_import_counted(im)->last_ns, t->lost[cpu] - 1, err)) {
			ret = -1;
			goto out;
		}
	if (t->without_flags && t->without_flags * 2 > t->events)
		ret = sr_import_meta(im, "import.context", "unknown", err);
	if (!ret && t->relative)
		ret = sr_import_meta(im, "import.clock", "relative", err);
out:
	free(buf);
	free(t);
	return ret;
}
