/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is a comparison to be trusted? Which orders of runs are evidence; and, by simulation, how often verdicts are wrong: false
 * alarms, power, coverage, false discoveries. Seeds are fixed, so that each run is the same everywhere. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyze/compare_internal.h"

#define MATHLIB_STANDALONE
#include <Rmath.h>

static struct sr_error err;
static uint64_t seed;

static double uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return ((double)(seed >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

/* The exact binomial interval (Clopper-Pearson, 95 %) of k out of n. */
static void binomial(int k, int n, double *lo, double *hi)
{
	*lo = k ? qbeta(0.025, k, n - k + 1, 1, 0) : 0;
	*hi = k < n ? qbeta(0.975, k + 1, n - k, 1, 0) : 1;
}

/* No more than it may be: its interval reaches down to the limit. */
static void at_most(const char *what, int k, int n, double limit)
{
	double lo, hi;

	binomial(k, n, &lo, &hi);
	printf("%s: %.4f (%.4f..%.4f), at most %.3f\n", what, (double)k / n, lo, hi, limit);
	assert_true(lo <= limit);
}

static void at_least(const char *what, int k, int n, double limit)
{
	double lo, hi;

	binomial(k, n, &lo, &hi);
	printf("%s: %.4f (%.4f..%.4f), at least %.3f\n", what, (double)k / n, lo, hi, limit);
	assert_true(hi >= limit);
}

/* ---- evidence ---- */

#define MOST 64
static struct ana_db_run a[MOST], b[MOST];
static struct ana_db_runs as, bs;

static void set_up_runs(size_t n)
{
	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < 2; k++) {
			struct ana_db_run *r = k ? &b[i] : &a[i];

			*r = (struct ana_db_run){ .id = (int64_t)(2 * i + k + 1),
						  .repeat = (int64_t)i,
						  .looks = 1,
						  .started = NAN,
						  .trace_sha256 = "t" };
			r->identity[ANA_ID_ENGINE] = "live";
			r->identity[ANA_ID_KERNEL] = "6.12";
			r->identity[ANA_ID_MACHINE] = "4 cores";
		}
	as = (struct ana_db_runs){ a, n };
	bs = (struct ana_db_runs){ b, n };
}

/* The runs as letters in order of time: "ABBA". slots, else times in seconds. */
static void lay_out(const char *order, bool slots)
{
	size_t na = 0, nb = 0;

	set_up_runs(strlen(order) / 2);
	for (size_t i = 0; order[i]; i++) {
		struct ana_db_run *r = order[i] == 'A' ? &a[na++] : &b[nb++];

		if (slots)
			r->order_slot = (int64_t)i;
		else
			r->started = 1e9 + (double)i;
	}
	assert_int_equal(na, nb);
}

static struct ana_trace_pairs weigh(void)
{
	struct ana_round_pair *pairs;
	struct ana_trace_pairs p;
	size_t n;

	assert_int_equal(ana_pair_rounds(&as, &bs, &pairs, &n, &err), 0);
	assert_int_equal(ana_weigh_pairs(&as, &bs, pairs, n, &p, &err), 0);
	free(pairs);
	free(p.v);
	return p;
}

static enum ana_evidence evidence_of(const char *order)
{
	enum ana_evidence by_slot, by_time;

	lay_out(order, true);
	by_slot = weigh().evidence;
	lay_out(order, false);
	by_time = weigh().evidence;
	assert_int_equal(by_slot, by_time);
	return by_slot;
}

static void test_interleaved_runs_are_evidence(void **state)
{
	assert_int_equal(evidence_of("ABBAABBAABBA"), ANA_PAIRED);
	assert_int_equal(evidence_of("ABBAABBAABBAABBAABBAABBA"), ANA_PAIRED);
	assert_int_equal(evidence_of("ABABABABABAB"), ANA_PAIRED);
	assert_int_equal(evidence_of("BABABABABABA"), ANA_PAIRED);
	assert_int_equal(evidence_of("AABBBBAAAABBBBAAAABB"), ANA_PAIRED);
}

static void test_blocked_runs_are_none(void **state)
{
	assert_int_equal(evidence_of("AAAAAABBBBBB"), ANA_BLOCKED);
	assert_int_equal(evidence_of("BBBBBBBBBBAAAAAAAAAA"), ANA_BLOCKED);
	/* Balanced, but what lasts for a while meets one arm only. */
	assert_int_equal(evidence_of("AAAAABBBBBBBBBBAAAAA"), ANA_BLOCKED);
	assert_int_equal(evidence_of("AAAAAAAABBBBBBBBBABA"), ANA_BLOCKED);
	assert_int_equal(evidence_of("AAABBB"), ANA_BLOCKED);
}

static void test_a_random_order_is_evidence(void **state)
{
	int paired = 0;

	seed = 5;
	for (int t = 0; t < 300; t++) {
		char order[41];

		for (int i = 0; i < 40; i++)
			order[i] = i < 20 ? 'A' : 'B';
		order[40] = '\0';
		for (int i = 39; i > 0; i--) {
			int k = (int)(uniform() * (i + 1));
			char c = order[i];

			order[i] = order[k];
			order[k] = c;
		}
		paired += evidence_of(order) == ANA_PAIRED;
	}
	assert_true(paired > 270);
}

static void test_an_order_that_nothing_tells_is_said_to_be_unknown(void **state)
{
	set_up_runs(8);
	assert_int_equal(weigh().evidence, ANA_ORDER_UNKNOWN);
	for (size_t i = 0; i < 8; i++) /* the same slots twice: two series */
		a[i].order_slot = b[i].order_slot = (int64_t)i;
	assert_int_equal(weigh().evidence, ANA_ORDER_UNKNOWN);
	for (size_t i = 0; i < 8; i++) { /* until their times tell that one came behind the other */
		a[i].started = 1000 + (double)i;
		b[i].started = 2000 + (double)i;
	}
	assert_int_equal(weigh().evidence, ANA_BLOCKED);
}

static void test_the_order_of_simulations_does_not_matter(void **state)
{
	lay_out("AAAAAAAABBBBBBBB", true);
	for (size_t i = 0; i < 8; i++)
		a[i].identity[ANA_ID_ENGINE] = b[i].identity[ANA_ID_ENGINE] = "simulated";
	assert_int_equal(weigh().evidence, ANA_PAIRED);
}

static void test_pairs_of_one_series_go_before_others(void **state)
{
	struct ana_trace_pairs p;

	/* A series of both arms, and later another of each alone. */
	set_up_runs(14);
	for (size_t i = 0; i < 14; i++) {
		bool together = i < 7;
		size_t r = i % 7;

		a[i].repeat = b[i].repeat = (int64_t)r;
		a[i].series = together ? "one" : "two";
		b[i].series = together ? "one" : "three";
		a[i].started = together ? 1000 + (double)(2 * r) : 5000 + (double)r;
		b[i].started = together ? 1001 + (double)(2 * r) : 6000 + (double)r;
		a[i].order_slot = together ? (int64_t)(2 * r + (r & 1)) : (int64_t)r;
		b[i].order_slot = together ? (int64_t)(2 * r + !(r & 1)) : (int64_t)r;
	}
	p = weigh();
	assert_int_equal(p.evidence, ANA_PAIRED);
	assert_int_equal(p.n, 7);
	assert_int_equal(p.left_out, 7);
	/* Alone the others are none. */
	as.v += 7;
	bs.v += 7;
	as.n = bs.n = 7;
	assert_int_equal(weigh().evidence, ANA_BLOCKED);
}

static void test_two_machines_are_no_evidence(void **state)
{
	lay_out("ABBAABBAABBAABBA", false);
	for (size_t i = 0; i < 8; i++) {
		a[i].host[ANA_HOST_MACHINE] = "k1";
		b[i].host[ANA_HOST_MACHINE] = "k2";
	}
	assert_int_equal(weigh().evidence, ANA_OTHER_MACHINE);
	for (size_t i = 0; i < 8; i++)
		b[i].host[ANA_HOST_MACHINE] = "k1";
	assert_int_equal(weigh().evidence, ANA_PAIRED);
	/* Rows without a machine's key still say what machine it was. */
	for (size_t i = 0; i < 8; i++) {
		b[i].host[ANA_HOST_MACHINE] = NULL;
		b[i].identity[ANA_ID_MACHINE] = "8 cores";
	}
	assert_int_equal(weigh().evidence, ANA_OTHER_MACHINE);
}

static void two_kernels(const char *order, size_t each)
{
	static char boot[MOST][24];
	size_t na = 0, nb = 0, n = strlen(order);

	set_up_runs(n / 2 * each);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < each; k++) {
			struct ana_db_run *r = order[i] == 'A' ? &a[na++] : &b[nb++];

			snprintf(boot[i], sizeof(boot[i]), "b%zu", i);
			r->host[ANA_HOST_BOOT] = boot[i];
			r->identity[ANA_ID_KERNEL] = order[i] == 'A' ? "6.11" : "6.12";
			r->started = 1e9 + 1000 * (double)i + (double)k;
			r->order_slot = (int64_t)k;
		}
}

static void test_of_two_kernels_the_boots_are_the_rounds(void **state)
{
	struct ana_trace_pairs p;

	two_kernels("AB", 20); /* twenty runs of each, but one boot */
	p = weigh();
	assert_int_equal(p.evidence, ANA_FEW_BOOTS);
	assert_int_equal(p.groups, 1);
	two_kernels("ABBAABBAABBA", 3);
	p = weigh();
	assert_int_equal(p.evidence, ANA_PAIRED);
	assert_true(p.by_boot);
	assert_int_equal(p.n, 18);
	assert_int_equal(p.groups, 6);
	two_kernels("AAAAAABBBBBB", 3);
	assert_int_equal(weigh().evidence, ANA_BLOCKED);
	/* Without boot ids a kernel is one boot. */
	two_kernels("ABBAABBAABBA", 3);
	for (size_t i = 0; i < 18; i++)
		a[i].host[ANA_HOST_BOOT] = b[i].host[ANA_HOST_BOOT] = NULL;
	assert_int_equal(weigh().evidence, ANA_FEW_BOOTS);
}

/* Series end when they may (--repeat auto, Ctrl-C), so boots have more runs or fewer: each is one round all the same. */
static void test_a_boot_is_one_round_however_many_runs_it_has(void **state)
{
	struct ana_trace_pairs p;

	two_kernels("ABBAABBA", 3);
	for (size_t i = 0; i < 12; i++)
		a[i].repeat = b[i].repeat = (int64_t)(i % 3);
	p = weigh();
	assert_int_equal(p.groups, 4);
	assert_int_equal(p.n, 12);
	/* The first boot of b has no third run: the third runs of the others are none of another boot's rounds. */
	memmove(&b[2], &b[3], 9 * sizeof(*b));
	bs.n--;
	p = weigh();
	assert_int_equal(p.groups, 4);
	assert_int_equal(p.n, 10);
	assert_int_equal(p.left_out, 1);
	assert_int_equal(p.evidence, ANA_FEW_BOOTS);
}

/* ---- what a machine does ---- */

enum order { DRAWN, ABBA, BLOCKED };

/* What a machine does beside 1 % of noise. */
static struct {
	double drift;  /* over the whole series */
	double period; /* runs, of a wave as large as the noise; 0: there is none */
	double drag;   /* of the noise, from one run to the next */
} machine = { .drift = 0.03 };

/* Of one and the same machine are series of different lengths; each begins at another time. */
static void run_machine(double *v, int n)
{
	double phase = 2 * M_PI * uniform(), drag = 0;

	for (int i = 0; i < n; i++) {
		double wave = machine.period > 0 ? M_SQRT2 * sin(2 * M_PI * i / machine.period + phase) : 0;

		drag = machine.drag * drag + normal();
		v[i] = 1000 * (1 + machine.drift * i / (n - 1) + 0.01 * (drag + wave));
	}
}

static void measure(double *base, double *cand, int rounds, enum order order, double shift)
{
	static unsigned series;
	double v[2 * MOST];
	char name[32];

	snprintf(name, sizeof(name), "%u", series++);
	run_machine(v, 2 * rounds);
	for (int i = 0; i < rounds; i++) {
		int first = order == BLOCKED ? i : 2 * i, second = order == BLOCKED ? rounds + i : 2 * i + 1;
		size_t turn[2] = { 0, 1 };

		if (order == ABBA)
			turn[0] = i & 1;
		else if (order == DRAWN)
			assert_int_equal(ana_turns(name, (size_t)i, 2, turn, &err), 0);
		base[i] = v[turn[0] ? second : first];
		cand[i] = v[turn[0] ? first : second] * (1 + shift);
	}
}

static struct ana_shift judge(const double *base, const double *cand, int n, double margin, unsigned looks)
{
	struct ana_shift s;

	assert_int_equal(ana_compare_looks(base, cand, (size_t)n, margin, ANA_LESS_IS_BETTER, looks, &s, &err), 0);
	return s;
}

static bool is_alarm(enum ana_verdict v)
{
	return v == ANA_REGRESSED || v == ANA_IMPROVED;
}

static int alarms(int rounds, enum order order, double shift, double margin, int tries, enum ana_verdict only)
{
	double base[MOST], cand[MOST];
	int n = 0;

	for (int t = 0; t < tries; t++) {
		enum ana_verdict v;

		measure(base, cand, rounds, order, shift);
		v = judge(base, cand, rounds, margin, 1).verdict;
		n += only == ANA_UNKNOWN ? is_alarm(v) : v == only;
	}
	return n;
}

#define TRIES 3000

static void test_false_alarms_are_no_more_than_they_may(void **state)
{
	static const int rounds[] = { 5, 10, 20 };
	char what[80];

	seed = 2026;
	for (size_t i = 0; i < 3; i++) {
		snprintf(what, sizeof(what), "false alarms, %d rounds, no margin", rounds[i]);
		at_most(what, alarms(rounds[i], DRAWN, 0, 0, TRIES, ANA_UNKNOWN), TRIES, 0.05);
		snprintf(what, sizeof(what), "false alarms, %d rounds, margin 2 %%", rounds[i]);
		at_most(what, alarms(rounds[i], DRAWN, 0, 0.02, TRIES, ANA_UNKNOWN), TRIES, 0.001);
	}
	/* The test is no dummy, and the same numbers in blocked order would fool it. */
	at_least("false alarms, 20 rounds, no margin", alarms(20, DRAWN, 0, 0, TRIES, ANA_UNKNOWN), TRIES, 0.025);
	at_least("blocked order, 10 rounds", alarms(10, BLOCKED, 0, 0, TRIES, ANA_UNKNOWN), TRIES, 0.8);
}

/* Something that the machine does every so many runs; what one run leaves for the next; a strong drift. */
static void test_a_drawn_order_is_proof_against_whatever_the_machine_does(void **state)
{
	static const double periods[] = { 2, 3.7, 4, 4.3, 8 };
	char what[80];

	seed = 2027;
	machine.drift = 0;
	for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++) {
		machine.period = periods[i];
		snprintf(what, sizeof(what), "false alarms, a wave of %.1f runs", periods[i]);
		at_most(what, alarms(10, DRAWN, 0, 0, TRIES, ANA_UNKNOWN), TRIES, 0.05);
	}
	machine.period = 4;
	at_least("the usual order under a wave of 4 runs", alarms(10, ABBA, 0, 0, TRIES, ANA_UNKNOWN), TRIES, 0.5);
	machine.period = 0;
	machine.drag = 0.9;
	at_most("false alarms, one run leaves something for the next", alarms(10, DRAWN, 0, 0, TRIES, ANA_UNKNOWN),
		TRIES, 0.05);
	machine.drag = 0;
	machine.drift = 0.1;
	at_most("false alarms, 10 % of drift", alarms(10, DRAWN, 0, 0, TRIES, ANA_UNKNOWN), TRIES, 0.05);
	at_least("found, +5 %, 10 % of drift", alarms(10, DRAWN, 0.05, 0.02, TRIES, ANA_REGRESSED), TRIES, 0.95);
	machine.drift = 0.03;
}

static void test_every_order_is_equally_likely(void **state)
{
	static const char *const names[] = { "a", "b" };
	int orders[2][27] = { { 0 } }, differ = 0;
	size_t turn[2][3], again[3];

	for (size_t round = 0; round < 6000; round++) {
		for (size_t k = 0; k < 2; k++) {
			assert_int_equal(ana_turns(names[k], round, 3, turn[k], &err), 0);
			orders[k][turn[k][0] * 9 + turn[k][1] * 3 + turn[k][2]]++;
		}
		differ += memcmp(turn[0], turn[1], sizeof(turn[0])) != 0;
		assert_int_equal(ana_turns("a", round, 3, again, &err), 0);
		assert_memory_equal(again, turn[0], sizeof(again));
	}
	for (size_t k = 0; k < 2; k++)
		for (int i = 0; i < 27; i++) {
			bool all = (1 << i / 9 | 1 << i / 3 % 3 | 1 << i % 3) == 7;

			assert_in_range(orders[k][i], all ? 880 : 0,
					all ? 1120 : 0); /* four deviations of a binomial */
		}
	assert_in_range(differ, 4880, 5120);
}

static void test_power(void **state)
{
	static const struct {
		double shift;
		int rounds;
		double least;
	} want[] = { { 0.03, 10, 0.8 },  { 0.03, 20, 0.95 }, { 0.05, 10, 0.98 },
		     { 0.05, 20, 0.99 }, { 0.1, 10, 0.99 },  { 0.1, 20, 0.99 } };
	char what[80];

	seed = 31;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		snprintf(what, sizeof(what), "found, +%.0f %%, %d rounds, margin 2 %%", want[i].shift * 100,
			 want[i].rounds);
		at_least(what, alarms(want[i].rounds, DRAWN, want[i].shift, 0.02, TRIES, ANA_REGRESSED), TRIES,
			 want[i].least);
	}
	assert_int_equal(alarms(5, DRAWN, 0.1, 0.02, TRIES, ANA_REGRESSED), 0); /* five rounds never tell */
}

static void test_equal_arms_are_found_to_be_the_same(void **state)
{
	seed = 32;
	at_least("same, 20 rounds, margin 2 %", alarms(20, DRAWN, 0, 0.02, TRIES, ANA_SAME), TRIES, 0.95);
	/* Equivalence is not claimed of what is at the margin: a true 2 % is called the same in 2.5 % of the cases. */
	at_most("a shift of the margin called the same", alarms(20, DRAWN, 0.02, 0.02, TRIES, ANA_SAME), TRIES, 0.025);
}

static void test_the_interval_covers_the_truth(void **state)
{
	static const int rounds[] = { 6, 10, 20, 40 };
	double base[MOST], cand[MOST];
	char what[80];

	seed = 33;
	for (size_t i = 0; i < 4; i++) {
		int held = 0, tails = 0;

		for (int t = 0; t < TRIES; t++) {
			struct ana_shift s;

			measure(base, cand, rounds[i], DRAWN, 0.05);
			s = judge(base, cand, rounds[i], 0.02, 1);
			held += s.lo <= 0.05 && 0.05 <= s.hi;
			/* Noise with heavy tails, about a shift of 0. */
			for (int k = 0; k < rounds[i]; k++) {
				base[k] = 1000 * exp(0.01 * tan(1.4 * (uniform() - 0.5) * 2));
				cand[k] = 1000 * exp(0.01 * tan(1.4 * (uniform() - 0.5) * 2));
			}
			s = judge(base, cand, rounds[i], 0.02, 1);
			tails += s.lo <= 0 && 0 <= s.hi;
		}
		snprintf(what, sizeof(what), "coverage, %d rounds", rounds[i]);
		at_least(what, held, TRIES, 0.95);
		snprintf(what, sizeof(what), "coverage, %d rounds, heavy tails", rounds[i]);
		at_least(what, tails, TRIES, 0.95);
	}
}

/* Of 20 cells, of which some have a shift: the share of false ones among those that are flagged. */
static void test_false_discoveries(void **state)
{
	enum { CELLS = 20, ROUNDS = 12, TIMES = 600 };
	static const int with_shift[] = { 0, 5, 15 };

	for (size_t w = 0; w < 3; w++) {
		double share = 0, squares = 0, mean;
		int found = 0;

		seed = 34;
		for (int t = 0; t < TIMES; t++) {
			struct ana_shift s[CELLS], *at[CELLS];
			double base[MOST], cand[MOST], false_share;
			int wrong = 0, all = 0;

			for (int c = 0; c < CELLS; c++) {
				measure(base, cand, ROUNDS, DRAWN, c < with_shift[w] ? 0.03 : 0);
				s[c] = judge(base, cand, ROUNDS, 0, 1);
				at[c] = &s[c];
			}
			assert_int_equal(ana_judge_all(at, CELLS, &err), 0);
			for (int c = 0; c < CELLS; c++)
				if (is_alarm(s[c].verdict)) {
					all++;
					wrong += c >= with_shift[w];
				}
			false_share = all ? (double)wrong / all : 0;
			share += false_share;
			squares += false_share * false_share;
			found += all - wrong;
		}
		mean = share / TIMES;
		printf("false discoveries, %d of %d cells shifted: %.4f; found %.3f\n", with_shift[w], CELLS, mean,
		       with_shift[w] ? (double)found / TIMES / with_shift[w] : 0);
		/* Within two standard errors. */
		assert_true(mean - 2 * sqrt((squares / TIMES - mean * mean) / TIMES) <= 0.05);
		if (with_shift[w])
			assert_true((double)found / TIMES / with_shift[w] > 0.8);
	}
}

/* --repeat auto: a series that ends as soon as there is a verdict. */
static void test_looking_early_and_often_makes_no_more_false_alarms(void **state)
{
	static const int at[] = { 8, 14, 24, 40 };
	double base[MOST], cand[MOST];
	int with[2] = { 0, 0 };

	seed = 35;
	for (int t = 0; t < TRIES; t++) {
		measure(base, cand, 40, DRAWN, 0);
		for (int corrected = 0; corrected < 2; corrected++)
			for (int k = 0; k < 4; k++)
				if (is_alarm(judge(base, cand, at[k], 0, corrected ? 4 : 1).verdict)) {
					with[corrected]++;
					break;
				}
	}
	at_most("four looks, corrected", with[1], TRIES, 0.05);
	at_least("four looks, not corrected", with[0], TRIES, 0.08); /* why it is */
}

static void test_the_bootstrap_over_traces(void **state)
{
	static const size_t traces[] = { 6, 10, 20, 40 };
	enum { TIMES = 400 };
	char what[80];

	seed = 36;
	for (size_t i = 0; i < 4; i++) {
		int held[2] = { 0, 0 };

		for (int t = 0; t < TIMES; t++)
			for (int skewed = 0; skewed < 2; skewed++) {
				double v[MOST], lo, hi, truth = skewed ? 0.02 : 0.05;

				for (size_t k = 0; k < traces[i]; k++)
					v[k] = skewed ? -0.02 * log(uniform()) : 0.05 + 0.03 * normal();
				assert_int_equal(ana_bootstrap(v, NULL, traces[i], 0.05, ANA_SEED, &lo, &hi, &err), 0);
				held[skewed] += lo <= truth && truth <= hi;
			}
		snprintf(what, sizeof(what), "coverage of the bootstrap, %zu traces", traces[i]);
		at_least(what, held[0], TIMES, 0.95);
		/* An exponential distribution is about the worst that traces will do. */
		snprintf(what, sizeof(what), "coverage of the bootstrap, %zu traces, skewed", traces[i]);
		at_least(what, held[1], TIMES, 0.88);
	}
}

/* Of nine metrics over traces that differ by nothing: how often is one of them flagged? */
static void test_verdicts_over_few_traces_hold_for_all_metrics_together(void **state)
{
	static const size_t traces[] = { 6, 8, 12, 30 };
	enum { TIMES = 300, METRICS = 9 };
	char what[80];

	seed = 39;
	for (size_t i = 0; i < 4; i++) {
		int flagged = 0;

		for (int t = 0; t < TIMES; t++) {
			bool any = false;

			for (int k = 0; k < METRICS; k++) {
				struct ana_overall all;
				double v[MOST];

				for (size_t x = 0; x < traces[i]; x++)
					v[x] = 0.03 * normal();
				assert_int_equal(ana_over_traces(v, NULL, traces[i], 0, ANA_LESS_IS_BETTER, METRICS,
								 &all, &err),
						 0);
				any |= is_alarm(all.verdict);
			}
			flagged += any;
		}
		snprintf(what, sizeof(what), "false alarms over %zu traces, 9 metrics, no margin", traces[i]);
		at_most(what, flagged, TIMES, 0.05);
	}
}

/* Weights as a sample's: they tell nothing of the values. */
static void test_the_bootstrap_over_weighted_traces(void **state)
{
	static const size_t traces[] = { 12, 20, 40 };
	enum { TIMES = 400 };
	char what[80];

	seed = 37;
	for (size_t i = 0; i < 3; i++) {
		int held[2] = { 0, 0 }, asked[2] = { 0, 0 };

		for (int t = 0; t < TIMES; t++)
			for (int skewed = 0; skewed < 2; skewed++) {
				double v[MOST], w[MOST], lo, hi, truth = skewed ? 0.02 : 0.05;

				for (size_t k = 0; k < traces[i]; k++) {
					v[k] = skewed ? -0.02 * log(uniform()) : 0.05 + 0.03 * normal();
					w[k] = exp(0.8 * normal());
				}
				assert_int_equal(ana_bootstrap(v, w, traces[i], 0.05, ANA_SEED, &lo, &hi, &err), 0);
				assert_int_equal(isnan(lo), ana_effective(w, traces[i]) < ANA_MIN_TRACES);
				asked[skewed] += !isnan(lo);
				held[skewed] += lo <= truth && truth <= hi;
			}
		snprintf(what, sizeof(what), "coverage of the weighted bootstrap, %zu traces", traces[i]);
		at_least(what, held[0], asked[0], 0.93);
		snprintf(what, sizeof(what), "coverage of the weighted bootstrap, %zu traces, skewed", traces[i]);
		at_least(what, held[1], asked[1], 0.86);
	}
}

static void test_weights_over_traces(void **state)
{
	const double v[] = { 0.1, 0.02, 0.05, -0.01, 0.3, 0.04, 0.06 }, same[] = { 3, 3, 3, 3, 3, 3, 3 },
		     last[] = { 1, 1, 1, 1, 1, 1, 1e6 };
	struct ana_overall plain, all;

	assert_true(ana_effective(NULL, 7) == 7 && fabs(ana_effective(same, 7) - 7) < 1e-9);
	assert_true(ana_effective(last, 7) > 1 && ana_effective(last, 7) < 1.001);
	assert_int_equal(ana_over_traces(v, NULL, 7, 0.02, ANA_LESS_IS_BETTER, 3, &plain, &err), 0);
	assert_int_equal(ana_over_traces(v, same, 7, 0.02, ANA_LESS_IS_BETTER, 3, &all, &err), 0);
	assert_int_equal(plain.verdict, all.verdict);
	assert_true(fabs(plain.shift - all.shift) < 1e-12 && fabs(plain.lo - all.lo) < 1e-12 &&
		    fabs(plain.hi - all.hi) < 1e-12);
	/* One that decides alone has its own shift, and is no seven traces. */
	assert_int_equal(ana_over_traces(v, last, 7, 0.02, ANA_LESS_IS_BETTER, 3, &all, &err), 0);
	assert_true(fabs(all.shift - 0.06) < 1e-5 && isnan(all.lo) && isnan(all.hi));
	assert_int_equal(all.verdict, ANA_UNKNOWN);
	assert_int_equal(all.needs_more, 5);
}

static void test_the_bootstrap_is_the_same_each_time(void **state)
{
	const double v[] = { 0.1, 0.02, 0.05, -0.01, 0.3, 0.04, 0.06 };
	double lo[2], hi[2];

	for (int i = 0; i < 2; i++)
		assert_int_equal(ana_bootstrap(v, NULL, 7, 0.05, ANA_SEED, &lo[i], &hi[i], &err), 0);
	assert_true(lo[0] == lo[1] && hi[0] == hi[1] && lo[0] < 0.08 && hi[0] > 0.08);
	assert_int_equal(ana_bootstrap(v, NULL, 5, 0.05, ANA_SEED, &lo[0], &hi[0], &err), 0);
	assert_true(isnan(lo[0]) && isnan(hi[0])); /* five traces are too few */
}

static void test_over_traces(void **state)
{
	const double up[] = { 0.05, 0.06, 0.04, 0.07, 0.05, 0.06, 0.05 },
		     none[] = { 0.001, -0.002, 0, 0.003, -0.001, 0 },
		     near[] = { 0.02, 0.09, 0.04, 0.11, 0, 0.07, 0.01, 0.05 },
		     wide[] = { 0.5, -0.4, 0.3, -0.3, 0.1, -0.1, INFINITY, -1 };
	struct ana_overall all;

	assert_int_equal(ana_over_traces(up, NULL, 7, 0.02, ANA_LESS_IS_BETTER, 9, &all, &err), 0);
	assert_int_equal(all.verdict, ANA_REGRESSED);
	assert_true(fabs(all.shift - 0.054) < 0.002 && all.lo > 0.04 && all.hi < 0.07);
	assert_int_equal(ana_over_traces(up, NULL, 7, 0.02, ANA_MORE_IS_BETTER, 9, &all, &err), 0);
	assert_int_equal(all.verdict, ANA_IMPROVED);
	assert_int_equal(ana_over_traces(up, NULL, 7, 0.02, ANA_NEITHER, 9, &all, &err), 0);
	assert_int_equal(all.verdict, ANA_CHANGED);
	assert_int_equal(ana_over_traces(none, NULL, 6, 0.02, ANA_LESS_IS_BETTER, 9, &all, &err), 0);
	assert_int_equal(all.verdict, ANA_SAME);
	assert_int_equal(ana_over_traces(wide, NULL, 8, 0.02, ANA_LESS_IS_BETTER, 9, &all, &err), 0);
	assert_int_equal(all.verdict, ANA_UNKNOWN);
	assert_true(all.needs_more > 8); /* far from any verdict */
	assert_int_equal(ana_over_traces(near, NULL, 8, 0.02, ANA_LESS_IS_BETTER, 9, &all, &err), 0);
	assert_int_equal(all.verdict, ANA_UNKNOWN); /* nearly enough traces to tell */
	assert_in_range(all.needs_more, 1, 8);
	assert_int_equal(ana_over_traces(up, NULL, 5, 0.02, ANA_LESS_IS_BETTER, 9, &all, &err), 0);
	assert_int_equal(all.verdict, ANA_UNKNOWN);
	assert_int_equal(all.needs_more, 1);
}

static void test_which_way_is_better(void **state)
{
	assert_int_equal(ana_better("makespan_ns"), ANA_LESS_IS_BETTER);
	assert_int_equal(ana_better("wakeup_latency_ns.p99"), ANA_LESS_IS_BETTER);
	assert_int_equal(ana_better("energy_j"), ANA_LESS_IS_BETTER);
	assert_int_equal(ana_better("requests_per_s"), ANA_MORE_IS_BETTER);
	assert_int_equal(ana_better("migrations.total"), ANA_NEITHER);
	assert_int_equal(ana_better("switches_voluntary"), ANA_NEITHER);
	assert_int_equal(ana_better("frames_late"), ANA_LESS_IS_BETTER);
	/* How many tasks were found to be of a kind, and under what the runs were measured, is nobody's merit. */
	assert_int_equal(ana_better("interactive_tasks"), ANA_NEITHER);
	assert_int_equal(ana_better("periodic_tasks"), ANA_NEITHER);
	assert_int_equal(ana_better("recording_disturbance_share"), ANA_NEITHER);
	assert_int_equal(ana_better("foreign_cpu_share"), ANA_NEITHER);
}

/* Ten rounds of results as a replay has them. */
static void test_results_are_compared_without_a_database(void **state)
{
	struct ana_result r[20] = { 0 };
	const struct ana_result *base[10] = { 0 }, *cand[10] = { 0 };
	const char *const globs[] = { "makespan_ns", "migrations.total", "work_per_s" };
	struct ana_compare_options o = { .margin = 0.02, .metrics = globs, .nmetrics = 3 };
	struct ana_comparison c;

	seed = 38;
	for (size_t i = 0; i < 20; i++) {
		double up = i < 10 ? 1 : 1.2;

		assert_int_equal(ana_set(&r[i], "makespan_ns", "ns", 1e9 * up * (1 + 0.01 * normal()), &err), 0);
		assert_int_equal(ana_set(&r[i], "migrations.total", "count", 100 * up, &err), 0);
		assert_int_equal(ana_set(&r[i], "work_per_s", "1/s", 100 * up, &err), 0);
		(i < 10 ? base : cand)[i % 10] = &r[i];
	}
	assert_int_equal(ana_compare_results("t", base, cand, 10, &o, &c, &err), 0);
	assert_int_equal(c.ncells, 3);
	assert_int_equal(c.cells[0].s.verdict, ANA_REGRESSED);
	assert_int_equal(c.cells[1].s.verdict, ANA_CHANGED);
	assert_int_equal(c.cells[2].s.verdict, ANA_IMPROVED);
	ana_comparison_release(&c);
	/* For one that could have ended at four looks the same rounds tell less. */
	o.looks = 40;
	assert_int_equal(ana_compare_results("t", base, cand, 10, &o, &c, &err), 0);
	assert_int_equal(c.cells[0].s.verdict, ANA_UNKNOWN);
	ana_comparison_release(&c);
	for (size_t i = 0; i < 20; i++)
		ana_result_release(&r[i]);
}

/* ---- what a person feels ---- */

#define FELT_ROUNDS 10
static struct ana_result felt[2][FELT_ROUNDS];
static struct ana_comparison felt_cmp;

static void set_felt(unsigned arm, size_t round, const char *metric, const char *unit, double value)
{
	assert_int_equal(ana_set(&felt[arm][round], metric, unit, value, &err), 0);
}

/* Ten rounds in which nothing of the work differs; by default, with a margin of 2 %. */
static void compare_felt(void)
{
	const struct ana_result *base[FELT_ROUNDS], *cand[FELT_ROUNDS];
	const struct ana_compare_options o = { .margin = 0.02 };

	for (size_t i = 0; i < FELT_ROUNDS; i++) {
		base[i] = &felt[0][i];
		cand[i] = &felt[1][i];
		for (unsigned arm = 0; arm < 2; arm++) {
			set_felt(arm, i, "makespan_ns", "ns", 1e9 * (1 + 0.001 * normal()));
			set_felt(arm, i, "wakeup_latency_ns.p99", "ns", 1e5 * (1 + 0.002 * normal()));
			set_felt(arm, i, "frames", "count", 1000);
		}
	}
	assert_int_equal(ana_compare_results("t", base, cand, FELT_ROUNDS, &o, &felt_cmp, &err), 0);
}

static const struct ana_cell *felt_cell(const char *metric)
{
	for (size_t i = 0; i < felt_cmp.ncells; i++)
		if (!strcmp(felt_cmp.cells[i].metric, metric))
			return &felt_cmp.cells[i];
	return NULL;
}

static int release_felt(void **state)
{
	ana_comparison_release(&felt_cmp);
	for (size_t i = 0; i < FELT_ROUNDS; i++) {
		ana_result_release(&felt[0][i]);
		ana_result_release(&felt[1][i]);
	}
	memset(felt, 0, sizeof(felt));
	return 0;
}

static void test_late_frames_are_a_regression_though_the_work_is_the_same(void **state)
{
	seed = 51;
	for (size_t i = 0; i < FELT_ROUNDS; i++)
		for (unsigned arm = 0; arm < 2; arm++) {
			double share = (arm ? 0.3 : 0.01) * (1 + 0.1 * normal());

			set_felt(arm, i, "frames_late_share", "ratio", share);
			set_felt(arm, i, "missed_periods", "count", floor(1000 * share));
			set_felt(arm, i, "longest_stall_ns", "ns", (arm ? 90e6 : 9e6) * (1 + 0.2 * uniform()));
			set_felt(arm, i, "energy_j", "J", (arm ? 5.5 : 5) * (1 + 0.01 * normal()));
			set_felt(arm, i, "run_delay_ns.p50", "ns", arm ? 100 : 50); /* not one of the usual ones */
		}
	compare_felt();
	assert_int_equal(felt_cmp.ncells, 6);
	assert_int_equal(felt_cell("makespan_ns")->s.verdict, ANA_SAME);
	assert_int_equal(felt_cell("frames_late_share")->s.verdict, ANA_REGRESSED);
	assert_int_equal(felt_cell("missed_periods")->s.verdict, ANA_REGRESSED);
	assert_int_equal(felt_cell("longest_stall_ns")->s.verdict, ANA_REGRESSED);
	assert_int_equal(felt_cell("energy_j")->s.verdict, ANA_REGRESSED);
}

static void test_what_nobody_feels_is_the_same(void **state)
{
	seed = 52;
	for (size_t i = 0; i < FELT_ROUNDS; i++)
		for (unsigned arm = 0; arm < 2; arm++) {
			set_felt(arm, i, "frames_late_share", "ratio", arm ? 0.004 : 0);
			set_felt(arm, i, "missed_periods", "count", arm ? 9 : 1);
			set_felt(arm, i, "longest_stall_ns", "ns", arm ? 4.5e6 : 1e6);
		}
	compare_felt();
	assert_int_equal(felt_cell("frames_late_share")->s.verdict, ANA_SAME);
	assert_int_equal(felt_cell("missed_periods")->s.verdict, ANA_SAME);
	assert_true(felt_cell("missed_periods")->step == 10);
	assert_int_equal(felt_cell("longest_stall_ns")->s.verdict, ANA_SAME);
	/* Nor are they among those that are adjusted for. */
	assert_true(felt_cell("longest_stall_ns")->s.equal);
}

static void test_what_few_rounds_have_is_not_judged_unasked(void **state)
{
	seed = 53;
	for (size_t i = 0; i < FELT_ROUNDS; i++) {
		set_felt(0, i, "frames_late_share", "ratio", 0.1);
		set_felt(0, i, "energy_j", "J", 5);
		set_felt(0, i, "longest_stall_ns", "ns", 9e6);
		if (i < 4)
			set_felt(1, i, "frames_late_share", "ratio", 0.2);
		if (i < 5)
			set_felt(1, i, "longest_stall_ns", "ns", 9e6);
	}
	compare_felt();
	assert_null(felt_cell("frames_late_share"));
	assert_null(felt_cell("energy_j"));
	assert_int_equal(felt_cell("longest_stall_ns")->s.rounds, 5);
}

/* A maximum of many waits, with the tail of an exponential or of a power, in identical arms. */
static void test_the_longest_stalls_of_identical_arms_raise_no_alarm(void **state)
{
	enum { TIMES = 1500 };
	static const char *const names[] = { "exponential", "power" };
	char what[80];

	for (int tail = 0; tail < 2; tail++) {
		int flagged = 0, same = 0;

		seed = 54;
		for (int t = 0; t < TIMES; t++) {
			for (size_t i = 0; i < FELT_ROUNDS; i++)
				for (unsigned arm = 0; arm < 2; arm++) {
					double u = pow(uniform(), 1.0 / 200); /* the greatest of 200 */

					set_felt(arm, i, "longest_stall_ns", "ns",
						 tail ? 1e6 * pow(1 - u, -0.5) : -4e6 * log(1 - u));
				}
			compare_felt();
			flagged += is_alarm(felt_cell("longest_stall_ns")->s.verdict);
			same += felt_cell("longest_stall_ns")->s.verdict == ANA_SAME;
			release_felt(NULL);
		}
		snprintf(what, sizeof(what), "false alarms, longest stall, %s tail", names[tail]);
		at_most(what, flagged, TIMES, 0.01);
		printf("told the same: %.3f\n", (double)same / TIMES);
	}
}

/* Metrics beside others: cells of which no round differs take nothing from those that are judged. */
static void test_cells_that_are_equal_weaken_no_other(void **state)
{
	struct ana_shift s[14], *at[14];
	double base[8], cand[8], equal[8];

	for (int i = 0; i < 8; i++) {
		base[i] = 1000 + i;
		cand[i] = 1100 + i;
		equal[i] = 5;
	}
	for (int c = 0; c < 14; c++) {
		s[c] = judge(c ? equal : base, c ? equal : cand, 8, 0.02, 1);
		at[c] = &s[c];
	}
	assert_int_equal(ana_judge_all(at, 14, &err), 0);
	assert_true(fabs(s[0].p_adjusted - 2.0 / 256) < 1e-9);
	assert_int_equal(s[0].verdict, ANA_REGRESSED);
	assert_int_equal(s[1].verdict, ANA_IDENTICAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interleaved_runs_are_evidence),
		cmocka_unit_test(test_blocked_runs_are_none),
		cmocka_unit_test(test_a_random_order_is_evidence),
		cmocka_unit_test(test_an_order_that_nothing_tells_is_said_to_be_unknown),
		cmocka_unit_test(test_the_order_of_simulations_does_not_matter),
		cmocka_unit_test(test_pairs_of_one_series_go_before_others),
		cmocka_unit_test(test_two_machines_are_no_evidence),
		cmocka_unit_test(test_of_two_kernels_the_boots_are_the_rounds),
		cmocka_unit_test(test_a_boot_is_one_round_however_many_runs_it_has),
		cmocka_unit_test(test_false_alarms_are_no_more_than_they_may),
		cmocka_unit_test(test_a_drawn_order_is_proof_against_whatever_the_machine_does),
		cmocka_unit_test(test_every_order_is_equally_likely),
		cmocka_unit_test(test_power),
		cmocka_unit_test(test_equal_arms_are_found_to_be_the_same),
		cmocka_unit_test(test_the_interval_covers_the_truth),
		cmocka_unit_test(test_false_discoveries),
		cmocka_unit_test(test_looking_early_and_often_makes_no_more_false_alarms),
		cmocka_unit_test(test_the_bootstrap_over_traces),
		cmocka_unit_test(test_verdicts_over_few_traces_hold_for_all_metrics_together),
		cmocka_unit_test(test_the_bootstrap_over_weighted_traces),
		cmocka_unit_test(test_weights_over_traces),
		cmocka_unit_test(test_the_bootstrap_is_the_same_each_time),
		cmocka_unit_test(test_over_traces),
		cmocka_unit_test(test_which_way_is_better),
		cmocka_unit_test(test_results_are_compared_without_a_database),
		cmocka_unit_test_teardown(test_late_frames_are_a_regression_though_the_work_is_the_same, release_felt),
		cmocka_unit_test_teardown(test_what_nobody_feels_is_the_same, release_felt),
		cmocka_unit_test_teardown(test_what_few_rounds_have_is_not_judged_unasked, release_felt),
		cmocka_unit_test_teardown(test_the_longest_stalls_of_identical_arms_raise_no_alarm, release_felt),
		cmocka_unit_test(test_cells_that_are_equal_weaken_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
