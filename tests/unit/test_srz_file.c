/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The .srz file among other files: part file, lock, crash, full disk, and targets that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "formats/srz.h"
#include "formats/srz_internal.h"
#include "tests/unit/srz_events.h"

static struct sr_error err;
static char dir[64], path[96], part[96], copy[96];

static int make_dir(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/schedrec-srz.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/x.srz", dir);
	snprintf(part, sizeof(part), "%s/x.srz.part", dir);
	snprintf(copy, sizeof(copy), "%s/copy.srz", dir);
	return 0;
}

static int remove_dir(void **state)
{
	unlink(path);
	unlink(part);
	unlink(copy);
	return rmdir(dir);
}

static void ok(int ret)
{
	if (ret)
		fail_msg("%s", err.text);
}

static bool exists(const char *p)
{
	struct stat st;

	return !lstat(p, &st);
}

static void write_text(const char *p, const char *text)
{
	FILE *f = fopen(p, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void copy_file(const char *from, const char *to)
{
	static char buf[1 << 20];
	FILE *a = fopen(from, "r"), *b = fopen(to, "w");
	size_t n;

	assert_non_null(a);
	assert_non_null(b);
	while ((n = fread(buf, 1, sizeof(buf), a)) > 0)
		assert_int_equal(fwrite(buf, 1, n, b), n);
	fclose(a);
	assert_int_equal(fclose(b), 0);
}

static void put_wakings(struct srz_writer *w, uint64_t from_ns, unsigned n)
{
	struct sr_event ev = { .kind = SR_EV_WAKING, .u.wake = { .tid = 5, .prio = 120 } };

	for (; n; n--) {
		ev.time_ns = from_ns++;
		ok(srz_put_events(w, SRZ_STREAM_KERNEL, &ev, 1, &err));
	}
}

static void assert_refused(enum sr_status status, const char *text)
{
	struct srz_writer *w = srz_create(path, 0, &err);

	assert_null(w);
	assert_int_equal(err.status, status);
	if (!strstr(err.text, text))
		fail_msg("'%s' is not in '%s'", text, err.text);
}

static void the_file_appears_only_at_close(void **state)
{
	struct srz_writer *w = srz_create(path, 10, &err);

	ok(!w);
	put_wakings(w, 1, 1000);
	ok(srz_flush(w, &err));
	assert_false(exists(path));
	assert_true(exists(part));
	ok(srz_close(w, &err));
	assert_true(exists(path));
	assert_false(exists(part));
	unlink(path);
}

static void a_closed_file_holds_no_more_blocks_than_it_needs(void **state)
{
	struct srz_writer *w = srz_create(path, 10, &err);
	struct stat st;

	ok(!w);
	put_wakings(w, 1, 100);
	ok(srz_close(w, &err));
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_blocks * 512 < st.st_size + 2 * st.st_blksize);
	unlink(path);
}

static void an_old_file_stays_until_close_and_after_abort(void **state)
{
	char text[8] = "";
	struct srz_writer *w;
	FILE *f;

	write_text(path, "old");
	w = srz_create(path, 10, &err);
	ok(!w);
	put_wakings(w, 1, 1000);
	srz_abort(w);
	assert_false(exists(part));
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fread(text, 1, 4, f), 3);
	fclose(f);
	assert_string_equal(text, "old");
	unlink(path);
}

/* At every flush the part file is what a crash right then would leave. */
static void after_a_crash_every_flushed_event_is_read(void **state)
{
	struct shape s = { .events = 2000, .cpus = 3, .tasks = 50, .stay = 30, .strange = 2 };
	struct srz_writer *w = srz_create(path, 64, &err);
	struct sr_event *ev, got;
	struct srz_reader *r;
	size_t done, i;
	char name[32];

	ok(!w);
	rnd_state = 3;
	ev = rnd_stream(&s);
	for (done = 0; done < s.events; done += 50) {
		snprintf(name, sizeof(name), "%zu", done);
		assert_int_equal(srz_put_name(w, name, &err), done / 50);
		ok(srz_put_meta(w, "at", name, &err));
		ok(srz_put_events(w, SRZ_STREAM_KERNEL, ev + done, 50, &err));
		ok(srz_flush(w, &err));
		copy_file(part, copy);
		r = srz_open(copy, &err);
		ok(!r);
		assert_int_equal(srz_get_info(r)->complete, 0);
		assert_int_equal(srz_get_info(r)->damaged_bytes, 0);
		assert_int_equal(srz_get_info(r)->events, done + 50);
		assert_string_equal(srz_get_meta(r, "at"), name);
		assert_string_equal(srz_name_at(r, (uint32_t)(done / 50)), name);
		for (i = 0; i < done + 50; i++) {
			assert_int_equal(srz_next(r, &got, &err), 1);
			assert_memory_equal(&got, &ev[i], sizeof(got));
		}
		assert_int_equal(srz_next(r, &got, &err), 0);
		srz_reader_free(r);
	}
	srz_abort(w);
	free(ev);
}

static void a_path_that_is_being_written_is_refused(void **state)
{
	struct srz_writer *w = srz_create(path, 0, &err);

	ok(!w);
	assert_refused(SR_ENVIRONMENT, "is being written by another process");
	ok(srz_close(w, &err));
	w = srz_create(path, 0, &err);
	ok(!w);
	srz_abort(w);
	unlink(path);
}

static void the_part_file_of_a_killed_recorder_is_replaced(void **state)
{
	struct srz_writer *w;
	struct srz_reader *r;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		w = srz_create(path, 10, &err);
		if (w)
			put_wakings(w, 1, 100);
		raise(SIGKILL);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_true(exists(part));
	w = srz_create(path, 10, &err);
	ok(!w);
	put_wakings(w, 1, 7);
	ok(srz_close(w, &err));
	r = srz_open(path, &err);
	ok(!r);
	assert_int_equal(srz_get_info(r)->events, 7);
	srz_reader_free(r);
	unlink(path);
}

/* The two race for a stale part file: one writes, the other is refused, none loses its file. */
static void of_many_that_race_for_a_path_one_wins_at_a_time(void **state)
{
	int round, i, status, won;

	for (round = 0; round < 20; round++) {
		write_text(part, "stale");
		for (i = 0; i < 6; i++) {
			pid_t pid = fork();

			assert_true(pid >= 0);
			if (!pid) {
				struct srz_writer *w = srz_create(path, 0, &err);

				if (!w)
					_exit(strstr(err.text, "being written") ? 1 : 2);
				usleep(2000);
				_exit(exists(part) && !srz_close(w, &err) ? 0 : 3);
			}
		}
		for (won = i = 0; i < 6; i++) {
			assert_true(wait(&status) > 0);
			assert_true(WIFEXITED(status));
			assert_in_range(WEXITSTATUS(status), 0, 1);
			won += !WEXITSTATUS(status);
		}
		assert_true(won >= 1);
		assert_true(exists(path));
		assert_false(exists(part));
	}
	unlink(path);
}

static void what_is_no_regular_file_is_not_replaced(void **state)
{
	char full[128];

	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(SR_ENVIRONMENT, "is a directory");
	rmdir(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_refused(SR_ENVIRONMENT, "is a symbolic link");
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(SR_ENVIRONMENT, "is not a regular file");
	unlink(path);
	assert_null(srz_create("/dev/full", 0, &err));
	assert_non_null(strstr(err.text, "is not a regular file"));
	snprintf(full, sizeof(full), "%s/", dir);
	assert_null(srz_create(full, 0, &err));
	assert_non_null(strstr(err.text, "is a directory"));
	assert_false(exists(part));
}

static void a_missing_directory_is_named(void **state)
{
	char full[128];

	snprintf(full, sizeof(full), "%s/none/x.srz", dir);
	assert_null(srz_create(full, 0, &err));
	assert_int_equal(err.status, SR_ENVIRONMENT);
	assert_non_null(strstr(err.text, "/none"));
	assert_non_null(strstr(err.text, "No such file or directory"));
}

static void a_link_in_place_of_the_part_file_is_not_followed(void **state)
{
	char victim[128];

	snprintf(victim, sizeof(victim), "%s/victim", dir);
	write_text(victim, "precious");
	assert_int_equal(symlink(victim, part), 0);
	assert_refused(SR_ENVIRONMENT, "is in the way");
	unlink(part);
	assert_int_equal(mkfifo(part, 0600), 0);
	assert_refused(SR_ENVIRONMENT, "is in the way");
	unlink(part);
	unlink(victim);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit lim;

	getrlimit(RLIMIT_FSIZE, &lim);
	lim.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
}

/* RLIMIT_FSIZE fails in the middle of a write, as a full disk does. */
static void on_a_full_disk_what_is_written_stays_readable(void **state)
{
	struct sr_event ev = { .kind = SR_EV_LOST };
	struct srz_writer *w = srz_create(path, 100, &err);
	struct srz_reader *r;
	int ret = 0;

	ok(!w);
	signal(SIGXFSZ, SIG_IGN);
	rnd_state = 1;
	limit_files(5000);
	for (; !ret && ev.time_ns < 100000; ev.time_ns++) {
		ev.u.lost.count = rnd() >> 8;
		ret = srz_put_events(w, SRZ_STREAM_KERNEL, &ev, 1, &err);
	}
	assert_int_equal(ret, -1);
	assert_int_equal(err.status, SR_ENVIRONMENT);
	assert_non_null(strstr(err.text, ".part: File too large"));
	r = srz_open(part, &err);
	ok(!r);
	assert_int_equal(srz_get_info(r)->damaged_bytes, 0); /* not even a partial section */
	assert_int_equal(srz_get_info(r)->events % 100, 0);
	assert_true(srz_get_info(r)->events > 100);
	srz_reader_free(r);
	assert_int_equal(srz_put_events(w, SRZ_STREAM_KERNEL, &ev, 1, &err), -1);
	limit_files(RLIM_INFINITY);
	ok(srz_close(w, &err));
	r = srz_open(path, &err);
	ok(!r);
	assert_int_equal(srz_get_info(r)->complete, 1);
	srz_reader_free(r);
	unlink(path);
}

/* 0, or the line that says no; 77: no file system of one's own. */
static int fill_a_disk(const char *size)
{
	struct shape s = { .events = 5000, .cpus = 2, .tasks = 50 };
	struct sr_event *ev;
	struct srz_writer *w;
	static char last_words[9000]; /* two pages, deflated */
	struct srz_reader *r;
	int ret = 0, rounds;
	size_t i;

	if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", dir, "tmpfs", 0, size))
		return 77;
	w = srz_create(path, 1000, &err);
	if (!w)
		return __LINE__;
	ev = rnd_stream(&s);
	for (rounds = 0; !ret && rounds < 1000; rounds++) {
		ret = srz_put_events(w, SRZ_STREAM_KERNEL, ev, s.events, &err);
		for (i = 0; i < s.events; i++)
			ev[i].time_ns += 1ull << 45;
	}
	if (ret != -1 || err.status != SR_ENVIRONMENT || !strstr(err.text, "No space left on device"))
		return __LINE__;
	for (i = 0; i < sizeof(last_words) - 1; i++)
		last_words[i] = (char)('!' + rnd_below(90));
	if (srz_put_meta(w, "record.end", "disk-full", &err) || srz_put_meta(w, "last", last_words, &err) ||
	    srz_close(w, &err))
		return __LINE__;
	r = srz_open(path, &err);
	if (!r || !srz_get_info(r)->complete || srz_get_info(r)->bytes < 100000 ||
	    strcmp(srz_get_meta(r, "record.end"), "disk-full") != 0)
		return __LINE__;
	for (i = 0; (ret = srz_next(r, ev, &err)) == 1; i++)
		;
	return ret || i != srz_get_info(r)->events || i % 1000 ? __LINE__ : 0;
}

/* Of many sizes, so that in some the last chunk that fits fills the disk to its last page. */
static void a_full_disk_leaves_room_to_complete_the_file(void **state)
{
	unsigned kb;
	int status;

	for (kb = 200; kb < 260; kb += 4) {
		char size[32];
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			int line;

			snprintf(size, sizeof(size), "size=%uk", kb);
			line = fill_a_disk(size);
			if (line && line != 77)
				print_message("%u KB, line %d: %s\n", kb, line, err.text);
			_exit(line == 0 || line == 77 ? line : 1);
		}
		waitpid(pid, &status, 0);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 77)
			skip();
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

static void a_close_that_fails_leaves_the_part_file(void **state)
{
	struct srz_writer *w = srz_create(path, 100, &err);

	ok(!w);
	put_wakings(w, 1, 1000);
	signal(SIGXFSZ, SIG_IGN);
	limit_files(srz_bytes_written(w) + 10);
	assert_int_equal(srz_close(w, &err), -1);
	assert_int_equal(err.status, SR_ENVIRONMENT);
	limit_files(RLIM_INFINITY);
	assert_false(exists(path));
	assert_true(exists(part));
	unlink(part);
}

static void a_file_is_found_after_a_change_of_directory(void **state)
{
	char *old = getcwd(NULL, 0);
	struct srz_writer *w;

	assert_int_equal(chdir(dir), 0);
	w = srz_create("x.srz", 0, &err);
	ok(!w);
	assert_int_equal(chdir("/"), 0);
	ok(srz_close(w, &err));
	assert_true(exists(path));
	unlink(path);
	assert_int_equal(chdir(old), 0);
	free(old);
}

static void a_missing_file_and_a_foreign_one_differ_in_status(void **state)
{
	assert_null(srz_open("/nonexistent/x.srz", &err));
	assert_int_equal(err.status, SR_ENVIRONMENT);
	write_text(path, "");
	assert_null(srz_open(path, &err));
	assert_int_equal(err.status, SR_DAMAGED);
	assert_non_null(strstr(err.text, "is empty"));
	write_text(path, "#!/bin/sh\necho this is not a recording\n");
	assert_null(srz_open(path, &err));
	assert_int_equal(err.status, SR_DAMAGED);
	assert_non_null(strstr(err.text, "is not a .srz file"));
	unlink(path);
	assert_null(srz_open(dir, &err));
	assert_int_equal(err.status, SR_DAMAGED);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(srz_open(path, &err)); /* and does not wait for a writer */
	assert_int_equal(err.status, SR_DAMAGED);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_appears_only_at_close),
		cmocka_unit_test(a_closed_file_holds_no_more_blocks_than_it_needs),
		cmocka_unit_test(an_old_file_stays_until_close_and_after_abort),
		cmocka_unit_test(after_a_crash_every_flushed_event_is_read),
		cmocka_unit_test(a_path_that_is_being_written_is_refused),
		cmocka_unit_test(the_part_file_of_a_killed_recorder_is_replaced),
		cmocka_unit_test(of_many_that_race_for_a_path_one_wins_at_a_time),
		cmocka_unit_test(what_is_no_regular_file_is_not_replaced),
		cmocka_unit_test(a_missing_directory_is_named),
		cmocka_unit_test(a_link_in_place_of_the_part_file_is_not_followed),
		cmocka_unit_test(on_a_full_disk_what_is_written_stays_readable),
		cmocka_unit_test(a_full_disk_leaves_room_to_complete_the_file),
		cmocka_unit_test(a_close_that_fails_leaves_the_part_file),
		cmocka_unit_test(a_file_is_found_after_a_change_of_directory),
		cmocka_unit_test(a_missing_file_and_a_foreign_one_differ_in_status),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
