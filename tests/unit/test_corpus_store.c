/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows, queries, the index, and the directory store with what crashes leave in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>
#include <cmocka.h>

#include "corpus/index.h"
#include "corpus/store.h"

static char dir[64], corpus[80], path[300];
static struct sr_error err;
static struct crp_store *store;

static int setup(void **state)
{
	strcpy(dir, "/tmp/schedrec-corpus.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(corpus, sizeof(corpus), "%s/c", dir);
	store = crp_open(corpus, CRP_CREATE, &err);
	if (!store)
		fail_msg("%s", err.text);
	return 0;
}

static int teardown(void **state)
{
	char cmd[100];

	crp_close(store);
	store = NULL;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static void expect(enum sr_status status, const char *text)
{
	assert_int_equal(err.status, status);
	if (!strstr(err.text, text))
		fail_msg("'%s' lacks '%s'", err.text, text);
	assert_null(strchr(err.text, '\n'));
}

static void reopen(enum crp_access access)
{
	crp_close(store);
	store = crp_open(corpus, access, &err);
	if (!store)
		fail_msg("%s", err.text);
}

/* A file with these bytes, open for reading, and its row. */
static int make_object(const char *bytes, struct crp_row *row)
{
	int fd;

	memset(row, 0, sizeof(*row));
	snprintf(path, sizeof(path), "%s/object", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
	assert_int_equal(sr_sha256_file(path, row->sha256, &err), 0);
	row->bytes = strlen(bytes);
	strcpy(row->licence, "CC-BY-4.0");
	strcpy(row->kernel, "6.1.0-50-amd64");
	strcpy(row->program, "build");
	strcpy(row->contributor, "0123abcd");
	row->cpus = 8;
	row->duration_ns = 5000000000;
	crp_row_feature(row, "switch_rate", 1234.5);
	return fd;
}

static void put(const char *bytes, struct crp_row *row, int want)
{
	int fd = make_object(bytes, row);

	if (crp_put(store, fd, row, NULL, &err) != want)
		fail_msg("put of '%s': %s", bytes, err.text);
	close(fd);
}

static unsigned files_in(const char *name)
{
	unsigned n = 0;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", corpus, name);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static const char *object(const struct crp_row *row)
{
	snprintf(path, sizeof(path), "%s/sha256/%.2s/%s", corpus, row->sha256, row->sha256);
	return path;
}

static int count(void *arg, const struct crp_row *row, struct sr_error *e)
{
	++*(unsigned *)arg;
	return 0;
}

static unsigned listed(const char *query)
{
	struct crp_query q;
	unsigned n = 0;

	if (crp_query_parse(&q, query, &err) || crp_list(store, &q, count, &n, &err))
		fail_msg("%s", err.text);
	return n;
}

/* Rows and queries */

static void test_row_comes_back_from_its_text(void **state)
{
	struct crp_row row, back;
	char text[CRP_ROW_TEXT];

	close(make_object("x", &row));
	strcpy(row.machine, "2 cores, 2 CPUs \xc3\xa4");
	memset(row.token_sha256, 'a', 64);
	row.lost = UINT64_MAX;
	crp_row_feature(&row, "a", 0.1);
	crp_row_feature(&row, "z.z", -1e-30);
	assert_int_equal(crp_row_parse(&back, text, crp_row_text(&row, text), &err), 0);
	assert_memory_equal(&row, &back, sizeof(row));
}

static void test_longest_row_fits_its_text(void **state)
{
	struct crp_row row = { 0 }, back;
	char text[CRP_ROW_TEXT], name[32];

	memset(row.sha256, 'f', 64);
	memset(row.token_sha256, 'f', 64);
	memset(row.contributor, 'f', sizeof(row.contributor) - 1);
	memset(row.licence, 'l', sizeof(row.licence) - 1);
	memset(row.program, 'p', sizeof(row.program) - 1);
	memset(row.machine, 'm', sizeof(row.machine) - 1);
	memset(row.cpu_model, 'm', sizeof(row.cpu_model) - 1);
	memset(row.arch, 'm', sizeof(row.arch) - 1);
	memset(row.kernel, 'k', sizeof(row.kernel) - 1);
	memset(row.scope, 's', sizeof(row.scope) - 1);
	memset(row.engine, 'e', sizeof(row.engine) - 1);
	row.consent = row.cpus = row.nodes = UINT32_MAX;
	row.bytes = CRP_MAX_OBJECT;
	row.added_s = row.duration_ns = row.events = row.lost = row.tasks = UINT64_MAX;
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "n%030d", i);
		crp_row_feature(&row, name, -1.17549435e-38 * (i + 1));
	}
	assert_int_equal(row.nfeatures, CRP_FEATURES);
	assert_int_equal(crp_row_parse(&back, text, crp_row_text(&row, text), &err), 0);
	assert_memory_equal(&row, &back, sizeof(row));
}

static void test_rows_that_are_none(void **state)
{
	static const char *const sha = "sha256 0000000000000000000000000000000000000000000000000000000000000000\n";
	static const struct {
		const char *text, *said;
	} wrong[] = {
		{ "", "begin" },
		{ "schedrec-row 2\n", "begin" },
		{ "cpus 3\n", "sha256 is missing" },
		{ "sha256 00\n", "64" },
		{ "%scpus 4294967296\n", "cpus is no number" },
		{ "%scpus -1\n", "cpus is no number" },
		{ "%scpus\n", "KEY VALUE" },
		{ "%scpus 3", "cut" },
		{ "%scpus 3\ncpus 3\n", "twice" },
		{ "%skernel a\x1b[2J\n", "characters" },
		{ "%skernel \xff\n", "characters" },
		{ "%skernel \xe2\x80\xae\n", "characters" },
		{ "%slicence 123456789012345678901234567890123\n", "too long" },
		{ "%sfeature.A 1\n", "wrong name" },
		{ "%sfeature.a nan\n", "wrong name or value" },
		{ "%sfeature.a 1\nfeature.a 1\n", "twice" },
		{ "%scontributor xyz\n", "hexadecimal" },
		{ "%sbytes 99999999999999\n", "larger" },
	};
	struct crp_row row;
	char text[512], whole[600];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), wrong[i].text, sha);
		snprintf(whole, sizeof(whole), "%s%s", i < 2 ? "" : "schedrec-row 1\n", text);
		assert_int_equal(crp_row_parse(&row, whole, strlen(whole), &err), -1);
		expect(SR_DAMAGED, wrong[i].said);
	}
	snprintf(whole, sizeof(whole), "schedrec-row 1\n%sfuture thing\n", sha);
	assert_int_equal(crp_row_parse(&row, whole, strlen(whole), &err), 0);
	whole[20] = '\0';
	assert_int_equal(crp_row_parse(&row, whole, 100, &err), -1);
}

static void test_queries(void **state)
{
	static const struct {
		const char *query;
		int matches;
	} cases[] = {
		{ "", 1 },
		{ "kernel=6.1", 1 },
		{ "kernel=6.2", 0 },
		{ "kernel=6.*-AMD64", 1 },
		{ "kernel=amd64*", 0 },
		{ "cpus=8", 1 },
		{ "cpus=..7", 0 },
		{ "cpus=4..8,program=build", 1 },
		{ "cpus=4..8,program=web", 0 },
		{ "duration=5s", 1 },
		{ "duration=5001ms..", 0 },
		{ "switch_rate=1000..2000", 1 },
		{ "switch_rate=2000..", 0 },
		{ "no_such_feature=0..", 0 },
		{ "bytes=..1k", 1 },
	};
	static const char *const wrong[] = { "kernel",
					     "=x",
					     "kernel=",
					     "cpus=a",
					     "cpus=3..2",
					     "duration=5",
					     "token_sha256=a",
					     "Kernel=6",
					     "a=1..x",
					     "kernel=\x01",
					     "a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1" };
	struct crp_row row;
	struct crp_query q;

	put("x", &row, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (crp_query_parse(&q, cases[i].query, &err))
			fail_msg("%s: %s", cases[i].query, err.text);
		if (crp_query_matches(&q, &row) != cases[i].matches ||
		    listed(cases[i].query) != (unsigned)cases[i].matches)
			fail_msg("%s", cases[i].query);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (!crp_query_parse(&q, wrong[i], &err))
			fail_msg("taken: %s", wrong[i]);
		expect(SR_USAGE, "query");
	}
}

static void test_sha256_queries_by_beginning(void **state)
{
	struct crp_row row;
	char q[32];

	put("x", &row, 1);
	snprintf(q, sizeof(q), "sha256=%.6s", row.sha256);
	assert_int_equal(listed(q), 1);
	q[7] = q[7] == '0' ? '1' : '0';
	assert_int_equal(listed(q), 0);
}

/* The directory store */

static void test_object_comes_back(void **state)
{
	struct crp_row row, found;
	char text[16] = "";
	int fd;

	put("hello", &row, 1);
	assert_int_equal(crp_find(store, row.sha256, &found, &err), 1);
	assert_true(found.added_s > 1600000000);
	found.added_s = 0;
	assert_memory_equal(&row, &found, sizeof(row));
	snprintf(path, sizeof(path), "%s/back", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(crp_get(store, row.sha256, fd, NULL, &err), 0);
	assert_int_equal(pread(fd, text, sizeof(text), 0), 5);
	assert_string_equal(text, "hello");
	close(fd);
	assert_int_equal(files_in("incoming"), 0);
	/* A reader needs no right to write. */
	reopen(CRP_READ);
	assert_int_equal(listed(NULL), 1);
}

static void test_second_put_changes_nothing(void **state)
{
	struct crp_row row, found;

	put("hello", &row, 1);
	put("hello", &row, 0);
	assert_int_equal(listed(NULL), 1);
	strcpy(row.licence, "other");
	assert_int_equal(crp_find(store, row.sha256, &found, &err), 1);
	assert_string_equal(found.licence, "CC-BY-4.0");
	assert_int_equal(files_in("incoming"), 0);
}

static void test_wrong_hash_leaves_nothing(void **state)
{
	struct crp_row row;
	int fd = make_object("hello", &row);

	row.sha256[5] ^= 1;
	if (row.sha256[5] > '9' && row.sha256[5] < 'a')
		row.sha256[5] = '0';
	assert_int_equal(crp_put(store, fd, &row, NULL, &err), -1);
	expect(SR_DAMAGED, "SHA-256");
	close(fd);
	assert_int_equal(files_in("incoming") + files_in("sha256") + listed(NULL), 0);
}

static int stop(void *arg, uint64_t done, uint64_t total)
{
	return 1;
}

static void test_interrupted_put_leaves_nothing(void **state)
{
	struct crp_watch watch = { stop, NULL };
	struct crp_row row;
	int fd = make_object("hello", &row);

	assert_int_equal(crp_put(store, fd, &row, &watch, &err), -1);
	expect(SR_INTERRUPTED, "interrupted");
	close(fd);
	assert_int_equal(files_in("incoming") + files_in("sha256") + listed(NULL), 0);
}

static void test_get_of_damaged_object(void **state)
{
	struct crp_row row;
	int fd;

	put("hello", &row, 1);
	chmod(object(&row), 0600);
	fd = open(object(&row), O_WRONLY);
	assert_int_equal(pwrite(fd, "j", 1, 0), 1);
	close(fd);
	fd = open("/dev/null", O_WRONLY);
	assert_int_equal(crp_get(store, row.sha256, fd, NULL, &err), -1);
	expect(SR_DAMAGED, "damaged");
	unlink(object(&row));
	assert_int_equal(crp_get(store, row.sha256, fd, NULL, &err), -1);
	expect(SR_DAMAGED, "not there");
	/* A push of the same puts it right. */
	put("hello", &row, 0);
	assert_int_equal(crp_get(store, row.sha256, fd, NULL, &err), 0);
	close(fd);
}

static void test_remove_needs_the_token(void **state)
{
	char token[CRP_TOKEN_TEXT], other[CRP_TOKEN_TEXT], ignored[SR_SHA256_TEXT];
	struct crp_row row;
	int fd = make_object("hello", &row);

	assert_int_equal(crp_token_new(token, row.token_sha256, &err), 0);
	assert_int_equal(crp_token_new(other, ignored, &err), 0);
	assert_int_equal(strlen(token), CRP_TOKEN_TEXT - 1);
	assert_string_not_equal(token, other);
	assert_int_equal(crp_put(store, fd, &row, NULL, &err), 1);
	close(fd);
	assert_int_equal(crp_remove(store, row.sha256, other, &err), -1);
	expect(SR_USAGE, "token");
	assert_int_equal(crp_remove(store, row.sha256, row.token_sha256, &err), -1);
	assert_int_equal(listed(NULL), 1);
	if (crp_remove(store, row.sha256, token, &err))
		fail_msg("%s", err.text);
	assert_int_equal(listed(NULL) + files_in("incoming"), 0);
	assert_int_equal(access(object(&row), F_OK), -1);
	assert_int_equal(crp_remove(store, row.sha256, token, &err), -1);
	expect(SR_ENVIRONMENT, "no object");
	/* One without a token cannot be removed by any. */
	put("world", &row, 1);
	assert_int_equal(crp_remove(store, row.sha256, "", &err), -1);
	expect(SR_USAGE, "token");
}

/* What each crash leaves: a name in incoming/, with or without an object, with or without a row. */
static void test_sweep(void **state)
{
	char from[300], to[400];
	struct crp_row kept, orphan;

	put("kept", &kept, 1);
	put("orphan", &orphan, 1);
	/* Died before the row: the object has its name, and incoming/ tells of it. */
	snprintf(from, sizeof(from), "%s", object(&orphan));
	snprintf(to, sizeof(to), "%s/incoming/%s-12", corpus, orphan.sha256);
	assert_int_equal(link(from, to), 0);
	crp_close(store);
	store = NULL;
	{
		char index[100];
		struct crp_index *ix;

		snprintf(index, sizeof(index), "%s/index", corpus);
		ix = crp_index_open(index, CRP_WRITE, &err);
		assert_int_equal(crp_index_remove(ix, orphan.sha256, &err), 1);
		crp_index_close(ix);
	}
	/* Died behind the row. */
	snprintf(from, sizeof(from), "%s", object(&kept));
	snprintf(to, sizeof(to), "%s/incoming/%s-34", corpus, kept.sha256);
	assert_int_equal(link(from, to), 0);
	/* Died while bytes came. */
	snprintf(to, sizeof(to), "%s/incoming/0123.part", corpus);
	close(open(to, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(files_in("incoming"), 3);
	reopen(CRP_READ);
	assert_int_equal(files_in("incoming"), 3);
	reopen(CRP_WRITE);
	assert_int_equal(files_in("incoming"), 0);
	assert_int_equal(access(object(&orphan), F_OK), -1);
	assert_int_equal(access(object(&kept), F_OK), 0);
	assert_int_equal(listed(NULL), 1);
}

static void test_sweep_spares_what_is_written(void **state)
{
	struct crp_intake *in = crp_intake_begin(store, &err);
	struct crp_store *other;
	char sha256[SR_SHA256_TEXT];
	struct crp_row row;
	uint64_t bytes;

	assert_int_equal(crp_intake_write(in, "hel", 3, &err), 0);
	other = crp_open(corpus, CRP_WRITE, &err);
	assert_non_null(other);
	assert_int_equal(files_in("incoming"), 1);
	crp_close(other);
	assert_int_equal(crp_intake_write(in, "lo", 2, &err), 0);
	assert_int_equal(crp_intake_seal(in, sha256, &bytes, &err), 0);
	assert_int_equal(access(crp_intake_path(in), R_OK), 0);
	close(make_object("hello", &row));
	assert_string_equal(row.sha256, sha256);
	assert_int_equal(crp_intake_commit(in, &row, &err), 1);
	assert_int_equal(listed(NULL), 1);
	in = crp_intake_begin(store, &err);
	crp_intake_abort(in);
	assert_int_equal(files_in("incoming"), 0);
}

/* Eight writers put the same forty objects, and are killed at random; the ninth finishes the work. */
static void test_killed_writers(void **state)
{
	struct crp_row row;
	pid_t pid[8];
	char bytes[16];
	bool done = false;

	crp_close(store);
	store = NULL;
	for (int i = 0; i < 8; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		snprintf(dir + strlen(dir), 4, "/%d", i);
		mkdir(dir, 0700);
		store = crp_open(corpus, CRP_WRITE, &err);
		for (int k = 0; store && k < 40; k++) {
			int fd;

			snprintf(bytes, sizeof(bytes), "object %d", k);
			fd = make_object(bytes, &row);
			if (crp_put(store, fd, &row, NULL, &err) < 0)
				break;
			close(fd);
			done = k == 39;
		}
		if (!done)
			fprintf(stderr, "writer %d: %s\n", i, err.text);
		_exit(!done);
	}
	for (int i = 0; i < 7; i++) {
		usleep(20000);
		kill(pid[i], SIGKILL);
	}
	for (int i = 0; i < 8; i++) {
		int status;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		if (i == 7)
			assert_int_equal(status, 0);
	}
	reopen(CRP_WRITE);
	for (int k = 0; k < 40; k++) {
		snprintf(bytes, sizeof(bytes), "object %d", k);
		put(bytes, &row, 0);
		assert_int_equal(access(object(&row), F_OK), 0);
	}
	assert_int_equal(listed(NULL), 40);
	assert_int_equal(files_in("incoming"), 0);
}

static int finding(void *arg, const char *sha256, const char *what, struct sr_error *e)
{
	++*(unsigned *)arg;
	return 0;
}

static void test_full_disk(void **state)
{
	struct rlimit old, limit = { 0, 0 };
	struct crp_row row;
	unsigned found = 0;
	int fd = make_object("0123456789", &row);

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	for (rlim_t size = 0; size < 40000; size += size < 20 ? 5 : 4096) {
		limit = (struct rlimit){ size, old.rlim_max };
		setrlimit(RLIMIT_FSIZE, &limit);
		if (crp_put(store, fd, &row, NULL, &err) < 0)
			assert_int_equal(err.status, SR_ENVIRONMENT);
	}
	setrlimit(RLIMIT_FSIZE, &old);
	assert_true(crp_put(store, fd, &row, NULL, &err) >= 0);
	close(fd);
	reopen(CRP_WRITE);
	assert_int_equal(store->ops->check(store, finding, &found, &err), 0);
	assert_int_equal(found, 0);
	assert_int_equal(listed(NULL), 1);
	assert_int_equal(files_in("incoming"), 0);
}

static void test_check_finds_strays(void **state)
{
	struct crp_row row;
	unsigned found = 0;
	char name[200];

	put("x", &row, 1);
	assert_int_equal(store->ops->check(store, finding, &found, &err), 0);
	assert_int_equal(found, 0);
	snprintf(name, sizeof(name), "%s/sha256/%.2s/readme", corpus, row.sha256);
	close(open(name, O_WRONLY | O_CREAT, 0600));
	snprintf(name, sizeof(name), "%s/sha256/%.2s/%.2s%062d", corpus, row.sha256, row.sha256, 0);
	close(open(name, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(store->ops->check(store, finding, &found, &err), 0);
	assert_int_equal(found, 2);
}

struct removing {
	struct crp_store *store;
	struct crp_row row;
	char token[CRP_TOKEN_TEXT];
	bool done;
};

static int remove_it(void *arg, uint64_t done, uint64_t total)
{
	struct removing *r = arg;

	if (!r->done)
		assert_int_equal(crp_remove(r->store, r->row.sha256, r->token, &err), 0);
	r->done = true;
	return 0;
}

/* While the first of two is read, the other one goes. */
static void test_verify_goes_on_when_an_object_is_removed(void **state)
{
	struct removing r = { .done = false };
	struct crp_watch watch = { remove_it, &r };
	uint64_t objects;
	unsigned found = 0;
	struct crp_row row[2];
	int fd;

	assert_int_equal(crp_token_new(r.token, row[0].token_sha256, &err), 0);
	for (int i = 0; i < 2; i++) {
		char hash[SR_SHA256_TEXT];

		memcpy(hash, row[0].token_sha256, sizeof(hash));
		fd = make_object(i ? "one" : "two", &row[i]);
		memcpy(row[i].token_sha256, hash, sizeof(hash));
		assert_int_equal(crp_put(store, fd, &row[i], NULL, &err), 1);
		close(fd);
	}
	r.row = strcmp(row[0].sha256, row[1].sha256) > 0 ? row[0] : row[1];
	r.store = crp_open(corpus, CRP_WRITE, &err);
	assert_non_null(r.store);
	if (crp_verify(store, NULL, dir, &watch, finding, &found, &objects, &err))
		fail_msg("%s", err.text);
	assert_true(r.done);
	/* The one that stays is no trace. */
	assert_int_equal(found, 1);
	crp_close(r.store);
}

static void test_what_is_no_corpus(void **state)
{
	char name[100];

	snprintf(name, sizeof(name), "%s/none", dir);
	assert_null(crp_open(name, CRP_READ, &err));
	expect(SR_ENVIRONMENT, "No such file");
	mkdir(name, 0700);
	assert_null(crp_open(name, CRP_WRITE, &err));
	expect(SR_ENVIRONMENT, "corpus init");
	assert_null(crp_open(dir, CRP_CREATE, &err));
	expect(SR_ENVIRONMENT, "other things");
	assert_null(crp_open("ftp://x/y", CRP_READ, &err));
	expect(SR_USAGE, "no kind of corpus");
	assert_null(crp_open("", CRP_READ, &err));
	expect(SR_USAGE, "no URL");
	assert_int_equal(crp_find(store, "../../etc/passwd", &(struct crp_row){ 0 }, &err), -1);
	expect(SR_USAGE, "no object's name");
}

static void test_damaged_index(void **state)
{
	struct crp_row row, found;
	char name[200];
	unsigned n = 0;
	int fd;

	put("x", &row, 1);
	crp_close(store);
	store = NULL;
	snprintf(name, sizeof(name), "%s/index/%c.db", corpus, row.sha256[0]);
	fd = open(name, O_WRONLY);
	for (int i = 3; i < 8; i++)
		assert_int_equal(pwrite(fd, "\xff\xfe\x00\x01", 4, 4096 * i + 1), 4);
	close(fd);
	reopen(CRP_READ);
	assert_int_equal(store->ops->check(store, finding, &n, &err), 0);
	assert_true(n >= 1);
	fd = open(name, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "not a database, but long enough to be looked at", 47), 47);
	close(fd);
	reopen(CRP_READ);
	assert_int_equal(crp_find(store, row.sha256, &found, &err), -1);
	expect(SR_DAMAGED, "index is damaged");
}

/* The index */

static int in_order(void *arg, const struct crp_row *row, struct sr_error *e)
{
	char *last = arg;

	if (strcmp(last, row->sha256) >= 0)
		return sr_fail(e, SR_BUG, "out of order");
	memcpy(last, row->sha256, SR_SHA256_TEXT);
	return 0;
}

static int point(void *arg, const struct crp_point *p, struct sr_error *e)
{
	double *sum = arg;

	if (p->n != 2)
		return sr_fail(e, SR_BUG, "not two");
	sum[0] += (double)p->contributor;
	sum[1] += (double)p->value[0] + (double)p->value[1];
	return 0;
}

static void test_listing_goes_on_where_it_ended(void **state)
{
	char last[SR_SHA256_TEXT] = "", name[SR_SHA256_TEXT];
	struct crp_row row = { 0 };
	struct crp_query q = { .limit = 7 };
	struct crp_index *ix;
	double sum[2] = { 0 };
	uint64_t n;

	snprintf(path, sizeof(path), "%s/ix", dir);
	mkdir(path, 0700);
	ix = crp_index_open(path, CRP_WRITE, &err);
	crp_index_begin(ix);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%02x%062u", i * 2654435761u >> 24, i);
		memcpy(row.sha256, name, sizeof(name));
		snprintf(row.contributor, sizeof(row.contributor), "%x", i % 3);
		row.nfeatures = 0;
		crp_row_feature(&row, i % 2 ? "a" : "b", i);
		crp_row_feature(&row, "c", 1);
		assert_int_equal(crp_index_add(ix, &row, &err), 1);
		assert_int_equal(crp_index_add(ix, &row, &err), 0);
	}
	assert_int_equal(crp_index_commit(ix, &err), 0);
	crp_index_close(ix);
	ix = crp_index_open(path, CRP_READ, &err);
	for (unsigned i = 0; i < 15; i++) {
		if (crp_index_list(ix, &q, in_order, last, &err))
			fail_msg("%s", err.text);
		memcpy(q.after, last, sizeof(last));
	}
	assert_int_equal(crp_index_count(ix, &(struct crp_query){ 0 }, &n, &err), 0);
	assert_int_equal(n, 100);
	if (crp_index_points(ix, &(struct crp_query){ 0 }, point, sum, &err))
		fail_msg("%s", err.text);
	assert_true(sum[0] == 99 && sum[1] == 99 * 50 + 100);
	assert_int_equal(crp_index_add(ix, &row, &err), -1);
	expect(SR_BUG, "for reading");
	crp_index_close(ix);
}

static int third_look(void *arg, uint64_t done, uint64_t total)
{
	return ++*(unsigned *)arg == 3;
}

/* Rows that do not match are looked through in vain: that has an end, too. */
static void test_a_search_ends_when_its_watch_says_so(void **state)
{
	struct crp_row row = { 0 };
	struct crp_query q;
	struct crp_index *ix;
	unsigned asked = 0, n = 0;
	double sum[2];

	snprintf(path, sizeof(path), "%s/ix", dir);
	mkdir(path, 0700);
	ix = crp_index_open(path, CRP_WRITE, &err);
	crp_index_begin(ix);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(row.sha256, sizeof(row.sha256), "0%063u", i);
		assert_int_equal(crp_index_add(ix, &row, &err), 1);
	}
	assert_int_equal(crp_index_commit(ix, &err), 0);
	crp_index_watch(ix, &(struct crp_watch){ third_look, &asked });
	assert_int_equal(crp_query_parse(&q, "sha256=*f,bytes=5..", &err), 0);
	assert_int_equal(crp_index_pages(ix, &q, count, &n, &err), -1);
	expect(SR_INTERRUPTED, "interrupted");
	assert_int_equal(asked, 3);
	asked = 0;
	assert_int_equal(crp_index_points(ix, &q, point, sum, &err), -1);
	expect(SR_INTERRUPTED, "interrupted");
	/* Changes are not watched, and the index goes on. */
	asked = 2;
	strcpy(row.sha256 + 60, "abcd");
	assert_int_equal(crp_index_add(ix, &row, &err), 1);
	assert_int_equal(asked, 2);
	crp_index_watch(ix, NULL);
	assert_int_equal(crp_index_pages(ix, &q, count, &n, &err), 0);
	assert_int_equal(n, 0);
	crp_index_close(ix);
}

/* A writer that was killed in the middle of a change leaves a journal: who only reads undoes it. */
static void test_what_a_killed_writer_left_is_read(void **state)
{
	struct crp_row row, found;
	char name[200];
	sqlite3 *sql;
	pid_t pid;
	int status;

	put("x", &row, 1);
	crp_close(store);
	store = NULL;
	snprintf(name, sizeof(name), "%s/index/%c.db", corpus, row.sha256[0]);
	pid = fork();
	if (!pid) {
		/* More than its cache holds goes into the file before the end. */
		if (sqlite3_open(name, &sql) ||
		    sqlite3_exec(sql,
				 "PRAGMA cache_size = 5; BEGIN; DELETE FROM object;"
				 "INSERT INTO word (text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
				 " SELECT i + 1 FROM n WHERE i < 20000) SELECT 'word ' || i FROM n",
				 NULL, NULL, NULL))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	strcat(name, "-journal");
	assert_int_equal(access(name, F_OK), 0);
	reopen(CRP_READ);
	if (crp_find(store, row.sha256, &found, &err) != 1)
		fail_msg("%s", err.text);
	assert_string_equal(found.kernel, row.kernel);
}

static int (*open_directory)(const char *, int *);
static unsigned directories;

static int counted_open_directory(const char *file, int *fd)
{
	directories++;
	return open_directory(file, fd);
}

/* A journal that a power failure brings back would undo the row: its directory is synced when it came and when it went. */
static void test_a_row_stays(void **state)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	struct crp_row row = { 0 };
	struct crp_index *ix;

	snprintf(path, sizeof(path), "%s/ix", dir);
	mkdir(path, 0700);
	ix = crp_index_open(path, CRP_WRITE, &err);
	snprintf(row.sha256, sizeof(row.sha256), "%064d", 1);
	assert_int_equal(crp_index_add(ix, &row, &err), 1);
	open_directory = (int (*)(const char *, int *))vfs->xGetSystemCall(vfs, "openDirectory");
	assert_non_null(open_directory);
	directories = 0;
	vfs->xSetSystemCall(vfs, "openDirectory", (sqlite3_syscall_ptr)counted_open_directory);
	snprintf(row.sha256, sizeof(row.sha256), "%064d", 2);
	assert_int_equal(crp_index_add(ix, &row, &err), 1);
	vfs->xSetSystemCall(vfs, "openDirectory", NULL);
	assert_int_equal(directories, 2);
	crp_index_close(ix);
}

/* Who looked while a writer was about to make the tables, or had no room for them, sees the rows that come later. */
static void test_a_reader_that_came_too_early_looks_again(void **state)
{
	struct crp_index *reader, *writer;
	struct crp_row row, found;
	char shard[400];
	FILE *f;

	close(make_object("one", &row));
	snprintf(path, sizeof(path), "%s/ix", dir);
	mkdir(path, 0700);
	snprintf(shard, sizeof(shard), "%s/%c.db", path, row.sha256[0]);
	f = fopen(shard, "w");
	assert_non_null(f);
	fclose(f);
	reader = crp_index_open(path, CRP_READ, &err);
	assert_int_equal(crp_index_find(reader, row.sha256, &found, &err), 0);
	writer = crp_index_open(path, CRP_WRITE, &err);
	assert_int_equal(crp_index_add(writer, &row, &err), 1);
	assert_int_equal(crp_index_find(reader, row.sha256, &found, &err), 1);
	crp_index_close(writer);
	crp_index_close(reader);
}

static void test_notes(void **state)
{
	struct crp_index *ix;
	char v[8];

	snprintf(path, sizeof(path), "%s/ix", dir);
	mkdir(path, 0700);
	ix = crp_index_open(path, CRP_WRITE, &err);
	assert_int_equal(crp_index_note_get(ix, "k", v, sizeof(v), &err), 0);
	assert_int_equal(crp_index_note_set(ix, "k", "one", &err), 0);
	assert_int_equal(crp_index_note_set(ix, "k", "two", &err), 0);
	assert_int_equal(crp_index_note_get(ix, "k", v, sizeof(v), &err), 1);
	assert_string_equal(v, "two");
	crp_index_close(ix);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_row_comes_back_from_its_text),
		T(test_longest_row_fits_its_text),
		T(test_rows_that_are_none),
		T(test_queries),
		T(test_sha256_queries_by_beginning),
		T(test_object_comes_back),
		T(test_second_put_changes_nothing),
		T(test_wrong_hash_leaves_nothing),
		T(test_interrupted_put_leaves_nothing),
		T(test_get_of_damaged_object),
		T(test_remove_needs_the_token),
		T(test_sweep),
		T(test_sweep_spares_what_is_written),
		T(test_killed_writers),
		T(test_full_disk),
		T(test_check_finds_strays),
		T(test_verify_goes_on_when_an_object_is_removed),
		T(test_what_is_no_corpus),
		T(test_damaged_index),
		T(test_listing_goes_on_where_it_ended),
		T(test_a_search_ends_when_its_watch_says_so),
		T(test_what_a_killed_writer_left_is_read),
		T(test_a_row_stays),
		T(test_a_reader_that_came_too_early_looks_again),
		T(test_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
