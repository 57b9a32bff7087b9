/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The growth of the part file: blocks are taken ahead in windows, lie together, and go back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "formats/srz_internal.h"

static struct sr_error err;
static char dir[64], path[96], part[96], other[96];
static uint8_t block[100000];

static int make_dir(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/schedrec-part.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/x.srz", dir);
	snprintf(part, sizeof(part), "%s/x.srz.part", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	return 0;
}

static int remove_dir(void **state)
{
	unlink(path);
	unlink(part);
	unlink(other);
	return rmdir(dir);
}

static int put(struct srz_part *p, size_t len)
{
	struct iovec iov = { block, len };

	return srz_part_reserve(p, len, &err) || srz_part_write(p, &iov, 1, &err) ? -1 : 0;
}

static uint64_t blocks_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void windows_grow_with_the_file_and_go_back_at_the_end(void **state)
{
	struct srz_part p;
	struct stat st;
	uint64_t ahead, windows = 0;

	assert_int_equal(srz_part_open(&p, path, &err), 0);
	if (!p.reserved) {
		srz_part_release(&p);
		skip();
	}
	assert_int_equal(put(&p, 100), 0);
	assert_in_range(blocks_of(part), 64 << 10, 80 << 10);
	for (int i = 0; i < 400; i++) {
		uint64_t before = p.reserved;

		assert_int_equal(put(&p, sizeof(block)), 0);
		windows += p.reserved != before;
		assert_true(p.reserved >= p.offset);
		assert_true(p.reserved - p.offset <= p.offset / 4 + (192 << 10));
	}
	assert_in_range(windows, 4, 40);
	ahead = p.reserved;
	assert_int_equal(stat(part, &st), 0);
	assert_int_equal(st.st_size, p.offset);
	assert_true(blocks_of(part) >= ahead);
	assert_int_equal(srz_part_finish(&p, &err), 0);
	srz_part_release(&p);
	assert_true(blocks_of(path) < 400 * sizeof(block) + 16384);
	unlink(path);
}

static void a_small_file_takes_no_more_than_its_blocks(void **state)
{
	struct srz_part p;
	struct stat st;

	assert_int_equal(srz_part_open(&p, path, &err), 0);
	assert_int_equal(put(&p, 5000), 0);
	assert_int_equal(srz_part_finish(&p, &err), 0);
	srz_part_release(&p);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 5000);
	assert_in_range(st.st_blocks * 512, 0, 8192);
	unlink(path);
}

/* How many pieces of the disk the file lies in; 0: the file system does not tell. */
static unsigned pieces(const char *name)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent[512];
	} m = { .map = { .fm_length = ~0ull, .fm_extent_count = 512, .fm_flags = FIEMAP_FLAG_SYNC } };
	int fd = open(name, O_RDONLY);
	unsigned n = 0;

	if (ioctl(fd, FS_IOC_FIEMAP, &m))
		m.map.fm_mapped_extents = 0;
	close(fd);
	/* An extent has a greatest length: two that touch are one piece. */
	for (unsigned i = 0; i < m.map.fm_mapped_extents; i++)
		n += !i || m.extent[i].fe_physical != m.extent[i - 1].fe_physical + m.extent[i - 1].fe_length;
	return n;
}

/* Another file grows at the same time and is written to the disk each time: without windows they would interleave. */
static void a_long_file_lies_in_few_pieces(void **state)
{
	struct srz_part p;
	unsigned ours;
	int fd;

	assert_int_equal(srz_part_open(&p, path, &err), 0);
	fd = open(other, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	for (int i = 0; i < 160; i++) {
		assert_int_equal(put(&p, sizeof(block)), 0);
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
		if (i % 4 == 3)
			assert_int_equal(syncfs(fd), 0);
	}
	close(fd);
	assert_int_equal(srz_part_finish(&p, &err), 0);
	srz_part_release(&p);
	ours = pieces(path);
	print_message("16 MB in %u pieces; the file beside it, without windows, in %u\n", ours, pieces(other));
	unlink(path);
	unlink(other);
	if (!ours)
		skip();
	assert_in_range(ours, 1, 24);
}

/* 0, or the line that says no; 77: no file system of one's own. */
static int on_a_full_disk(void)
{
	struct srz_part p;
	struct iovec iov = { block, 3000 };
	uint64_t end;

	if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", dir, "tmpfs", 0, "size=1m"))
		return 77;
	if (srz_part_open(&p, path, &err))
		return __LINE__;
	while (!put(&p, 5000))
		if (p.offset > (1 << 20))
			return __LINE__;
	if (!p.failed || p.error != ENOSPC || !strstr(err.text, "No space left") || p.offset < 1000000)
		return __LINE__;
	/* What was reserved before stays: room for the index. */
	end = p.reserved;
	if (end < p.offset || (end - p.offset >= 3000 && srz_part_write(&p, &iov, 1, &err)))
		return __LINE__;
	return srz_part_finish(&p, &err) ? __LINE__ : 0;
}

static void a_disk_without_room_for_a_window_is_filled_all_the_same(void **state)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		int line = on_a_full_disk();

		if (line && line != 77)
			print_message("line %d: %s\n", line, err.text);
		_exit(line == 0 || line == 77 ? line : 1);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(windows_grow_with_the_file_and_go_back_at_the_end, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(a_small_file_takes_no_more_than_its_blocks, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_long_file_lies_in_few_pieces, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_disk_without_room_for_a_window_is_filled_all_the_same, make_dir,
						remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
