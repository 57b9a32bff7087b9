/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recorder's memory over an hour: a made-up load of 30,000 events a second goes through the merge and the output. Tids
 * run up to 4,194,304 and around, programs come and go. SCHEDREC_LONG=1: the whole hour, 108 million events; else a
 * minute of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "record/internal.h"
#include "record/output.h"
#include "tests/unit/record_load.h"

#define RATE 30000
#define BATCH (RATE / 10)   /* a drain every 100 ms */
#ifdef __SANITIZE_ADDRESS__ /* which takes memory of its own */
#define MOST_KB (1024 << 10)
#else
#define MOST_KB (64 << 10)
#endif

static struct rec_output *out;

static int no_meta(void *arg, struct srz_writer *w, const struct rec_part *part, struct sr_error *err)
{
	return 0;
}

/* In kB, 0: not told. */
static unsigned long peak_memory(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long kb = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %lu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static uint32_t comm(struct rec_merge *m, int32_t tid)
{
	char text[16];

	if (!tid)
		return rec_names_put(&m->names, "swapper", 7);
	snprintf(text, sizeof(text), "worker-%d", tid % 2000);
	return rec_names_put(&m->names, text, sizeof(text));
}

static int queue(struct rec_merge *m, struct load *l, struct sr_error *err)
{
	struct rec_item item = { 0 };
	char name[64];

	if (load_next(l, &item.ev)) {
		load_name(l, name, sizeof(name));
		item.comm_b = rec_names_put(&m->names, name, strlen(name));
	} else if (item.ev.kind == SR_EV_SWITCH) {
		item.comm_a = comm(m, item.ev.u.sw.prev);
		item.comm_b = comm(m, item.ev.u.sw.next);
	} else if (item.ev.kind == SR_EV_WAKING) {
		item.comm_a = comm(m, item.ev.u.wake.tid);
	} else if (item.ev.kind == SR_EV_FORK) {
		item.comm_a = comm(m, 1);
		item.comm_b = comm(m, item.ev.u.fork.child);
	} else {
		item.comm_a = comm(m, item.ev.u.exit.tid);
	}
	return rec_merge_queue(m, item.ev.cpu, &item, err);
}

static int record(const char *path, struct rec_output_config cfg, uint64_t seconds, struct sr_error *err)
{
	struct rec_sink sink = { .name = rec_output_name, .events = rec_output_events };
	struct sr_task_starts none = { 0 };
	struct rec_merge m;
	struct load l;
	int rc = 0;

	cfg.path = path;
	cfg.head = cfg.tail = no_meta;
	load_init(&l, 1000000000, 1000000000 / RATE);
	l.last_tid = 4194304 - 100000;
	l.max_tid = 4194304;
	l.names = 20000;
	out = rec_output_new(&cfg, err);
	if (!out || rec_output_begin(out, &none, l.time_ns, err) || rec_merge_init(&m, 2, err))
		return -1;
	sink.arg = out;
	rec_merge_reset(&m, &sink);
	for (uint64_t n = 0; !rc && n < seconds * RATE / BATCH; n++) {
		uint64_t before = l.time_ns;

		for (unsigned i = 0; !rc && i < BATCH; i++)
			rc = queue(&m, &l, err);
		rc = rc || rec_merge_emit(&m, before, err) || rec_output_tick(out, before, err);
	}
	rc = rc || rec_merge_emit(&m, UINT64_MAX, err) || rec_output_end(out, l.time_ns, err) ? -1 : 0;
	rec_output_free(out);
	rec_merge_release(&m);
	return rc;
}

/* In a process of its own, for the peak is the process's. */
static void measure(const char *what, struct rec_output_config cfg)
{
	uint64_t seconds = getenv("SCHEDREC_LONG") ? 3600 : 20;
	char dir[] = "/tmp/schedrec-mem.XXXXXX", path[64], command[64];
	int status;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.srz", dir);
	pid = fork();
	if (!pid) {
		struct sr_error err;
		int rc = record(path, cfg, seconds, &err);

		if (rc)
			print_message("%s\n", err.text);
		print_message("%s: %llu s: at most %lu kB\n", what, (unsigned long long)seconds, peak_memory());
		_exit(rc ? 1 : peak_memory() > MOST_KB ? 2 : 0);
	}
	waitpid(pid, &status, 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_file_takes_less_than_64_mb_of_memory(void **state)
{
	measure("one file", (struct rec_output_config){ 0 });
}

static void slices_take_less_than_64_mb_of_memory(void **state)
{
	measure("slices", (struct rec_output_config){ .slice_ns = 10000000000u, .max_bytes = 100 << 20 });
}

static void a_ring_takes_less_than_64_mb_of_memory(void **state)
{
	measure("ring", (struct rec_output_config){ .ring_ns = 3600000000000u });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_takes_less_than_64_mb_of_memory),
		cmocka_unit_test(slices_take_less_than_64_mb_of_memory),
		cmocka_unit_test(a_ring_takes_less_than_64_mb_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
