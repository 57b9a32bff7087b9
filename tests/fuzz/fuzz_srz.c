/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: any bytes as a .srz file. Nothing may crash, no memory may be misused, and reading twice must give
 * the same events in the order of event.h, each of them valid. What reads to its end is written again, and must read the same.
 *
 *   clang -fsanitize=fuzzer,address,undefined ... -DLIBFUZZER      with libFuzzer, whose mutations are sealed again
 *   cc ...                                                             a plain program: fuzz_srz FILE...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "formats/srz.h"
#include "formats/srz_internal.h"
#include "tests/fuzz/fuzz.h"

static void check_event(struct srz_reader *r, const struct sr_event *ev)
{
	MUST_BE(ev->kind && ev->kind < SR_EV_KINDS && ev->cpu < SR_MAX_CPUS && ev->ctx >= 0);
	MUST_BE(!(ev->flags & ~SR_EV_FILE_FLAGS));
	switch (ev->kind) {
	case SR_EV_SWITCH:
		MUST_BE(ev->u.sw.prev >= 0 && ev->u.sw.next >= 0 && ev->u.sw.prev_state < SR_STATES);
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		MUST_BE(ev->u.wake.tid >= 0 && ev->u.wake.target_cpu < SR_MAX_CPUS);
		break;
	case SR_EV_MIGRATE:
		MUST_BE(ev->u.migrate.tid >= 0 && ev->u.migrate.from < SR_MAX_CPUS && ev->u.migrate.to < SR_MAX_CPUS);
		break;
	case SR_EV_EXEC:
		MUST_BE(srz_name_at(r, ev->u.exec.name));
		break;
	case SR_EV_EXIT:
		MUST_BE(ev->u.exit.group_dead <= 2);
		break;
	case SR_EV_FREQUENCY:
		MUST_BE(ev->u.frequency.target_cpu < SR_MAX_CPUS);
		break;
	case SR_EV_IDLE:
		MUST_BE(ev->u.idle.target_cpu < SR_MAX_CPUS);
		break;
	case SR_EV_DECISION:
		MUST_BE(ev->u.decision.from >= -1 && ev->u.decision.from < SR_MAX_CPUS && ev->u.decision.to >= -1 &&
			ev->u.decision.to < SR_MAX_CPUS && ev->u.decision.cause < SR_CAUSES);
		break;
	}
}

/* Events until the end or an error; their sum, so that two passes can be compared. */
static uint64_t read_events(struct srz_reader *r, uint64_t from_ns, uint64_t *middle_ns)
{
	struct sr_event ev;
	struct sr_error err;
	uint64_t sum = 0, last_ns = from_ns;
	uint64_t n = 0;
	int ret;

	while ((ret = srz_next(r, &ev, &err)) == 1) {
		MUST_BE(ev.time_ns >= last_ns);
		last_ns = ev.time_ns;
		check_event(r, &ev);
		sum = sum * 31 + crc32(0, (const uint8_t *)&ev, sizeof(ev));
		if (++n % 64 == 1)
			*middle_ns = ev.time_ns;
	}
	MUST_BE(!ret || err.status == SR_DAMAGED);
	MUST_BE(ret || srz_get_info(r)->events == n);
	return sum;
}

struct copy {
	struct sr_event *ev;
	size_t n, cap;
};

static void copy_add(struct copy *c, const struct sr_event *ev)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 1024;
		c->ev = realloc(c->ev, c->cap * sizeof(*c->ev));
		MUST_BE(c->ev);
	}
	c->ev[c->n++] = *ev;
}

static bool follows(const struct sr_event *a, const struct sr_event *b)
{
	return a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->cpu <= b->cpu);
}

/* The events of all streams become one stream, as long as they are in its order. */
static void write_again(struct srz_reader *r)
{
	static char path[64];
	struct sr_event ev;
	struct sr_error err;
	struct copy c = { 0 };
	struct srz_writer *w;
	size_t i;
	int ret;

	MUST_BE(!srz_rewind(r, &err));
	while ((ret = srz_next(r, &ev, &err)) == 1)
		if (!c.n || follows(&c.ev[c.n - 1], &ev))
			copy_add(&c, &ev);
	if (!ret && c.n) {
		snprintf(path, sizeof(path), "/dev/shm/schedrec-fuzz-%d.srz", (int)getpid());
		w = srz_create(path, 1 + (unsigned)c.n / 2, &err);
		MUST_BE(w);
		MUST_BE(!srz_put_events(w, SRZ_STREAM_KERNEL, c.ev, c.n, &err));
		MUST_BE(!srz_close(w, &err));
		r = srz_open(path, &err);
		MUST_BE(r && srz_get_info(r)->complete && srz_get_info(r)->events == c.n);
		for (i = 0; i < c.n; i++) {
			MUST_BE(srz_next(r, &ev, &err) == 1);
			MUST_BE(!memcmp(&ev, &c.ev[i], sizeof(ev)));
		}
		MUST_BE(srz_next(r, &ev, &err) == 0);
		srz_reader_free(r);
		unlink(path);
	}
	free(c.ev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	const struct sr_task_starts *tasks;
	struct srz_reader *r;
	struct sr_error err;
	uint64_t middle_ns = 0, sum;
	const char *key, *value;
	char path[64];
	size_t i, len;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = srz_open(path, &err);
	if (!r) {
		MUST_BE(err.status == SR_DAMAGED);
		return 0;
	}
	for (i = 0; i < srz_meta_count(r); i++) {
		srz_meta_at(r, i, &key, &value);
		MUST_BE(*key && srz_get_meta(r, key) == value);
	}
	tasks = srz_get_tasks(r);
	for (i = 0; i < tasks->n; i++)
		MUST_BE(tasks->v[i].allowed < tasks->nmasks && tasks->v[i].tid > 0 &&
			!tasks->v[i].comm[SR_COMM_LEN - 1]);
	srz_get_section(r, SRZ_SEC_MACHINE, &len);
	sum = read_events(r, 0, &middle_ns);
	MUST_BE(!srz_rewind(r, &err));
	MUST_BE(read_events(r, 0, &middle_ns) == sum);
	MUST_BE(!srz_seek(r, middle_ns, &err));
	/* not all is read then, so the count is another; the order still holds */
	for (struct sr_event ev; srz_next(r, &ev, &err) == 1;)
		MUST_BE(ev.time_ns >= middle_ns);
	write_again(r);
	srz_reader_free(r);
	return 0;
}

#ifdef LIBFUZZER

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Checksums would stop nearly every mutation at the door: they are made right again, and so is the end mark. */
static void seal(uint8_t *data, size_t size)
{
	size_t at = SRZ_HEADER_SIZE, index = 0;

	if (size < SRZ_HEADER_SIZE)
		return;
	memcpy(data, SRZ_MAGIC, 8);
	srz_set32(data + 16, (uint32_t)crc32(0, data, 16));
	while (size - at >= SRZ_SECTION_HEADER) {
		uint32_t id = srz_get32(data + at), len = srz_get32(data + at + 8);

		if (len > size - at - SRZ_SECTION_HEADER)
			len = (uint32_t)(size - at - SRZ_SECTION_HEADER);
		srz_set32(data + at + 8, len);
		if (id == (SRZ_SEC_INDEX | SRZ_MUST))
			index = at;
		if (id == (SRZ_SEC_END | SRZ_MUST) && len == SRZ_END_PAYLOAD) {
			srz_set64(data + at + SRZ_SECTION_HEADER, index);
			srz_set64(data + at + SRZ_SECTION_HEADER + 8, size);
		}
		srz_set32(data + at + 16, (uint32_t)crc32(0, data + at + SRZ_SECTION_HEADER, len));
		srz_set32(data + at + 20, (uint32_t)crc32(0, data + at, 20));
		at += SRZ_SECTION_HEADER + len;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, max_size);
	if (seed % 16)
		seal(data, size);
	return size;
}

#endif
