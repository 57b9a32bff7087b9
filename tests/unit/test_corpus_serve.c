/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the server of a corpus that need no network: requests, tokens, and the decoding of uploads. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "corpus/serve_check.h"
#include "corpus/serve_request.h"
#include "corpus/token.h"
#include "tests/unit/trace_builder.h"

#define SHA "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void paths_are_a_closed_list(void **state)
{
	static const char *const wrong[] = { "",
					     "/v1",
					     "/v1/objects",
					     "/v1/objects/",
					     "/v1/objects/ab",
					     "/v1/rows/",
					     "//v1/rows",
					     "/v1/objects/" SHA "0",
					     "/healthz/",
					     "/tokens",
					     "/entries/../tokens",
					     "/v1/objects/" SHA "%00",
					     "/v1/rows?x",
					     "v1/rows",
					     "/v1/objects/../" SHA };
	char sha256[SR_SHA256_TEXT];

	assert_int_equal(crp_target_parse("/v1/objects/" SHA, sha256), CRP_T_OBJECT);
	assert_string_equal(sha256, SHA);
	assert_int_equal(crp_target_parse("/v1/rows/" SHA, sha256), CRP_T_ROW);
	assert_int_equal(crp_target_parse("/", sha256), CRP_T_HOME);
	assert_string_equal(sha256, "");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (crp_target_parse(wrong[i], sha256) != CRP_T_NONE)
			fail_msg("%s is a target", wrong[i]);
		assert_string_equal(sha256, "");
	}
}

static void lengths_are_digits_below_two_to_63(void **state)
{
	static const char *const wrong[] = { "", "-1", "+1", " 1", "1 ", "0x1", "9223372036854775808", "1e3" };
	uint64_t v;

	assert_int_equal(crp_length_parse("9223372036854775807", &v), 0);
	assert_true(v == INT64_MAX);
	assert_int_equal(crp_length_parse("0", &v), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(crp_length_parse(wrong[i], &v), -1);
	assert_int_equal(crp_limit_parse("1000", 1000), 1000);
	assert_int_equal(crp_limit_parse("1001", 1000), 0);
	assert_int_equal(crp_limit_parse("0", 1000), 0);
}

static void ranges(void **state)
{
	uint64_t first, length;

	assert_int_equal(crp_range_parse("bytes=0-0", 10, &first, &length), 1);
	assert_true(first == 0 && length == 1);
	assert_int_equal(crp_range_parse("bytes=3-", 10, &first, &length), 1);
	assert_true(first == 3 && length == 7);
	assert_int_equal(crp_range_parse("bytes=-3", 10, &first, &length), 1);
	assert_true(first == 7 && length == 3);
	assert_int_equal(crp_range_parse("bytes=-30", 10, &first, &length), 1);
	assert_true(first == 0 && length == 10);
	assert_int_equal(crp_range_parse("bytes=5-9223372036854775807", 10, &first, &length), 1);
	assert_true(first == 5 && length == 5);
	assert_int_equal(crp_range_parse("bytes=10-", 10, &first, &length), -1);
	assert_int_equal(crp_range_parse("bytes=-0", 10, &first, &length), -1);
	assert_int_equal(crp_range_parse("bytes=0-", 0, &first, &length), -1);
	assert_int_equal(crp_range_parse("bytes=5-4", 10, &first, &length), 0);
	assert_int_equal(crp_range_parse("bytes=0-1,3-4", 10, &first, &length), 0);
	assert_int_equal(crp_range_parse(NULL, 10, &first, &length), 0);
}

static void conditions(void **state)
{
	assert_true(crp_etag_matches("\"" SHA "\"", SHA));
	assert_true(crp_etag_matches("\"x\" , W/\"" SHA "\"", SHA));
	assert_true(crp_etag_matches(" * ", SHA));
	assert_false(crp_etag_matches(SHA, SHA));
	assert_false(crp_etag_matches("\"" SHA, SHA));
	assert_false(crp_etag_matches("", SHA));
	assert_false(crp_etag_matches(NULL, SHA));
	assert_false(crp_etag_differs("\"x\", \"" SHA "\"", SHA));
	assert_false(crp_etag_differs("*", SHA));
	assert_false(crp_etag_differs(NULL, SHA));
	assert_true(crp_etag_differs("W/\"" SHA "\"", SHA));
	assert_true(crp_etag_differs("\"x\"", SHA));
	assert_true(crp_etag_differs("", SHA));
	assert_true(crp_etag_is("\"" SHA "\"", SHA));
	assert_false(crp_etag_is("W/\"" SHA "\"", SHA));
}

static void percent_encoding_goes_both_ways(void **state)
{
	char out[64], back[64];

	assert_int_equal(crp_percent_decode("a%3Db%2c%C3%a9", out, sizeof(out)), 0);
	assert_string_equal(out, "a=b,\xc3\xa9");
	crp_percent_encode(out, back, sizeof(back));
	assert_string_equal(back, "a%3Db%2C%C3%A9");
	assert_int_equal(crp_percent_decode("%", out, sizeof(out)), -1);
	assert_int_equal(crp_percent_decode("%4", out, sizeof(out)), -1);
	assert_int_equal(crp_percent_decode("%00", out, sizeof(out)), -1);
	assert_int_equal(crp_percent_decode("%0a", out, sizeof(out)), -1);
	assert_int_equal(crp_percent_decode("\xc3\xa9", out, sizeof(out)), -1);
	assert_int_equal(crp_percent_decode("abc", out, 3), -1);
}

static void a_row_survives_its_header(void **state)
{
	struct crp_row row = { .bytes = 5, .consent = 1 }, back;
	char header[CRP_ROW_HEADER];
	struct sr_error err;

	strcpy(row.sha256, SHA);
	/* All three lengths of the last group. */
	for (int i = 1; i < 4; i++) {
		memset(row.machine, 'm', (size_t)i);
		crp_row_feature(&row, "busy_share", 0.25 * i);
		crp_row_wrap(&row, header);
		assert_int_equal(strspn(header, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
				 strlen(header));
		assert_int_equal(crp_row_unwrap(&back, header, &err), 0);
		assert_memory_equal(&row, &back, sizeof(row));
	}
	assert_int_equal(crp_row_unwrap(&back, "A", &err), -1);
	assert_int_equal(crp_row_unwrap(&back, "c2No=", &err), -1);
	assert_int_equal(crp_row_unwrap(&back, "", &err), -1);
}

/* Tokens */

static void in_a_directory(char dir[64])
{
	strcpy(dir, "/tmp/schedrec-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

static void remove_directory(const char *dir)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/tokens", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/tokens.lock", dir);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

static void a_token_opens_until_it_is_revoked(void **state)
{
	struct crp_upload_token a = { .max_bytes = 10, .max_objects = 2 }, b = { .max_bytes = 1 };
	char dir[64], text[CRP_UPLOAD_TOKEN], other[CRP_UPLOAD_TOKEN];
	const struct crp_upload_token *found;
	struct crp_tokens t;
	struct sr_error err;

	in_a_directory(dir);
	strcpy(a.name, "alice of A");
	strcpy(b.name, "bob");
	assert_int_equal(crp_tokens_load(&t, dir, &err), 0);
	assert_int_equal(t.n, 0);
	assert_int_equal(crp_token_add(dir, &a, text, &err), 0);
	assert_int_equal(crp_token_add(dir, &b, other, &err), 0);
	assert_true(crp_upload_token_is_one(text) && strcmp(text, other) != 0);
	assert_int_equal(crp_tokens_reload(&t, dir, &err), 1);
	assert_int_equal(crp_tokens_reload(&t, dir, &err), 0);
	found = crp_tokens_match(&t, text);
	assert_non_null(found);
	assert_string_equal(found->name, "alice of A");
	assert_string_equal(found->contributor, a.contributor);
	assert_true(found->max_bytes == 10 && found->max_objects == 2);
	/* The id of one with the secret of the other. */
	memcpy(other + 4, text + 4, 16);
	assert_null(crp_tokens_match(&t, other));
	assert_null(crp_tokens_match(&t, ""));
	assert_int_equal(crp_token_revoke(dir, a.id, &err), 0);
	assert_int_equal(crp_token_revoke(dir, "0123456789abcdef", &err), -1);
	assert_int_equal(err.status, SR_USAGE);
	assert_int_equal(crp_tokens_reload(&t, dir, &err), 1);
	assert_null(crp_tokens_match(&t, text));
	crp_tokens_release(&t);
	remove_directory(dir);
}

static void a_file_of_tokens_that_is_none_is_refused(void **state)
{
	static const char *const texts[] = {
		"x",
		"schedrec-tokens 2\n",
		"schedrec-tokens 1\nx\n",
		"schedrec-tokens 1\n0123456789abcdef " SHA " 00 1 2 3 0 cut",
		"schedrec-tokens 1\n0123456789abcdef " SHA " xx 1 2 3 0 a\n",
		"schedrec-tokens 1\n0123456789abcdef " SHA " 00 -1 2 3 0 a\n",
		"schedrec-tokens 1\n0123456789abcde " SHA " 00 1 2 3 0 a\n",
		"schedrec-tokens 1\n0123456789abcdef " SHA " 00 1 2 3 0 \n",
	};
	char dir[64], path[80];
	struct crp_tokens t;
	struct sr_error err;

	in_a_directory(dir);
	snprintf(path, sizeof(path), "%s/tokens", dir);
	for (size_t i = 0; i <= sizeof(texts) / sizeof(texts[0]); i++) {
		bool last = i == sizeof(texts) / sizeof(texts[0]);
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		fputs(last ? "schedrec-tokens 1\n" : texts[i], f);
		fclose(f);
		/* The last one is well but for who may write it. */
		chmod(path, last ? 0620 : 0600);
		if (!crp_tokens_load(&t, dir, &err))
			fail_msg("taken: %s", last ? "a file that others may write" : texts[i]);
		assert_int_equal(err.status, last ? SR_ENVIRONMENT : SR_DAMAGED);
	}
	remove_directory(dir);
}

/* Decoding */

static const struct crp_check_limits limits = {
	.memory_bytes = 512 << 20, .time_ns = 5000000000, .wait_ns = 1000000000, .at_once = 2
};

static int open_trace(bool scrubbed, uint64_t *bytes)
{
	struct trace t;
	struct stat st;
	char path[64];
	int fd;

	trace_begin(&t, "system");
	trace_meta(&t, "scrub.version", "1");
	if (!scrubbed)
		trace_meta(&t, "command", "make secret");
	for (int i = 0; i < 100; i++)
		trace_switch(&t, 1000 + i, 0, i & 1, 0, !(i & 1));
	snprintf(path, sizeof(path), "/tmp/schedrec-check-%d.srz", getpid());
	trace_keep(&t, path);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && !fstat(fd, &st));
	*bytes = (uint64_t)st.st_size;
	unlink(path);
	return fd;
}

static int describe(struct srz_reader *r, struct crp_row *row, struct sr_error *err)
{
	row->bytes = srz_get_info(r)->bytes;
	row->events = srz_get_info(r)->events;
	strcpy(row->machine, "as the trace says");
	/* Nothing can be opened here. */
	row->cpus = open("/etc/passwd", O_RDONLY) < 0 && open("/dev/null", O_RDONLY) < 0 && fork() < 0 ? 1 : 2;
	return 0;
}

static void a_row_says_what_the_trace_says(void **state)
{
	struct crp_row row = { .events = 100, .consent = 1, .licence = "L", .machine = "a lie", .contributor = "00" };
	struct crp_check_limits with = limits;
	struct crp_checker *c;
	struct sr_error err;
	int fd;

	with.describe = describe;
	strcpy(row.sha256, SHA);
	c = crp_checker_start(&with, &err);
	assert_non_null(c);
	fd = open_trace(true, &row.bytes);
	if (crp_checker_run(c, fd, &row, &err))
		fail_msg("%s", err.text);
	close(fd);
	crp_checker_free(c);
	assert_string_equal(row.machine, "as the trace says");
	assert_string_equal(row.licence, "L");
	assert_string_equal(row.contributor, "00");
	assert_int_equal(row.consent, 1);
	assert_int_equal(row.cpus, 1);
}

static void uploads_are_decoded_elsewhere(void **state)
{
	struct crp_row row = { .events = 100 };
	struct crp_checker *c;
	struct sr_error err;
	int fd, null;

	strcpy(row.sha256, SHA);
	c = crp_checker_start(&limits, &err);
	if (!c)
		fail_msg("%s", err.text);
	assert_true(crp_checker_alive(c));
	fd = open_trace(true, &row.bytes);
	if (crp_checker_run(c, fd, &row, &err))
		fail_msg("%s", err.text);
	assert_int_equal(crp_checker_run(c, fd, &row, &err), 0);
	row.events = 99;
	assert_int_equal(crp_checker_run(c, fd, &row, &err), -1);
	assert_int_equal(err.status, SR_DAMAGED);
	assert_non_null(strstr(err.text, "100 events"));
	close(fd);
	null = open("/dev/null", O_RDONLY);
	assert_int_equal(crp_checker_run(c, null, &row, &err), -1);
	assert_int_equal(err.status, SR_DAMAGED);
	close(null);
	row.events = 100;
	fd = open_trace(false, &row.bytes);
	assert_int_equal(crp_checker_run(c, fd, &row, &err), -1);
	assert_non_null(strstr(err.text, "not scrubbed"));
	assert_null(strstr(err.text, "secret"));
	crp_checker_end(c);
	assert_false(crp_checker_alive(c));
	assert_int_equal(crp_checker_run(c, fd, &row, &err), -1);
	assert_int_equal(err.status, SR_ENVIRONMENT);
	close(fd);
	crp_checker_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_a_closed_list),
		cmocka_unit_test(lengths_are_digits_below_two_to_63),
		cmocka_unit_test(ranges),
		cmocka_unit_test(conditions),
		cmocka_unit_test(percent_encoding_goes_both_ways),
		cmocka_unit_test(a_row_survives_its_header),
		cmocka_unit_test(a_token_opens_until_it_is_revoked),
		cmocka_unit_test(a_file_of_tokens_that_is_none_is_refused),
		cmocka_unit_test(uploads_are_decoded_elsewhere),
		cmocka_unit_test(a_row_says_what_the_trace_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
