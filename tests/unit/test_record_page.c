/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decoder of ring sub-buffers: every record type, losses, and bytes that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/internal.h"

#define PAGE 4096

struct builder {
	uint8_t bytes[PAGE];
	size_t n; /* data so far, behind the 16 byte header */
};

static void put32(struct builder *b, uint32_t v)
{
	memcpy(b->bytes + 16 + b->n, &v, 4);
	b->n += 4;
}

static void head(struct builder *b, unsigned type, uint32_t delta)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	put32(b, type | delta << 5);
#else
	put32(b, type << 27 | delta);
#endif
}

static void finish(struct builder *b, uint64_t time, uint64_t flags)
{
	uint64_t commit = b->n | flags;

	memcpy(b->bytes, &time, 8);
	memcpy(b->bytes + 8, &commit, 8);
}

static void expect(struct rec_page *p, uint64_t time, size_t len, uint32_t first)
{
	const uint8_t *data;
	uint64_t t;
	uint32_t v;
	size_t n;

	assert_int_equal(rec_page_next(p, &data, &n, &t), 1);
	assert_int_equal(t, time);
	assert_int_equal(n, len);
	memcpy(&v, data, 4);
	assert_int_equal(v, first);
}

static int next(struct rec_page *p)
{
	const uint8_t *data;
	uint64_t t;
	size_t n;

	return rec_page_next(p, &data, &n, &t);
}

static void short_records_have_their_length_in_the_head(void **state)
{
	struct builder b = { .n = 0 };
	struct rec_page p;

	head(&b, 2, 0);
	put32(&b, 11);
	put32(&b, 12);
	head(&b, 1, 500);
	put32(&b, 21);
	finish(&b, 1000, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	assert_false(p.missed);
	expect(&p, 1000, 8, 11);
	expect(&p, 1500, 4, 21);
	assert_int_equal(next(&p), 0);
}

static void long_records_have_their_length_behind_the_head(void **state)
{
	struct builder b = { .n = 0 };
	struct rec_page p;

	head(&b, 0, 7);
	put32(&b, 4 + 120);
	put32(&b, 77);
	for (int i = 1; i < 30; i++)
		put32(&b, 0);
	head(&b, 1, 1);
	put32(&b, 78);
	finish(&b, 0, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	expect(&p, 7, 120, 77);
	expect(&p, 8, 4, 78);
}

static void a_time_extend_adds_its_high_bits(void **state)
{
	struct builder b = { .n = 0 };
	struct rec_page p;

	head(&b, 30, 5);
	put32(&b, 3);
	head(&b, 1, 1);
	put32(&b, 9);
	finish(&b, 100, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	expect(&p, 100 + 5 + (3ull << 27) + 1, 4, 9);
}

static void a_time_stamp_is_absolute(void **state)
{
	struct builder b = { .n = 0 };
	struct rec_page p;

	head(&b, 31, 5);
	put32(&b, 3);
	head(&b, 1, 1);
	put32(&b, 9);
	finish(&b, 100, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	expect(&p, 5 + (3ull << 27) + 1, 4, 9);
}

static void a_time_stamp_keeps_the_top_bits_that_it_has_no_room_for(void **state)
{
	struct builder b = { .n = 0 };
	uint64_t top = 5ull << 59;
	struct rec_page p;

	head(&b, 31, 5);
	put32(&b, 3);
	head(&b, 1, 0);
	put32(&b, 9);
	finish(&b, top + 2, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	expect(&p, top + 5 + (3ull << 27), 4, 9);
}

static void a_time_stamp_whose_low_bits_began_anew_goes_forward(void **state)
{
	struct builder b = { .n = 0 };
	uint64_t top = 5ull << 59;
	struct rec_page p;

	head(&b, 31, 5);
	put32(&b, 0);
	head(&b, 1, 0);
	put32(&b, 9);
	finish(&b, top + (1ull << 59) - 1, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	expect(&p, top + (1ull << 59) + 5, 4, 9);
}

static void a_long_record_is_padded_to_four_bytes(void **state)
{
	struct builder b = { .n = 0 };
	struct rec_page p;

	head(&b, 0, 7);
	put32(&b, 4 + 5);
	put32(&b, 77);
	put32(&b, 0xffffff01);
	head(&b, 1, 1);
	put32(&b, 78);
	finish(&b, 0, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	expect(&p, 7, 5, 77);
	expect(&p, 8, 4, 78);
}

static void a_withdrawn_record_only_passes_time(void **state)
{
	struct builder b = { .n = 0 };
	struct rec_page p;

	head(&b, 29, 40);
	put32(&b, 12);
	put32(&b, 1);
	put32(&b, 2);
	head(&b, 1, 2);
	put32(&b, 9);
	finish(&b, 100, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	expect(&p, 142, 4, 9);
}

static void empty_padding_ends_the_sub_buffer(void **state)
{
	struct builder b = { .n = 0 };
	struct rec_page p;

	head(&b, 29, 0);
	head(&b, 1, 2);
	put32(&b, 9);
	finish(&b, 100, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	assert_int_equal(next(&p), 0);
	assert_int_equal(next(&p), 0);
}

static void a_stored_loss_is_counted(void **state)
{
	struct builder b = { .n = 0 };
	uint64_t lost = 12345678901ull;
	struct rec_page p;

	head(&b, 1, 2);
	put32(&b, 9);
	finish(&b, 100, 3u << 30);
	memcpy(b.bytes + 16 + b.n, &lost, 8);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	assert_true(p.missed);
	assert_int_equal(p.missed_n, lost);
	expect(&p, 102, 4, 9);
	assert_int_equal(next(&p), 0);
}

static void a_loss_without_room_for_its_number_is_still_a_loss(void **state)
{
	struct builder b = { .n = 0 };
	struct rec_page p;

	finish(&b, 100, 1u << 31);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	assert_true(p.missed);
	assert_int_equal(p.missed_n, 0);
}

static void a_32_bit_kernel_has_a_shorter_header(void **state)
{
	uint8_t bytes[64] = { 0 };
	uint32_t commit = 8 | 3u << 30, record[2] = { 0, 42 }, lost = 6;
	uint64_t time = 5;
	struct builder b = { .n = 0 };
	struct rec_page p;

	head(&b, 1, 3);
	memcpy(record, b.bytes + 16, 4);
	memcpy(bytes, &time, 8);
	memcpy(bytes + 8, &commit, 4);
	memcpy(bytes + 12, record, 8);
	memcpy(bytes + 20, &lost, 4);
	assert_int_equal(rec_page_init(&p, bytes, sizeof(bytes), 4), 0);
	assert_int_equal(p.missed_n, 6);
	expect(&p, 8, 4, 42);
}

static void lengths_that_lead_outside_are_refused(void **state)
{
	struct builder b = { .n = 0 };
	struct rec_page p;

	head(&b, 28, 0);
	put32(&b, 1);
	finish(&b, 0, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	assert_int_equal(next(&p), -1);

	b.n = 0;
	head(&b, 0, 0);
	put32(&b, 0xfffffff0);
	finish(&b, 0, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	assert_int_equal(next(&p), -1);

	b.n = 0;
	head(&b, 0, 0);
	put32(&b, 3);
	finish(&b, 0, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	assert_int_equal(next(&p), -1);

	b.n = 0;
	head(&b, 29, 1);
	put32(&b, 4096);
	finish(&b, 0, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	assert_int_equal(next(&p), -1);

	b.n = 0;
	head(&b, 30, 1);
	finish(&b, 0, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), 0);
	assert_int_equal(next(&p), -1);
}

static void a_commit_beyond_the_bytes_is_refused(void **state)
{
	struct builder b = { .n = PAGE - 15 };
	struct rec_page p;

	finish(&b, 0, 0);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), -1);
	assert_int_equal(rec_page_init(&p, b.bytes, 15, 8), -1);
	b.n = PAGE - 16 - 7; /* and no room for the number that it says is stored */
	finish(&b, 0, 3u << 30);
	assert_int_equal(rec_page_init(&p, b.bytes, PAGE, 8), -1);
}

/* Under the sanitizers this fails by reading outside of an exactly sized block. */
static void random_bytes_never_lead_outside(void **state)
{
	uint64_t x = 88172645463325252ull;

	for (int round = 0; round < 20000; round++) {
		size_t len = 16 + (size_t)(round % 200);
		uint8_t *bytes = malloc(len);
		const uint8_t *data;
		struct rec_page p;
		uint64_t commit, t;
		size_t n;

		assert_non_null(bytes);
		for (size_t i = 0; i < len; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			bytes[i] = (uint8_t)x;
		}
		commit = (len - 16) | (x & 3u << 30);
		memcpy(bytes + 8, &commit, 8);
		if (!rec_page_init(&p, bytes, len, 8))
			while (rec_page_next(&p, &data, &n, &t) == 1)
				assert_true(data >= bytes && data + n <= bytes + len);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_records_have_their_length_in_the_head),
		cmocka_unit_test(long_records_have_their_length_behind_the_head),
		cmocka_unit_test(a_time_extend_adds_its_high_bits),
		cmocka_unit_test(a_time_stamp_is_absolute),
		cmocka_unit_test(a_time_stamp_keeps_the_top_bits_that_it_has_no_room_for),
		cmocka_unit_test(a_time_stamp_whose_low_bits_began_anew_goes_forward),
		cmocka_unit_test(a_long_record_is_padded_to_four_bytes),
		cmocka_unit_test(a_withdrawn_record_only_passes_time),
		cmocka_unit_test(empty_padding_ends_the_sub_buffer),
		cmocka_unit_test(a_stored_loss_is_counted),
		cmocka_unit_test(a_loss_without_room_for_its_number_is_still_a_loss),
		cmocka_unit_test(a_32_bit_kernel_has_a_shorter_header),
		cmocka_unit_test(lengths_that_lead_outside_are_refused),
		cmocka_unit_test(a_commit_beyond_the_bytes_is_refused),
		cmocka_unit_test(random_bytes_never_lead_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
