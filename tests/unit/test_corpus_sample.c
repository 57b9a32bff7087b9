/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples: representative, diverse, fair to contributors, the same each time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpus/sample.h"

static struct sr_error err;
static struct crp_sampler *sampler;
static unsigned added;

static const char *name(void *arg, unsigned feature)
{
	static const char *const names[] = { "switch_rate", "busy_share", "sleep_p50" };

	return names[feature];
}

static uint32_t mix(uint32_t v)
{
	v ^= v >> 16;
	v *= 0x7feb352du;
	v ^= v >> 15;
	v *= 0x846ca68bu;
	return v ^ v >> 16;
}

/* A name like a hash of n; in this test's order they are not ascending, which only the ties depend on. */
static void sha_of(unsigned n, char *text)
{
	for (unsigned i = 0; i < 8; i++)
		sprintf(text + 8 * i, "%08x", mix(n * 8 + i + 1));
}

/* One trace around (rate, share), a little off. */
static void add(unsigned n, uint32_t contributor, double rate, double share)
{
	struct crp_point p = { .contributor = contributor, .cpus = 4, .duration_ns = 1000000000, .n = 3 };
	double off = ((double)(mix(n) % 1000) / 1000 - 0.5) * 0.02;

	sha_of(n, p.sha256);
	for (unsigned i = 0; i < 3; i++)
		p.feature[i] = (uint16_t)i;
	p.value[0] = (float)(rate * (1 + off));
	p.value[1] = (float)(share + off);
	p.value[2] = (float)(1e6 * (1 + off));
	assert_int_equal(crp_sampler_add(sampler, &p, name, NULL, &err), 0);
	added++;
}

static int setup(void **state)
{
	sampler = crp_sampler_new(&err);
	added = 0;
	return sampler ? 0 : -1;
}

static int teardown(void **state)
{
	crp_sampler_free(sampler);
	return 0;
}

static struct crp_sampled *choose(unsigned n, unsigned want)
{
	struct crp_sampled *v;
	unsigned found;
	double weights = 0;
	uint64_t traces = 0;

	if (crp_sampler_choose(sampler, n, &v, &found, &err))
		fail_msg("%s", err.text);
	assert_int_equal(found, want);
	for (unsigned i = 0; i < found; i++) {
		weights += v[i].weight;
		traces += v[i].traces;
		assert_true(crp_is_sha256(v[i].sha256));
		assert_true(v[i].spread >= 0 && v[i].traces >= 1);
	}
	assert_int_equal(traces, added);
	assert_true(fabs(weights - added) < 1e-6 * added);
	return v;
}

/* Is it one of add()'s numbers from lo to hi? */
static bool within(const char *sha256, unsigned lo, unsigned hi)
{
	char text[SR_SHA256_TEXT];

	for (unsigned n = lo; n < hi; n++) {
		sha_of(n, text);
		if (!strcmp(text, sha256))
			return true;
	}
	return false;
}

static void test_each_group_gets_its_pick(void **state)
{
	static const unsigned sizes[] = { 300, 100, 40, 5 };
	struct crp_sampled *v;
	unsigned n = 0, seen = 0;

	for (unsigned g = 0; g < 4; g++)
		for (unsigned i = 0; i < sizes[g]; i++, n++)
			add(n, n % 7, pow(30, g + 1), 0.2 * g + 0.1);
	v = choose(4, 4);
	for (unsigned i = 0; i < 4; i++) {
		unsigned from = 0;

		for (unsigned g = 0; g < 4; from += sizes[g++]) {
			if (!within(v[i].sha256, from, from + sizes[g]))
				continue;
			assert_int_equal(v[i].traces, sizes[g]);
			seen |= 1u << g;
		}
	}
	assert_int_equal(seen, 15);
	free(v);
}

static void test_lone_traces_get_a_pick_in_a_large_corpus(void **state)
{
	struct crp_sampled *v;
	unsigned lone = 0;

	/* Three in 40,000, that a draw of some thousand would nearly always miss. */
	for (unsigned n = 0; n < 40000; n++)
		add(n, n % 11, n % 2 ? 100 : 1000, 0.5);
	for (unsigned n = 40000; n < 40003; n++)
		add(n, n % 11, 1e9, 0.99);
	v = choose(8, 8);
	for (unsigned i = 0; i < 8; i++)
		lone += within(v[i].sha256, 40000, 40003);
	assert_true(lone >= 1);
	free(v);
}

static void test_the_same_traces_give_the_same_sample(void **state)
{
	struct crp_sampled *v, *w;

	for (unsigned n = 0; n < 6000; n++)
		add(n, mix(n) % 50, 10 + (double)(mix(n) % 10000), (double)(mix(n + 7) % 100) / 100);
	v = choose(20, 20);
	crp_sampler_free(sampler);
	sampler = crp_sampler_new(&err);
	added = 0;
	for (unsigned n = 0; n < 6000; n++)
		add(n, mix(n) % 50, 10 + (double)(mix(n) % 10000), (double)(mix(n + 7) % 100) / 100);
	w = choose(20, 20);
	assert_memory_equal(v, w, 20 * sizeof(*v));
	free(v);
	free(w);
}

static void test_nobody_dominates(void **state)
{
	struct crp_sampled *v;
	double farm = 0;

	/* One gave 9,000 of one kind, nine others 10 each of other kinds. */
	for (unsigned n = 0; n < 9000; n++)
		add(n, 0, 100, 0.1);
	for (unsigned n = 9000; n < 9090; n++)
		add(n, 1 + n % 9, 1000 * (1 + n % 9), 0.5);
	v = choose(10, 10);
	for (unsigned i = 0; i < 10; i++)
		if (within(v[i].sha256, 0, 9000))
			farm += v[i].weight;
	assert_true(farm / 9090 < 0.26);
	assert_true(farm / 9090 > 0.2);
	free(v);
}

static void test_small_corpora(void **state)
{
	struct crp_sampled *v;
	unsigned found;

	assert_int_equal(crp_sampler_choose(sampler, 5, &v, &found, &err), 0);
	assert_int_equal(found, 0);
	add(1, 0, 100, 0.5);
	v = choose(5, 1);
	assert_int_equal(v[0].traces, 1);
	free(v);
	for (unsigned n = 2; n < 6; n++)
		add(n, 0, 100, 0.5);
	free(choose(5, 5));
	free(choose(1, 1));
}

static void test_alike_and_missing_features(void **state)
{
	struct crp_point p = { .n = 0 };

	for (unsigned n = 0; n < 10; n++) {
		sha_of(n, p.sha256);
		assert_int_equal(crp_sampler_add(sampler, &p, name, NULL, &err), 0);
		added++;
	}
	add(11, 0, 100, 0.5);
	free(choose(3, 3));
}

static double cost_of(const double *x, const unsigned *pick)
{
	double cost = 0;

	for (unsigned i = 0; i < 60; i++) {
		double d = fmin(fmin(fabs(x[i] - x[pick[0]]), fabs(x[i] - x[pick[1]])), fabs(x[i] - x[pick[2]]));

		cost += d * d;
	}
	return cost;
}

/* The picks of an exact clustering are no worse than those of any single swap. */
static void test_no_swap_is_better(void **state)
{
	double x[60], best;
	struct crp_sampled *v;
	unsigned pick[3] = { 0 }, n = 0;

	for (unsigned i = 0; i < 60; i++) {
		struct crp_point p = { .n = 1, .feature = { 1 } };

		x[i] = (double)(mix(i + 99) % 1000) / 1000;
		p.value[0] = (float)x[i];
		sha_of(i, p.sha256);
		assert_int_equal(crp_sampler_add(sampler, &p, name, NULL, &err), 0);
		added++;
	}
	v = choose(3, 3);
	for (unsigned i = 0; i < 60; i++)
		for (unsigned k = 0; k < 3; k++)
			if (within(v[k].sha256, i, i + 1))
				pick[n++] = i;
	assert_int_equal(n, 3);
	best = cost_of(x, pick);
	for (unsigned out = 0; out < 3; out++) {
		for (unsigned in = 0; in < 60; in++) {
			unsigned old = pick[out];

			pick[out] = in;
			if (cost_of(x, pick) < best - 1e-5)
				fail_msg("%u for %u: %g, not %g", in, old, cost_of(x, pick), best);
			pick[out] = old;
		}
	}
	free(v);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_each_group_gets_its_pick),
		T(test_lone_traces_get_a_pick_in_a_large_corpus),
		T(test_the_same_traces_give_the_same_sample),
		T(test_nobody_dominates),
		T(test_small_corpora),
		T(test_alike_and_missing_features),
		T(test_no_swap_is_better),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
