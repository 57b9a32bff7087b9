/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The entropy coder of columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/srz_ans.h"
#include "tests/unit/srz_events.h"

#define MOST 131072

static struct srz_ans *ans;
static uint8_t in[MOST], ops[MOST], got[MOST];

static int setup(void **state)
{
	ans = srz_ans_new();
	return !ans;
}

static int teardown(void **state)
{
	srz_ans_free(ans);
	return 0;
}

/* Symbols below top, the small ones more often the higher skew is. */
static void fill(uint8_t *p, size_t n, unsigned top, unsigned skew)
{
	unsigned k;
	size_t i;

	for (i = 0; i < n; i++) {
		uint64_t v = rnd_below(top);

		for (k = 0; k < skew; k++)
			v = rnd_below(v + 1);
		p[i] = (uint8_t)v;
	}
}

/* The stored length; 0 when the column is not worth it. */
static size_t round_trip(const struct srz_ans_contexts *by, size_t n)
{
	struct srz_buf out = { 0 };
	size_t stored;
	const char *bad;

	if (!srz_ans_encode(ans, by, in, n, &out)) {
		assert_int_equal(out.n, 0);
		srz_buf_release(&out);
		return 0;
	}
	memset(got, 0x55, n);
	bad = srz_ans_decode(ans, by, out.p, out.n, got, n);
	if (bad)
		fail_msg("%zu symbols: %s", n, bad);
	assert_memory_equal(got, in, n);
	stored = out.n;
	srz_buf_release(&out);
	return stored;
}

static void columns_of_any_shape_come_back(void **state)
{
	static const size_t lengths[] = { 32, 500, 4095, 4096, 4097, 4099, 20001, MOST };
	static const unsigned tops[] = { 1, 2, 3, 17, 100, 255, 256 };
	struct srz_ans_contexts by = { NULL, 0 };
	size_t l, t;
	unsigned skew, coded = 0;

	rnd_state = 1;
	for (l = 0; l < sizeof(lengths) / sizeof(*lengths); l++) {
		for (t = 0; t < sizeof(tops) / sizeof(*tops); t++) {
			for (skew = 0; skew < 8; skew += 3) {
				fill(in, lengths[l], tops[t], skew);
				coded += round_trip(&by, lengths[l]) != 0;
			}
		}
	}
	assert_true(coded > 80);
}

static void times_come_back_with_any_number_of_ops(void **state)
{
	static const unsigned numbers[] = { 1, 2, 16, 31, 32, 200, 255, 256 };
	size_t i;

	rnd_state = 2;
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		struct srz_ans_contexts by = { ops, numbers[i] };

		fill(ops, 30000, numbers[i], 2);
		fill(in, 30000, 200, 3);
		assert_int_equal(round_trip(&by, 30000) != 0, numbers[i] < 256);
	}
}

/* A table for each context: then a symbol that follows from the two before it costs next to nothing. */
static void what_the_contexts_foretell_is_cheap(void **state)
{
	struct srz_ans_contexts by = { NULL, 0 };
	size_t i;

	rnd_state = 3;
	for (i = 0; i < 60000; i++)
		in[i] = (uint8_t)(i % 3 ? in[i - 1] ^ 5 : (rnd() & 1));
	assert_in_range(round_trip(&by, 60000), 2500, 60000 / 3 / 8 + 200);
}

/* 256 tables' worth of contexts, all as frequent: fewer tables must do. */
static void more_contexts_than_tables_do_no_harm(void **state)
{
	struct srz_ans_contexts by = { NULL, 0 };
	size_t i;

	rnd_state = 4;
	for (i = 0; i < MOST; i++)
		in[i] = (uint8_t)(i % 2 ? in[i - 1] / 2 : rnd() & 0xff);
	assert_in_range(round_trip(&by, MOST), MOST / 2, MOST - 1);
}

static void what_does_not_shrink_is_left(void **state)
{
	struct srz_ans_contexts by = { NULL, 0 };
	size_t i;

	rnd_state = 5;
	for (i = 0; i < 5000; i++)
		in[i] = (uint8_t)rnd();
	assert_int_equal(round_trip(&by, 5000), 0);
	assert_int_equal(round_trip(&by, 31), 0);
}

/* Whatever is changed or missing is found, or gives other bytes: never a look beyond them. */
static void damaged_columns_are_survived(void **state)
{
	struct srz_ans_contexts by = { NULL, 0 };
	struct srz_buf out = { 0 };
	size_t i, found = 0;
	uint8_t *copy;

	rnd_state = 6;
	fill(in, 5000, 30, 2);
	assert_true(srz_ans_encode(ans, &by, in, 5000, &out));
	for (i = 0; i < out.n; i++) {
		copy = malloc(i + 1); /* exactly as long, for the sanitizer */
		memcpy(copy, out.p, i);
		assert_non_null(srz_ans_decode(ans, &by, copy, i, got, 5000));
		free(copy);
	}
	for (i = 0; i < out.n; i++) {
		out.p[i] ^= (uint8_t)(1 << i % 8);
		found += srz_ans_decode(ans, &by, out.p, out.n, got, 5000) != NULL;
		out.p[i] ^= (uint8_t)(1 << i % 8);
	}
	assert_true(found > out.n * 9 / 10);
	srz_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_of_any_shape_come_back),
		cmocka_unit_test(times_come_back_with_any_number_of_ops),
		cmocka_unit_test(what_the_contexts_foretell_is_cheap),
		cmocka_unit_test(more_contexts_than_tables_do_no_harm),
		cmocka_unit_test(what_does_not_shrink_is_left),
		cmocka_unit_test(damaged_columns_are_survived),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
