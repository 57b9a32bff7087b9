/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "corpus/scrub.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus/scrub_internal.h"
#include "formats/attr.h"
#include "formats/copy.h"
#include "formats/digest.h"
#include "formats/machine.h"
#include "formats/srz.h"

#define SECOND 1000000000u
#define SCRUB_VERSION "1"

/* Numbers that are given anew, in ascending order of the old ones. */
struct numbers {
	int64_t *v;
	size_t n, cap;
};

struct scrub {
	const unsigned char *salt;
	const struct crp_scrub_watch *watch;
	struct crp_scrubbed *report;
	struct srz_reader *r;
	struct srz_writer *w;
	struct sr_attrs attrs;
	struct numbers tids, sessions;
	struct sr_tidmap seen, to; /* tids in tids; their new numbers */
	uint64_t shift_ns;
	uint32_t *name[2]; /* of the reader: its index in the writer + 1; [1] of executed files */
	size_t names[2];
	struct sr_event batch[SR_COPY_BATCH];
	size_t nbatch;
	enum srz_stream stream;
};

static int no_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

/* Pseudonyms */

static void key_of(const unsigned char *salt, const char *kind, unsigned char key[SR_HMAC_BYTES])
{
	sr_hmac_sha256(salt, CRP_SALT, kind, strlen(kind), key);
}

void crp_pseudonym(const unsigned char salt[CRP_SALT], enum crp_name_kind kind, const char *name, char out[16],
		   bool *kept)
{
	unsigned char key[SR_HMAC_BYTES], mac[SR_HMAC_BYTES];
	bool keep = kind == CRP_NAME_TASK && (!*name || crp_kernel_name(name, out));

	if (kept)
		*kept = keep;
	if (!*name)
		*out = '\0';
	if (keep)
		return;
	key_of(salt, kind == CRP_NAME_TASK ? "schedrec task name" : "schedrec control group", key);
	sr_hmac_sha256(key, sizeof(key), name, strlen(name), mac);
	snprintf(out, 16, "%c%02x%02x%02x%02x%02x%02x", kind == CRP_NAME_TASK ? 't' : 'g', mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
}

void crp_contributor(const unsigned char salt[CRP_SALT], char out[33])
{
	unsigned char key[SR_HMAC_BYTES];

	key_of(salt, "schedrec contributor", key);
	for (int i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", key[i]);
}

/* The report */

void crp_scrubbed_release(struct crp_scrubbed *report)
{
	for (size_t i = 0; i < report->nnames; i++) {
		free(report->names[i].before);
		free(report->names[i].after);
	}
	for (size_t i = 0; i < report->nmeta; i++) {
		free(report->meta[i].before);
		free(report->meta[i].after);
	}
	free(report->names);
	free(report->meta);
	memset(report, 0, sizeof(*report));
}

static int note(struct crp_change **v, size_t *n, size_t *cap, const char *before, const char *after,
		struct sr_error *err)
{
	struct crp_change *c;

	if (*n == *cap) {
		size_t more = *cap ? 2 * *cap : 64;

		c = realloc(*v, more * sizeof(*c));
		if (!c)
			return no_memory(err);
		*v = c;
		*cap = more;
	}
	c = &(*v)[*n];
	*c = (struct crp_change){ .before = strdup(before), .after = after ? strdup(after) : NULL };
	++*n;
	return !c->before || (after && !c->after) ? no_memory(err) : 0;
}

static int note_name(struct scrub *s, const char *before, const char *after, bool kept, struct sr_error *err)
{
	s->report->kept_names += kept;
	return note(&s->report->names, &s->report->nnames, &s->report->names_cap, before, after, err);
}

static int note_meta(struct scrub *s, const char *key, const char *value, const char *after, struct sr_error *err)
{
	char *before = NULL, *kept = NULL;
	int ret = -1;

	if (asprintf(&before, "%s %s", key, value) < 0)
		before = NULL;
	if (after && asprintf(&kept, "%s %s", key, after) < 0)
		kept = NULL;
	if (!before || (after && !kept))
		no_memory(err);
	else
		ret = note(&s->report->meta, &s->report->nmeta, &s->report->meta_cap, before, kept, err);
	free(before);
	free(kept);
	return ret;
}

/* Numbers */

static int number_add(struct numbers *t, int64_t v, struct sr_error *err)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 256;
		int64_t *p = realloc(t->v, cap * sizeof(*p));

		if (!p)
			return no_memory(err);
		t->v = p;
		t->cap = cap;
	}
	t->v[t->n++] = v;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void number_sort(struct numbers *t)
{
	size_t n = 0;

	if (t->n)
		qsort(t->v, t->n, sizeof(*t->v), by_number);
	for (size_t i = 0; i < t->n; i++)
		if (!n || t->v[n - 1] != t->v[i])
			t->v[n++] = t->v[i];
	t->n = n;
}

static int see_tid(struct scrub *s, int32_t tid, struct sr_error *err)
{
	if (tid <= 0 || sr_tidmap_get(&s->seen, tid))
		return 0;
	return sr_tidmap_put(&s->seen, tid, 1) ? no_memory(err) : number_add(&s->tids, tid, err);
}

/* The tids that an event names: pointers into it. */
static unsigned tids_of(struct sr_event *ev, int32_t *tid[3])
{
	unsigned n = 0;

	tid[n++] = &ev->ctx;
	switch (ev->kind) {
	case SR_EV_SWITCH:
		tid[n++] = &ev->u.sw.prev;
		tid[n++] = &ev->u.sw.next;
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		tid[n++] = &ev->u.wake.tid;
		break;
	case SR_EV_MIGRATE:
		tid[n++] = &ev->u.migrate.tid;
		break;
	case SR_EV_FORK:
		tid[n++] = &ev->u.fork.parent;
		tid[n++] = &ev->u.fork.child;
		break;
	case SR_EV_EXEC:
		tid[n++] = &ev->u.exec.tid;
		tid[n++] = &ev->u.exec.old_tid;
		break;
	case SR_EV_EXIT:
		tid[n++] = &ev->u.exit.tid;
		break;
	case SR_EV_RENAME:
	case SR_EV_COMM:
		tid[n++] = &ev->u.rename.tid;
		break;
	case SR_EV_NEWTASK:
		tid[n++] = &ev->u.newtask.tid;
		break;
	case SR_EV_DECISION:
		tid[n++] = &ev->u.decision.tid;
		break;
	case SR_EV_BIND:
		tid[n++] = &ev->u.bind.tid;
		break;
	default:
		break;
	}
	return n;
}

static int step(struct scrub *s, double part, struct sr_error *err)
{
	if (s->watch && s->watch->step && s->watch->step(s->watch->arg, part))
		return sr_fail(err, SR_INTERRUPTED, "interrupted");
	return 0;
}

/* All numbers there are, so that they can be given anew in their order. */
static int collect(struct scrub *s, struct sr_error *err)
{
	const struct sr_task_starts *starts = srz_get_tasks(s->r);
	uint64_t events = srz_get_info(s->r)->events, n = 0;
	struct sr_event ev;
	int32_t *tid[3], next = 3;
	int ret;

	for (size_t i = 0; i < starts->n; i++)
		if (see_tid(s, starts->v[i].tid, err) || see_tid(s, starts->v[i].tgid, err) ||
		    see_tid(s, starts->v[i].ppid, err))
			return -1;
	for (size_t i = 0; i < s->attrs.nentries; i++)
		if (see_tid(s, s->attrs.entries[i].tid, err))
			return -1;
	while ((ret = srz_next(s->r, &ev, err)) == 1) {
		for (unsigned i = 0, k = tids_of(&ev, tid); i < k; i++)
			if (see_tid(s, *tid[i], err))
				return -1;
		if (!(++n & 0xfffff) && step(s, 0.4 * (double)n / (double)events, err))
			return -1;
	}
	if (ret < 0)
		return -1;
	for (size_t i = 0; i < s->attrs.n; i++)
		if (s->attrs.v[i].session && number_add(&s->sessions, s->attrs.v[i].session, err))
			return -1;
	number_sort(&s->tids);
	number_sort(&s->sessions);
	/* 1 and 2 are init and kthreadd on every machine. */
	for (size_t i = 0; i < s->tids.n; i++)
		if (sr_tidmap_put(&s->to, (int32_t)s->tids.v[i],
				  s->tids.v[i] <= 2 ? (uint32_t)s->tids.v[i] : (uint32_t)next++))
			return no_memory(err);
	s->report->tids = s->tids.n;
	return srz_rewind(s->r, err);
}

static int32_t new_tid(const struct scrub *s, int32_t tid)
{
	return tid <= 0 ? tid : (int32_t)sr_tidmap_get(&s->to, tid);
}

/* Times */

static int find_shift(struct scrub *s, struct sr_error *err)
{
	uint32_t unit = sr_copy_unit(s->r);
	struct sr_span span;
	uint64_t begin;

	if (sr_span_of(s->r, &span, err))
		return -1;
	begin = span.start_ns < span.first_ns ? span.start_ns : span.first_ns;
	s->shift_ns = begin >= 2ull * SECOND ? (begin / SECOND - 1) * SECOND : 0;
	s->shift_ns -= s->shift_ns % unit;
	s->report->shift_ns = s->shift_ns;
	return 0;
}

static uint64_t new_time(const struct scrub *s, uint64_t ns)
{
	return ns > s->shift_ns ? ns - s->shift_ns : 0;
}

/* Names */

/* The pseudonym of a name of the reader, as an index of the writer. Of an executed file it is its last part's, cut as the
 * kernel cuts a task's name. */
static int put_name(struct scrub *s, bool file, uint32_t *index, struct sr_error *err)
{
	const char *text = srz_name_at(s->r, *index), *slash;
	char name[SR_COMM_LEN], after[16];
	uint32_t to;
	bool kept;

	if (*index < s->names[file] && s->name[file][*index]) {
		*index = s->name[file][*index] - 1;
		return 0;
	}
	if (!strcmp(text, "?")) {
		*index = UINT32_MAX;
		return 0;
	}
	if (*index >= s->names[file]) {
		size_t cap = s->names[file] ? s->names[file] : 1024;
		uint32_t *v;

		while (cap <= *index)
			cap *= 2;
		v = realloc(s->name[file], cap * sizeof(*v));
		if (!v)
			return no_memory(err);
		memset(v + s->names[file], 0, (cap - s->names[file]) * sizeof(*v));
		s->name[file] = v;
		s->names[file] = cap;
	}
	slash = file ? strrchr(text, '/') : NULL;
	snprintf(name, sizeof(name), "%s", slash ? slash + 1 : text);
	crp_pseudonym(s->salt, CRP_NAME_TASK, name, after, &kept);
	to = srz_put_name(s->w, after, err);
	if (to == UINT32_MAX || note_name(s, text, after, kept, err))
		return -1;
	s->name[file][*index] = to + 1;
	*index = to;
	return 0;
}

static int put_tasks(struct scrub *s, struct sr_error *err)
{
	const struct sr_task_starts *from = srz_get_tasks(s->r);
	struct sr_task_starts to = { 0 };
	int ret = 0;

	for (size_t i = 0; i < from->n && !ret; i++) {
		struct sr_task_start t = from->v[i];
		const struct sr_cpumask *mask = t.allowed < from->nmasks ? &from->masks[t.allowed] : NULL;
		char after[16];
		bool kept;

		crp_pseudonym(s->salt, CRP_NAME_TASK, t.comm, after, &kept);
		ret = note_name(s, t.comm, after, kept, err);
		memset(t.comm, 0, sizeof(t.comm));
		memcpy(t.comm, after, strlen(after));
		t.tid = new_tid(s, t.tid);
		t.tgid = new_tid(s, t.tgid);
		t.ppid = new_tid(s, t.ppid);
		if (!ret)
			ret = sr_task_starts_add(&to, &t, mask, err);
	}
	if (!ret)
		ret = srz_put_tasks(s->w, &to, err);
	sr_task_starts_release(&to);
	return ret;
}

/* Attributes */

static int put_group(struct scrub *s, const struct sr_group *g, struct sr_attrs *to, uint32_t *index,
		     struct sr_error *err)
{
	struct sr_group new = *g;
	size_t len = strlen(g->path), n = 0;
	char *copy = strdup(g->path), *save = NULL, part[16];
	int ret = -1;

	new.path = malloc(15 * len + 2);
	if (!copy || !new.path) {
		no_memory(err);
		goto out;
	}
	for (char *p = strtok_r(copy, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
		crp_pseudonym(s->salt, CRP_NAME_GROUP, p, part, NULL);
		n += (size_t)sprintf(new.path + n, "/%s", part);
	}
	if (!n)
		memcpy(new.path, "/", 2);
	ret = note_name(s, g->path, new.path, false, err);
	if (!ret) {
		*index = sr_attrs_group(to, &new);
		ret = *index == SR_ATTR_NONE ? no_memory(err) : 0;
	}
out:
	free(copy);
	free(new.path);
	return ret;
}

static uint32_t new_session(const struct scrub *s, uint32_t session)
{
	int64_t key = session;
	const int64_t *at = NULL;

	/* A kernel without autogroups has no sessions. */
	if (s->sessions.n)
		at = bsearch(&key, s->sessions.v, s->sessions.n, sizeof(*s->sessions.v), by_number);
	return at ? (uint32_t)(at - s->sessions.v) + 1 : 0;
}

/* Indices stay: masks, groups and sets are put in the order they have. */
static int put_attrs(struct scrub *s, struct sr_error *err)
{
	struct sr_attrs to = { 0 };
	uint32_t *set = calloc(s->attrs.n + 1, sizeof(*set)), *group = calloc(s->attrs.ngroups + 1, sizeof(*group));
	int ret = set && group ? 0 : no_memory(err);

	for (size_t i = 0; i < s->attrs.nmasks && !ret; i++)
		if (sr_attrs_mask(&to, &s->attrs.masks[i]) != i)
			ret = sr_fail(err, SR_DAMAGED, "the attributes have an affinity mask twice");
	for (size_t i = 0; i < s->attrs.ngroups && !ret; i++)
		ret = put_group(s, &s->attrs.groups[i], &to, &group[i], err);
	for (size_t i = 0; i < s->attrs.n && !ret; i++) {
		struct sr_attr a = s->attrs.v[i];

		a.session = new_session(s, a.session);
		if (a.group != SR_ATTR_NONE)
			a.group = group[a.group];
		set[i] = sr_attrs_set(&to, &a);
		if (set[i] == SR_ATTR_NONE)
			ret = no_memory(err);
	}
	for (size_t i = 0; i < s->attrs.nentries && !ret; i++) {
		const struct sr_attr_entry *e = &s->attrs.entries[i];

		if (sr_attrs_add(&to, new_time(s, e->time_ns), new_tid(s, e->tid), set[e->attr]))
			ret = no_memory(err);
	}
	if (!ret)
		ret = sr_attrs_put(s->w, &to, err);
	free(set);
	free(group);
	sr_attrs_release(&to);
	return ret;
}

/* Machine and meta */

static int put_machine(struct scrub *s, struct sr_error *err)
{
	static const uint32_t ids[] = { SRZ_SEC_WORK };
	struct sr_machine *m;
	size_t len;
	const char *xml = srz_get_section(s->r, SRZ_SEC_MACHINE, &len);
	int ret;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		size_t dropped;

		if (srz_get_section(s->r, ids[i], &dropped))
			s->report->dropped_bytes += dropped;
	}
	if (!xml)
		return 0;
	srz_get_section(s->r, SRZ_SEC_MACHINE, &len);
	m = sr_machine_from_xml(xml, len, err);
	if (!m)
		return -1;
	s->report->dropped_bytes += len > strlen(m->xml) ? len - strlen(m->xml) : 0;
	ret = srz_put_section(s->w, SRZ_SEC_MACHINE, m->xml, strlen(m->xml), err);
	sr_machine_free(m);
	return ret;
}

/* "-1@T,+1@T" with the times shifted; false: it is not of that form. */
static bool shift_changes(const struct scrub *s, const char *value, char *out, size_t size)
{
	size_t n = 0;

	*out = '\0';
	while (*value) {
		unsigned cpu;
		uint64_t t;
		char sign;
		int used;

		if (sscanf(value, "%c%4u@%20" SCNu64 "%n", &sign, &cpu, &t, &used) != 3 || (sign != '-' && sign != '+'))
			return false;
		n += (size_t)snprintf(out + n, size - n, "%s%c%u@%" PRIu64, n ? "," : "", sign, cpu, new_time(s, t));
		value += used;
		if (n >= size || (*value && *value++ != ','))
			return false;
	}
	return n > 0;
}

static int put_meta(struct scrub *s, struct sr_error *err)
{
	static const char counted[] = "replay.policy.";
	const char *policy = srz_get_meta(s->r, "replay.policy");
	char after[4096];
	uint64_t start;
	/* What a user's own policy counts has names that its author gave. */
	bool own = policy && !crp_scrub_meta("replay.policy", policy, after, sizeof(after));

	for (size_t i = 0; i < srz_meta_count(s->r); i++) {
		const char *key, *value;
		bool keep;

		srz_meta_at(s->r, i, &key, &value);
		keep = crp_scrub_meta(key, value, after, sizeof(after));
		if (own && !strncmp(key, counted, strlen(counted)))
			keep = false;
		if (!strcmp(key, "cpus.changes"))
			keep = shift_changes(s, value, after, sizeof(after));
		if (!strcmp(key, "start.mono_ns") && keep) {
			keep = sr_meta_u64(s->r, key, &start);
			snprintf(after, sizeof(after), "%" PRIu64, new_time(s, start));
		}
		if (note_meta(s, key, value, keep ? after : NULL, err) || (keep && srz_put_meta(s->w, key, after, err)))
			return -1;
	}
	return srz_put_meta(s->w, "scrub.version", SCRUB_VERSION, err);
}

/* Events */

static int flush(struct scrub *s, struct sr_error *err)
{
	size_t n = s->nbatch;

	s->nbatch = 0;
	return n ? srz_put_events(s->w, s->stream, s->batch, n, err) : 0;
}

static int put_event(struct scrub *s, struct sr_event *ev, struct sr_error *err)
{
	enum srz_stream stream = srz_stream_of_last(s->r);
	int32_t *tid[3];

	if ((s->nbatch == SR_COPY_BATCH || (s->nbatch && s->stream != stream)) && flush(s, err))
		return -1;
	s->stream = stream;
	ev->time_ns -= s->shift_ns;
	for (unsigned i = 0, k = tids_of(ev, tid); i < k; i++)
		*tid[i] = new_tid(s, *tid[i]);
	if (ev->kind == SR_EV_EXEC && put_name(s, true, &ev->u.exec.name, err))
		return -1;
	if ((ev->kind == SR_EV_COMM || ev->kind == SR_EV_RENAME) && put_name(s, false, &ev->u.rename.name, err))
		return -1;
	s->batch[s->nbatch++] = *ev;
	return 0;
}

static int put_events(struct scrub *s, struct sr_error *err)
{
	uint64_t events = srz_get_info(s->r)->events, n = 0;
	struct sr_event ev;
	int ret;

	while ((ret = srz_next(s->r, &ev, err)) == 1) {
		if (put_event(s, &ev, err))
			return -1;
		if (!(++n & 0xfffff) && step(s, 0.4 + 0.6 * (double)n / (double)events, err))
			return -1;
	}
	return ret < 0 ? -1 : flush(s, err);
}

static int by_before(const void *a, const void *b)
{
	const struct crp_change *x = a, *y = b;
	int c = strcmp(x->before, y->before);

	/* Of names noted twice the same one stays first. */
	return c ? c : (x > y) - (x < y);
}

/* Each name once. */
static void tidy_names(struct crp_scrubbed *report)
{
	size_t n = 0;

	if (report->nnames)
		qsort(report->names, report->nnames, sizeof(*report->names), by_before);
	report->kept_names = 0;
	for (size_t i = 0; i < report->nnames; i++) {
		struct crp_change *c = &report->names[i];

		if (n && !strcmp(report->names[n - 1].before, c->before)) {
			free(c->before);
			free(c->after);
			continue;
		}
		/* What stays or is only cut begins as it did. */
		report->kept_names += !strncmp(c->before, c->after, strlen(c->after));
		report->names[n++] = *c;
	}
	report->nnames = n;
}

static int scrub(struct scrub *s, const char *in, const char *out, struct sr_error *err)
{
	int ret;

	s->r = srz_open(in, err);
	if (!s->r)
		return -1;
	if (!srz_get_info(s->r)->complete)
		return sr_fail(err, SR_DAMAGED,
			       "%s: incomplete: its recorder was killed, or it is a cut copy; what it has "
			       "can be taken with schedrec cut",
			       in);
	if (sr_attrs_get(s->r, &s->attrs, err) || find_shift(s, err) || collect(s, err))
		return -1;
	s->w = srz_create(out, 0, err);
	if (!s->w || srz_set_time_unit(s->w, sr_copy_unit(s->r), err) || put_tasks(s, err) || put_attrs(s, err) ||
	    put_machine(s, err) || put_meta(s, err) || put_events(s, err))
		return -1;
	ret = srz_close(s->w, err);
	s->w = NULL;
	tidy_names(s->report);
	return ret;
}

int crp_scrub(const char *in, const char *out, const unsigned char salt[CRP_SALT], const struct crp_scrub_watch *watch,
	      struct crp_scrubbed *report, struct sr_error *err)
{
	struct scrub *s = calloc(1, sizeof(*s));
	int ret;

	memset(report, 0, sizeof(*report));
	if (!s)
		return no_memory(err);
	s->salt = salt;
	s->watch = watch;
	s->report = report;
	ret = scrub(s, in, out, err);
	srz_abort(s->w);
	srz_reader_free(s->r);
	sr_attrs_release(&s->attrs);
	sr_tidmap_release(&s->seen);
	sr_tidmap_release(&s->to);
	free(s->tids.v);
	free(s->sessions.v);
	free(s->name[0]);
	free(s->name[1]);
	free(s);
	return ret;
}
