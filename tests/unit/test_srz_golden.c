/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of tests/golden: each corner of the format, and each rule of FORMAT.md's must-reject list. They are read
 * as they were committed, so that every later version proves that it still reads (or refuses) them.
 *
 *   test_srz_golden --update     writes those that are missing (remove one to make it anew)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "formats/attr.h"
#include "formats/srz.h"
#include "tests/golden/reject.h"
#include "tests/unit/srz_events.h"

#define DIR "tests/golden/"

static struct sr_error err;

static void golden_path(char *path, size_t len, const char *prefix, const char *name)
{
	char *p;

	snprintf(path, len, DIR "%s%s.srz", prefix, name);
	for (p = path + strlen(DIR); *p; p++)
		if (*p == '_')
			*p = '-';
}

static struct srz_buf read_all(const char *path)
{
	struct srz_buf b = { 0 };
	FILE *f = fopen(path, "r");
	uint8_t buf[4096];
	size_t n;

	if (!f)
		fail_msg("%s is missing: run test_srz_golden --update", path);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		srz_put_bytes(&b, buf, n);
	fclose(f);
	return b;
}

/* A path to these bytes, good until the next call. */
static const char *in_memory(const void *p, size_t n)
{
	static char path[64];
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("srz", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, p, n, 0), n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static void forged_free(struct forged_file *f)
{
	srz_buf_release(&f->b);
	srz_buf_release(&f->entries);
}

/* ---- must be rejected ---- */

/* 0 the file reads well; -1 with err. */
static int read_file(const char *path)
{
	struct srz_reader *r = srz_open(path, &err);
	struct sr_attrs attrs;
	struct sr_event ev;
	int ret = -1;

	if (!r)
		return -1;
	while ((ret = srz_next(r, &ev, &err)) == 1)
		;
	if (!ret) {
		ret = sr_attrs_get(r, &attrs, &err);
		sr_attrs_release(&attrs);
	}
	srz_reader_free(r);
	return ret;
}

static void every_rule_of_the_must_reject_list_is_kept(void **state)
{
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(rejects) / sizeof(*rejects); i++) {
		golden_path(path, sizeof(path), "reject-", rejects[i].name);
		if (access(path, R_OK))
			fail_msg("%s is missing: run test_srz_golden --update", path);
		if (!read_file(path))
			fail_msg("%s is read as if it were right", path);
		if (err.status != SR_DAMAGED || !strstr(err.text, rejects[i].text))
			fail_msg("%s: '%s', not '%s'", path, err.text, rejects[i].text);
	}
}

/* Otherwise a file could be refused for another reason than the one it is there for. */
static void the_forged_files_are_right_but_for_one_thing(void **state)
{
	struct forged_file f = { .b = { 0 } };
	struct forged_chunk c = forge_chunk(3);
	forge_header(&f, 1, 0xffff); /* the lower flags may be ignored */
	forge_text_section(&f, SRZ_SEC_META | SRZ_MUST, "\1k\1v", 4);
	forge_text_section(&f, SRZ_SEC_NAMES | SRZ_MUST, "\0\1\1a", 4);
	forge_text_section(&f, SRZ_SEC_TASKS | SRZ_MUST, "\1\0\1\2\0\0\1a\0\0\0\0R\0\0", 15);
	forge_events(&f, &c);
	forge_coded(&c);
	forge_sparse(&c, "\0\0", 2);
	c.first_ns = 900; /* before the first chunk, which is its direct predecessor */
	forge_events(&f, &c);
	forge_finish(&f);
	if (read_file(in_memory(f.b.p, f.b.n)))
		fail_msg("%s", err.text);
	forged_free(&f);
}

static void the_committed_files_are_what_is_forged(void **state)
{
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(rejects) / sizeof(*rejects); i++) {
		struct forged_file f = { .b = { 0 } };
		struct srz_buf b;

		/* its bytes depend on zlib's version */
		if (!strcmp(rejects[i].name, "bomb"))
			continue;
		golden_path(path, sizeof(path), "reject-", rejects[i].name);
		b = read_all(path);
		rejects[i].make(&f);
		if (f.b.n != b.n || memcmp(f.b.p, b.p, b.n) != 0)
			fail_msg("%s is not what is forged now: remove it and run test_srz_golden --update", path);
		srz_buf_release(&b);
		forged_free(&f);
	}
}

/* A part file has no index to be checked against; what is wrong in a chunk is found all the same. */
static void a_wrong_chunk_is_refused_without_an_index_too(void **state)
{
	size_t i, chunks = 0;

	for (i = 0; i < sizeof(rejects) / sizeof(*rejects); i++) {
		struct forged_file f = { .b = { 0 } };

		rejects[i].make(&f);
		/* not the sum: it makes the chunk a torn one, behind which a part file ends */
		if (strcmp(rejects[i].name, "chunk_sum") && f.b.n > 32 &&
		    srz_get32(f.b.p + SRZ_HEADER_SIZE) == (SRZ_SEC_EVENTS | SRZ_MUST) &&
		    strncmp(rejects[i].name, "index", 5) && strcmp(rejects[i].name, "trailing_garbage")) {
			size_t index = srz_get64(f.b.p + f.b.n - SRZ_END_PAYLOAD);

			chunks++;
			if (!read_file(in_memory(f.b.p, index)))
				fail_msg("%s without its index is read as if it were right", rejects[i].name);
			assert_int_equal(err.status, SR_DAMAGED);
		}
		forged_free(&f);
	}
	assert_true(chunks > 40);
}

/* ---- must be read ---- */

static const struct corner {
	const char *name;
	uint64_t seed;
	struct shape shape;
	unsigned chunk_events;
	int level;
	uint32_t unit;
} corners[] = {
	{ "one-event", 1, { .events = 1, .cpus = 1, .tasks = 10 }, 0, 0, 1 },
	{ "all-kinds", 2, { .events = 400, .cpus = 4, .tasks = 20, .stay = 20, .strange = 3 }, 0, 0, 1 },
	{ "coded", 3, { .events = 6000, .cpus = 4, .tasks = 20 }, 0, 6, 1 },
	{ "ties", 4, { .events = 300, .cpus = 20, .tasks = 20, .stay = 100 }, 32, 0, 1 },
	{ "many-tasks", 5, { .events = 2000, .cpus = 2, .tasks = 700 }, 0, 6, 1 },
	{ "late-events", 6, { .events = 600, .cpus = 5, .tasks = 20, .late = 12 }, 40, 6, 1 },
	{ "many-cpus", 7, { .events = 500, .cpus = SR_MAX_CPUS, .tasks = 20 }, 0, 6, 1 },
	{ "time-unit", 9, { .events = 300, .cpus = 4, .tasks = 20, .stay = 20 }, 100, 6, 1000 },
	{ "attributes", 10, { .events = 20, .cpus = 4, .tasks = 10 }, 0, 0, 1 },
	{ "two-streams", 8, { .events = 200, .cpus = 3, .tasks = 20, .stay = 50 }, 50, 0, 1 },
};

static struct sr_event *corner_events(const struct corner *c)
{
	struct sr_event *ev;
	size_t i;

	rnd_state = c->seed;
	ev = rnd_stream(&c->shape);
	rnd_delay(&c->shape, ev);
	for (i = 0; i < c->shape.events; i++)
		ev[i].time_ns -= ev[i].time_ns % c->unit;
	return ev;
}

static int compare(const void *a, const void *b)
{
	const struct sr_event *x = *(const struct sr_event *const *)a, *y = *(const struct sr_event *const *)b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->cpu != y->cpu ? (int)x->cpu - (int)y->cpu : x < y ? -1 : 1;
}

/* Of everything that the section has, also what is not known. */
static void corner_attrs(struct sr_attrs *a)
{
	struct sr_group group = { .path = "/a b", .version = 2, .weight = 300, .quota_us = 50000, .period_us = 100000 };
	struct sr_cpumask mask = { { 6 } };
	struct sr_attr normal = {
		.nice = -20, .session = 7, .session_nice = 19, .mask = SR_ATTR_NONE, .group = SR_ATTR_NONE
	};
	struct sr_attr deadline = { .policy = SR_SCHED_DEADLINE,
				    .runtime_ns = 1000000,
				    .deadline_ns = 5000000,
				    .period_ns = 1ull << 40,
				    .util_min = 128,
				    .util_max = 1024 };
	struct sr_attr rt = { .policy = SR_SCHED_RR, .rt_prio = 99, .mask = SR_ATTR_NONE };

	deadline.mask = sr_attrs_mask(a, &mask);
	deadline.group = sr_attrs_group(a, &group);
	group = (struct sr_group){ .path = "/", .version = 1, .idle = 1 };
	rt.group = sr_attrs_group(a, &group);
	if (sr_attrs_add(a, 0, 3, sr_attrs_set(a, &normal)) || sr_attrs_add(a, 1000, 4, sr_attrs_set(a, &deadline)) ||
	    sr_attrs_add(a, 1000, 3, sr_attrs_set(a, &rt)) || sr_attrs_add(a, 1ull << 50, 4, sr_attrs_set(a, &normal)))
		fail_msg("out of memory");
}

static void write_corner(const struct corner *c, const char *path)
{
	struct srz_writer *w = srz_create(path, c->chunk_events, &err);
	struct sr_task_start task = {
		.tid = 3, .tgid = 3, .ppid = 1, .comm = "sh \\ \n", .state = 'S', .flags = SR_TASK_ROOT
	};
	struct sr_task_starts starts = { 0 };
	struct sr_event *ev = corner_events(c);
	struct sr_cpumask mask = { { 5 } };

	if (!w || sr_task_starts_add(&starts, &task, &mask, &err))
		fail_msg("%s", err.text);
	srz_writer_set_level(w, c->level);
	if (c->unit > 1 && srz_set_time_unit(w, c->unit, &err))
		fail_msg("%s", err.text);
	srz_put_meta(w, "label", c->name, &err);
	srz_put_meta(w, "scope", "tree", &err);
	srz_put_name(w, "zero", &err);
	srz_put_name(w, "/bin/a \x1b[1m name", &err);
	if (!strcmp(c->name, "attributes")) {
		struct sr_attrs attrs = { 0 };

		corner_attrs(&attrs);
		if (sr_attrs_put(w, &attrs, &err))
			fail_msg("%s", err.text);
		sr_attrs_release(&attrs);
	}
	if (srz_put_tasks(w, &starts, &err) || srz_put_section(w, 5000, "for a later version", 19, &err) ||
	    srz_put_events(w, SRZ_STREAM_KERNEL, ev, c->shape.events, &err) ||
	    (!strcmp(c->name, "two-streams") && srz_put_events(w, SRZ_STREAM_ENGINE, ev, c->shape.events, &err)) ||
	    srz_close(w, &err))
		fail_msg("%s", err.text);
	sr_task_starts_release(&starts);
	free(ev);
}

static void read_corner(const struct corner *c, const char *path)
{
	unsigned times = strcmp(c->name, "two-streams") ? 1 : 2;
	struct sr_event *ev = corner_events(c), got;
	const struct sr_event **order = malloc(c->shape.events * sizeof(*order));
	struct srz_reader *r = srz_open(path, &err);
	uint64_t time_ns;
	size_t i, j, k;
	unsigned t;

	if (!r)
		fail_msg("%s", err.text);
	assert_string_equal(srz_get_meta(r, "label"), c->name);
	assert_string_equal(srz_name_at(r, 0), "zero");
	assert_string_equal(srz_get_tasks(r)->v[0].comm, "sh \\ \n");
	assert_int_equal(srz_get_tasks(r)->masks[0].w[0], 5);
	for (i = 0; i < c->shape.events; i++)
		order[i] = &ev[i];
	qsort(order, c->shape.events, sizeof(*order), compare);
	/* at one time all of stream 0 comes before all of stream 1 */
	for (i = 0; i < c->shape.events; i = j) {
		time_ns = order[i]->time_ns;
		for (j = i; j < c->shape.events && order[j]->time_ns == time_ns; j++)
			;
		for (t = 0; t < times; t++) {
			for (k = i; k < j; k++) {
				if (srz_next(r, &got, &err) != 1)
					fail_msg("%s: event %zu: %s", path, k, err.text);
				if (memcmp(&got, order[k], sizeof(got)) != 0)
					fail_msg("%s: event %zu differs", path, k);
			}
		}
	}
	assert_int_equal(srz_next(r, &got, &err), 0);
	srz_reader_free(r);
	free(order);
	free(ev);
}

static void every_corner_is_read_as_it_was_written(void **state)
{
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(corners) / sizeof(*corners); i++) {
		golden_path(path, sizeof(path), "", corners[i].name);
		read_corner(&corners[i], path);
	}
}

static void attributes_are_read_as_they_were_written(void **state)
{
	struct srz_reader *r = srz_open(DIR "attributes.srz", &err);
	struct sr_attrs want = { 0 }, got;
	size_t i;

	corner_attrs(&want);
	if (!r || sr_attrs_get(r, &got, &err))
		fail_msg("%s", err.text);
	assert_int_equal(got.nmasks, want.nmasks);
	assert_memory_equal(got.masks, want.masks, want.nmasks * sizeof(*want.masks));
	assert_int_equal(got.ngroups, want.ngroups);
	for (i = 0; i < want.ngroups; i++) {
		struct sr_group group = got.groups[i];

		assert_string_equal(group.path, want.groups[i].path);
		group.path = want.groups[i].path;
		assert_memory_equal(&group, &want.groups[i], sizeof(group));
	}
	assert_int_equal(got.n, want.n);
	assert_memory_equal(got.v, want.v, want.n * sizeof(*want.v));
	assert_int_equal(got.nentries, want.nentries);
	assert_memory_equal(got.entries, want.entries, want.nentries * sizeof(*want.entries));
	sr_attrs_release(&want);
	sr_attrs_release(&got);
	srz_reader_free(r);
}

/* What an old reader must skip: a section, a column with its own coding, and a kind of event, between known ones. */
static void make_future(struct forged_file *f)
{
	struct forged_chunk c = forge_chunk(3);

	c.col[FORGE_OPS].p[1] = 1;
	c.op_count = 2;
	c.nops = 2;
	c.kind2 = 300 << 1;
	c.flags2 = 8;
	c.op_count2 = 1;
	/* times by op, then by the op before: of op 0 the run's first step and the step from op 1, then that of op 1 */
	c.lost = 10;
	c.col[FORGE_MISC].raw = c.col[FORGE_MISC].stored = c.col[FORGE_MISC].n = 4;
	forge_column(&c, 13, "\3new", 4);
	forge_column(&c, 200, "whatever", 8);
	c.col[c.ncols - 1].id &= ~1ull;
	c.col[c.ncols - 1].coding = 77;
	forge_header(f, 1, 1);
	forge_text_section(f, 4000, "skip me", 7);
	forge_events(f, &c);
	forge_finish(f);
}

static void what_may_be_skipped_is_skipped(void **state)
{
	struct srz_reader *r = srz_open(DIR "future.srz", &err);
	struct sr_event ev;

	if (!r)
		fail_msg("%s", err.text);
	assert_int_equal(srz_get_info(r)->events, 2);
	assert_int_equal(srz_next(r, &ev, &err), 1);
	assert_int_equal(ev.time_ns, 1000);
	assert_int_equal(srz_next(r, &ev, &err), 1);
	assert_int_equal(ev.time_ns, 1020);
	assert_int_equal(ev.u.lost.count, 5);
	assert_int_equal(srz_next(r, &ev, &err), 0);
	srz_reader_free(r);
}

/* ---- version 1 for ever ---- */

/* tests/golden/released/v1.srz is never made anew, and neither are these numbers: what was once released stays readable. */
#define V1_EVENTS 4800
#define V1_SUM 0x2e80265c34157be5ull

static uint64_t mix(uint64_t sum, uint64_t v)
{
	return (sum ^ v) * 0x100000001b3u;
}

/* The event's fields, one by one: the sum does not depend on how they lie in memory. */
static uint64_t mix_event(uint64_t sum, const struct sr_event *ev)
{
	sum = mix(mix(mix(mix(mix(sum, ev->time_ns), (uint64_t)ev->ctx), ev->cpu), ev->kind), ev->flags);
	switch (ev->kind) {
	case SR_EV_SWITCH:
		sum = mix(mix(sum, (uint64_t)ev->u.sw.prev), (uint64_t)ev->u.sw.next);
		sum = mix(mix(sum, (uint64_t)ev->u.sw.prev_prio), (uint64_t)ev->u.sw.next_prio);
		return mix(sum, ev->u.sw.prev_state);
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		sum = mix(mix(sum, (uint64_t)ev->u.wake.tid), (uint64_t)ev->u.wake.prio);
		return mix(sum, ev->u.wake.target_cpu);
	case SR_EV_MIGRATE:
		sum = mix(mix(sum, (uint64_t)ev->u.migrate.tid), (uint64_t)ev->u.migrate.prio);
		return mix(mix(sum, ev->u.migrate.from), ev->u.migrate.to);
	case SR_EV_FORK:
		return mix(mix(sum, (uint64_t)ev->u.fork.parent), (uint64_t)ev->u.fork.child);
	case SR_EV_EXEC:
		return mix(mix(mix(sum, (uint64_t)ev->u.exec.tid), (uint64_t)ev->u.exec.old_tid), ev->u.exec.name);
	case SR_EV_EXIT:
		return mix(mix(mix(sum, (uint64_t)ev->u.exit.tid), (uint64_t)ev->u.exit.prio), ev->u.exit.group_dead);
	case SR_EV_RENAME:
	case SR_EV_COMM:
		return mix(mix(sum, (uint64_t)ev->u.rename.tid), ev->u.rename.name);
	case SR_EV_NEWTASK:
		return mix(mix(sum, (uint64_t)ev->u.newtask.tid), ev->u.newtask.clone_flags);
	case SR_EV_LOST:
		return mix(mix(sum, ev->u.lost.count), ev->u.lost.span_us);
	case SR_EV_DECISION:
		sum = mix(mix(sum, (uint64_t)ev->u.decision.tid), (uint64_t)ev->u.decision.from);
		sum = mix(mix(sum, (uint64_t)ev->u.decision.to), ev->u.decision.cause);
		return mix(sum, ev->u.decision.cost_ns);
	case SR_EV_BIND:
		return mix(mix(sum, (uint64_t)ev->u.bind.tid), ev->u.bind.source);
	case SR_EV_FREQUENCY:
		return mix(mix(sum, ev->u.frequency.khz), ev->u.frequency.target_cpu);
	case SR_EV_IDLE:
		return mix(mix(sum, ev->u.idle.state), ev->u.idle.target_cpu);
	}
	return sum;
}

static void version_1_stays_readable(void **state)
{
	struct srz_reader *r = srz_open(DIR "released/v1.srz", &err);
	uint64_t sum = 0xcbf29ce484222325u;
	struct sr_event ev;
	size_t n = 0;
	int ret;

	if (!r)
		fail_msg("%s", err.text);
	assert_int_equal(srz_get_info(r)->version, 1);
	assert_int_equal(srz_get_info(r)->complete, 1);
	assert_string_equal(srz_get_meta(r, "label"), "v1");
	assert_string_equal(srz_name_at(r, 1), "/bin/a \x1b[1m name");
	assert_string_equal(srz_get_tasks(r)->v[0].comm, "sh \\ \n");
	while ((ret = srz_next(r, &ev, &err)) == 1) {
		sum = mix_event(sum, &ev);
		n++;
	}
	if (ret < 0)
		fail_msg("%s", err.text);
	assert_int_equal(n, V1_EVENTS);
	if (sum != V1_SUM)
		fail_msg("the events are others: %#llx", (unsigned long long)sum);
	srz_reader_free(r);
}

static void the_part_file_of_a_crash_is_read(void **state)
{
	const struct corner *c = &corners[3];
	struct srz_reader *r = srz_open(DIR "incomplete.srz.part", &err);
	struct sr_event *ev = corner_events(c), got;
	size_t n;

	if (!r)
		fail_msg("%s", err.text);
	assert_string_equal(c->name, "ties");
	assert_int_equal(srz_get_info(r)->complete, 0);
	assert_true(srz_get_info(r)->damaged_bytes > 0);
	for (n = 0; srz_next(r, &got, &err) == 1; n++)
		assert_memory_equal(&got, &ev[n], sizeof(got));
	assert_int_equal(n, 160);
	srz_reader_free(r);
	free(ev);
}

/* ---- cut and damaged at every place ---- */

/* How many events of the original come out of the copy; all must be the same, in place. -1: an error came. */
static int same_events(const char *path, const struct sr_event *want, size_t n, bool *complete)
{
	struct srz_reader *r = srz_open(path, &err);
	struct sr_event ev;
	int ret, done = 0;

	if (!r)
		return -1;
	*complete = srz_get_info(r)->complete;
	while ((ret = srz_next(r, &ev, &err)) == 1) {
		assert_true((size_t)done < n);
		assert_memory_equal(&ev, &want[done], sizeof(ev));
		done++;
	}
	srz_reader_free(r);
	return ret < 0 ? -1 : done;
}

static const struct corner *corner(const char *name)
{
	size_t i;

	for (i = 0; strcmp(corners[i].name, name) != 0; i++)
		;
	return &corners[i];
}

static void a_file_cut_anywhere_gives_its_whole_chunks(void **state)
{
	const struct corner *c = corner("ties");
	struct srz_buf b = read_all(DIR "ties.srz");
	struct sr_event *ev = corner_events(c);
	int done, last = 0;
	bool complete;
	size_t n;

	for (n = 0; n < b.n; n++) {
		done = same_events(in_memory(b.p, n), ev, c->shape.events, &complete);
		if (n < SRZ_HEADER_SIZE) {
			assert_int_equal(done, -1);
			assert_int_equal(err.status, SR_DAMAGED);
			continue;
		}
		assert_false(complete);
		assert_true(done >= last);
		assert_true(done % 32 == 0 || (size_t)done == c->shape.events);
		last = done;
	}
	assert_int_equal(last, c->shape.events);
	srz_buf_release(&b);
	free(ev);
}

static void no_flipped_bit_gives_a_wrong_event(void **state)
{
	const struct corner *c = corner("ties");
	struct srz_buf b = read_all(DIR "ties.srz");
	struct sr_event *ev = corner_events(c);
	int done, damaged = 0;
	bool complete;
	size_t i;

	for (i = 0; i < b.n * 8; i += 3) { /* every byte, with changing bits */
		b.p[i / 8] ^= (uint8_t)(1u << i % 8);
		done = same_events(in_memory(b.p, b.n), ev, c->shape.events, &complete);
		b.p[i / 8] ^= (uint8_t)(1u << i % 8);
		if (done < 0) {
			damaged++;
			assert_int_equal(err.status, SR_DAMAGED);
			continue;
		}
		/* only in the end mark a flip makes a whole file an incomplete one */
		assert_false(complete);
		assert_int_equal(done, c->shape.events);
		assert_true(i / 8 >= b.n - SRZ_SECTION_HEADER - SRZ_END_PAYLOAD);
	}
	assert_true(damaged > 1000);
	srz_buf_release(&b);
	free(ev);
}

static void write_copy(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void write_missing(const char *path, void (*make)(struct forged_file *f))
{
	struct forged_file f = { .b = { 0 } };

	if (!access(path, R_OK))
		return;
	make(&f);
	write_copy(path, f.b.p, f.b.n);
	forged_free(&f);
	printf("wrote %s\n", path);
}

static void update(void)
{
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(rejects) / sizeof(*rejects); i++) {
		golden_path(path, sizeof(path), "reject-", rejects[i].name);
		write_missing(path, rejects[i].make);
	}
	write_missing(DIR "future.srz", make_future);
	for (i = 0; i < sizeof(corners) / sizeof(*corners); i++) {
		golden_path(path, sizeof(path), "", corners[i].name);
		if (access(path, R_OK))
			write_corner(&corners[i], path);
	}
	if (access(DIR "incomplete.srz.part", R_OK)) {
		struct srz_buf b = read_all(DIR "ties.srz");

		write_copy(DIR "incomplete.srz.part", b.p, b.n * 55 / 100);
		srz_buf_release(&b);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_of_the_must_reject_list_is_kept),
		cmocka_unit_test(the_forged_files_are_right_but_for_one_thing),
		cmocka_unit_test(the_committed_files_are_what_is_forged),
		cmocka_unit_test(a_wrong_chunk_is_refused_without_an_index_too),
		cmocka_unit_test(every_corner_is_read_as_it_was_written),
		cmocka_unit_test(attributes_are_read_as_they_were_written),
		cmocka_unit_test(what_may_be_skipped_is_skipped),
		cmocka_unit_test(version_1_stays_readable),
		cmocka_unit_test(the_part_file_of_a_crash_is_read),
		cmocka_unit_test(a_file_cut_anywhere_gives_its_whole_chunks),
		cmocka_unit_test(no_flipped_bit_gives_a_wrong_event),
	};

	if (argc == 2 && !strcmp(argv[1], "--update"))
		update();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
