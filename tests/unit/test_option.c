/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "formats/option.h"

struct members {
	bool all, quiet;
	const char *output, *work, *cpus, *when;
	struct sr_strings policy, arm;
	uint64_t repeat, duration_ns, buffer_bytes;
	double scale;
};

static const struct sr_option rows[] = {
	{ .name = "all", .letter = 'a', .type = SR_OPT_FLAG, .offset = offsetof(struct members, all) },
	{ .name = "quiet", .letter = 'q', .type = SR_OPT_FLAG, .offset = offsetof(struct members, quiet) },
	{ .name = "output",
	  .letter = 'o',
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct members, output),
	  .arg = "FILE" },
	{ .name = "work",
	  .type = SR_OPT_CHOICE,
	  .offset = offsetof(struct members, work),
	  .choices = "time|instructions",
	  .deflt = "time" },
	{ .name = "when",
	  .letter = 'w',
	  .type = SR_OPT_WORD,
	  .offset = offsetof(struct members, when),
	  .choices = "auto|yes|no",
	  .deflt = "auto" },
	{ .name = "cpus", .type = SR_OPT_CPUS, .offset = offsetof(struct members, cpus) },
	{ .name = "policy", .type = SR_OPT_LIST, .offset = offsetof(struct members, policy), .deflt = "kernel" },
	{ .name = "arm", .type = SR_OPT_LIST, .offset = offsetof(struct members, arm) },
	{ .name = "repeat",
	  .letter = 'n',
	  .type = SR_OPT_UINT,
	  .offset = offsetof(struct members, repeat),
	  .min = 1,
	  .max = 1000,
	  .deflt = "3" },
	{ .name = "report", .type = SR_OPT_FLAG, .offset = offsetof(struct members, quiet) },
	{ .name = "duration",
	  .type = SR_OPT_TIME,
	  .offset = offsetof(struct members, duration_ns),
	  .min = 1e6,
	  .max = 3600e9,
	  .arg = "T" },
	{ .name = "buffer", .letter = 'b', .type = SR_OPT_SIZE, .offset = offsetof(struct members, buffer_bytes) },
	{ .name = "scale", .type = SR_OPT_REAL, .offset = offsetof(struct members, scale), .min = 0.5, .max = 2 },
	{ .name = NULL },
};

static struct members m;
static struct sr_error err;
static char *words[160];
static int nwords, operands;

/* Splits the command line at blanks and parses it. */
static int parse(const char *line, int stop_at_operand)
{
	static char copy[1024];
	char *save = NULL;

	memset(&m, 0, sizeof(m));
	memset(&err, 0, sizeof(err));
	strncpy(copy, line, sizeof(copy) - 1);
	nwords = 0;
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		words[nwords++] = w;
	words[nwords] = NULL;
	return sr_options_parse(rows, &m, nwords, words, stop_at_operand, &operands, &err);
}

static void refused(const char *line, const char *text)
{
	assert_int_equal(parse(line, 0), -1);
	assert_int_equal(err.status, SR_USAGE);
	if (!strstr(err.text, text))
		fail_msg("'%s' does not contain '%s'", err.text, text);
}

static void defaults_are_set_before_the_command_line(void **state)
{
	assert_int_equal(parse("", 0), 0);
	assert_int_equal(m.repeat, 3);
	assert_string_equal(m.work, "time");
	assert_null(m.output);
	assert_int_equal(m.policy.n, 1);
	assert_string_equal(m.policy.v[0], "kernel");
	assert_int_equal(m.arm.n, 0);
}

static void all_ways_to_write_an_option_work(void **state)
{
	assert_int_equal(parse("--output=a", 0), 0);
	assert_string_equal(m.output, "a");
	assert_int_equal(parse("--output b", 0), 0);
	assert_string_equal(m.output, "b");
	assert_int_equal(parse("-oc", 0), 0);
	assert_string_equal(m.output, "c");
	assert_int_equal(parse("-o d", 0), 0);
	assert_string_equal(m.output, "d");
	assert_int_equal(parse("-aqo e", 0), 0);
	assert_true(m.all && m.quiet);
	assert_string_equal(m.output, "e");
	assert_int_equal(parse("--out=", 0), 0);
	assert_string_equal(m.output, "");
}

static void a_word_may_be_left_out_and_stands_behind_an_equals_sign(void **state)
{
	assert_int_equal(parse("", 0), 0);
	assert_string_equal(m.when, "auto");
	assert_int_equal(parse("--when no", 0), 0);
	assert_string_equal(m.when, "");
	assert_int_equal(operands, 1);
	assert_string_equal(words[0], "no");
	assert_int_equal(parse("-aw --when=no -q", 0), 0);
	assert_string_equal(m.when, "no");
	assert_true(m.all && m.quiet);
	refused("--when=never", "option --when: 'never' is none of: auto, yes, no");
	refused("--when=", "option --when: '' is none of");
}

static void the_last_of_two_wins_but_lists_collect(void **state)
{
	assert_int_equal(parse("--repeat 5 -n 7 --policy a --policy b", 0), 0);
	assert_int_equal(m.repeat, 7);
	assert_int_equal(m.policy.n, 2);
	assert_string_equal(m.policy.v[0], "a");
	assert_string_equal(m.policy.v[1], "b");
}

static void a_list_is_bounded(void **state)
{
	char line[1024] = "";

	for (int i = 0; i < 64; i++)
		strcat(line, "--arm x ");
	assert_int_equal(parse(line, 0), 0);
	assert_int_equal(m.arm.n, 64);
	strcat(line, "--arm x ");
	refused(line, "option --arm: given more than 64 times");
}

static void operands_move_to_the_front_in_order(void **state)
{
	assert_int_equal(parse("one -a two --output x - three -- -q --", 0), 0);
	assert_int_equal(operands, 6);
	assert_string_equal(words[0], "one");
	assert_string_equal(words[1], "two");
	assert_string_equal(words[2], "-");
	assert_string_equal(words[3], "three");
	assert_string_equal(words[4], "-q");
	assert_string_equal(words[5], "--");
	assert_null(words[6]);
	assert_true(m.all && !m.quiet);
}

static void the_first_operand_can_end_the_options(void **state)
{
	assert_int_equal(parse("-a make -q -- x", 1), 0);
	assert_int_equal(operands, 4);
	assert_string_equal(words[0], "make");
	assert_string_equal(words[1], "-q");
	assert_string_equal(words[2], "--");
	assert_true(m.all && !m.quiet);
	assert_int_equal(parse("-a -- -x make", 1), 0);
	assert_int_equal(operands, 2);
	assert_string_equal(words[0], "-x");
}

static void long_names_may_be_cut_while_unique(void **state)
{
	assert_int_equal(parse("--dur 1s --repo", 0), 0);
	assert_int_equal(m.duration_ns, 1000000000);
	refused("--rep 3", "option --rep is ambiguous: --repeat or --report");
}

static void unknown_options_are_named(void **state)
{
	refused("--nonsense", "unknown option --nonsense");
	refused("--nonsense=3", "unknown option --nonsense");
	refused("-aZ", "unknown option -Z");
	refused("--=x", "unknown option");
	refused("--allx", "unknown option --allx");
}

static void missing_and_surplus_arguments_are_refused(void **state)
{
	refused("--output", "option --output needs an argument: FILE");
	refused("-o", "option -o needs an argument: FILE");
	refused("--all=yes", "option --all takes no argument");
}

static void numbers_are_strict(void **state)
{
	assert_int_equal(parse("--repeat 1000 --scale 1.5e0", 0), 0);
	assert_int_equal(m.repeat, 1000);
	assert_true(m.scale == 1.5);
	refused("-n 0", "option -n: '0' is out of bounds: 1 to 1000");
	refused("--repeat 1001", "out of bounds");
	refused("--repeat=", "not a whole number");
	refused("--repeat 3x", "option --repeat: '3x' is not a whole number");
	refused("--repeat -3", "not a whole number");
	refused("--repeat 0x10", "not a whole number");
	refused("--repeat 18446744073709551616", "too large");
	refused("--scale nan", "not a number");
	refused("--scale inf", "not a number");
	refused("--scale 0x1p0", "not a number");
	refused("--scale 1e999", "too large");
	refused("--scale 2.1", "out of bounds: 0.5 to 2");
	refused("--scale 1.5.2", "not a number");
}

static void choices_and_cpu_lists_are_checked(void **state)
{
	assert_int_equal(parse("--work instructions --cpus 0-3,8", 0), 0);
	assert_string_equal(m.work, "instructions");
	assert_string_equal(m.cpus, "0-3,8");
	refused("--work instruction", "'instruction' is none of: time, instructions");
	refused("--work time|instructions", "is none of");
	refused("--cpus 3-1", "not a list of CPUs");
	refused("--cpus 0,", "not a list of CPUs");
}

static void a_wrong_default_is_a_bug(void **state)
{
	static const struct sr_option bad[] = {
		{ .name = "n", .type = SR_OPT_UINT, .offset = offsetof(struct members, repeat), .deflt = "x" },
		{ .name = NULL },
	};

	assert_int_equal(sr_options_parse(bad, &m, 0, words, 0, &operands, &err), -1);
	assert_int_equal(err.status, SR_BUG);
}

static void times_have_a_unit_and_are_exact(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{ "12ns", 12 },
		{ "10us", 10000 },
		{ "250ms", 250000000 },
		{ "0.1s", 100000000 },
		{ "1.5s", 1500000000 },
		{ ".5ms", 500000 },
		{ "3m", 180000000000 },
		{ "1h", 3600000000000 },
		{ "0.000000001s", 1 },
		{ "1.00000000000000000000000009s", 1000000000 },
		{ "18446744073709551615ns", UINT64_MAX },
		{ "0s", 0 },
	};
	static const char *const bad[] = { "",
					   "5",
					   "s",
					   ".s",
					   "-1s",
					   "+1s",
					   " 1s",
					   "1 s",
					   "1sx",
					   "1e3s",
					   "0x1s",
					   "1S",
					   "1,5s",
					   "18446744073709551616ns",
					   "18446744074s",
					   "99999999999999999999999999999999999999999h" };
	uint64_t ns;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(sr_parse_time(good[i].text, &ns, &err), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (sr_parse_time(bad[i], &ns, &err) == 0)
			fail_msg("'%s' was taken for a time", bad[i]);
		assert_int_equal(err.status, SR_USAGE);
	}
}

static void sizes_count_in_powers_of_1024(void **state)
{
	uint64_t n;

	assert_int_equal(sr_parse_size("4096", &n, &err), 0);
	assert_int_equal(n, 4096);
	assert_int_equal(sr_parse_size("64k", &n, &err), 0);
	assert_int_equal(n, 65536);
	assert_int_equal(sr_parse_size("1.5M", &n, &err), 0);
	assert_int_equal(n, 1572864);
	assert_int_equal(sr_parse_size("2G", &n, &err), 0);
	assert_int_equal(n, 2147483648);
	assert_int_equal(sr_parse_size("17179869184G", &n, &err), -1);
	assert_int_equal(sr_parse_size("3kB", &n, &err), -1);
	assert_int_equal(sr_parse_size("k", &n, &err), -1);
}

static void people_get_three_digits(void **state)
{
	static const struct {
		double ns;
		const char *text;
	} t[] = {
		{ 0, "0 ns" },        { 312, "312 ns" },     { 999.6, "1.00 us" },   { 12345, "12.3 us" },
		{ 312000, "312 us" }, { 999999, "1.00 ms" }, { 1.5e9, "1.50 s" },    { 99960000, "100 ms" },
		{ 5e12, "5000 s" },   { -2500, "-2.50 us" }, { 9.996e6, "10.0 ms" },
	};
	char buf[32];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_string_equal(sr_format_time(buf, sizeof(buf), t[i].ns), t[i].text);
	assert_string_equal(sr_format_time(buf, sizeof(buf), __builtin_nan("")), "-");
	assert_string_equal(sr_format_bytes(buf, sizeof(buf), 12345678), "12.3 MB");
	assert_string_equal(sr_format_bytes(buf, sizeof(buf), 12), "12 B");
	assert_string_equal(sr_format_count(buf, sizeof(buf), 12345678), "12,345,678");
	assert_string_equal(sr_format_count(buf, sizeof(buf), 999), "999");
	assert_string_equal(sr_format_count(buf, sizeof(buf), UINT64_MAX), "18,446,744,073,709,551,615");
}

static void bounds_are_written_as_on_the_command_line(void **state)
{
	struct sr_option o = { .name = "x", .type = SR_OPT_TIME };
	char buf[32];

	assert_string_equal(sr_option_bound(buf, sizeof(buf), &o, 250e6), "250ms");
	assert_string_equal(sr_option_bound(buf, sizeof(buf), &o, 7200e9), "2h");
	assert_string_equal(sr_option_bound(buf, sizeof(buf), &o, 1500), "1500ns");
	assert_string_equal(sr_option_bound(buf, sizeof(buf), &o, 0), "0ns");
	o.type = SR_OPT_SIZE;
	assert_string_equal(sr_option_bound(buf, sizeof(buf), &o, 65536), "64k");
	o.type = SR_OPT_REAL;
	assert_string_equal(sr_option_bound(buf, sizeof(buf), &o, 0.25), "0.25");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_set_before_the_command_line),
		cmocka_unit_test(all_ways_to_write_an_option_work),
		cmocka_unit_test(a_word_may_be_left_out_and_stands_behind_an_equals_sign),
		cmocka_unit_test(the_last_of_two_wins_but_lists_collect),
		cmocka_unit_test(a_list_is_bounded),
		cmocka_unit_test(operands_move_to_the_front_in_order),
		cmocka_unit_test(the_first_operand_can_end_the_options),
		cmocka_unit_test(long_names_may_be_cut_while_unique),
		cmocka_unit_test(unknown_options_are_named),
		cmocka_unit_test(missing_and_surplus_arguments_are_refused),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(choices_and_cpu_lists_are_checked),
		cmocka_unit_test(a_wrong_default_is_a_bug),
		cmocka_unit_test(times_have_a_unit_and_are_exact),
		cmocka_unit_test(sizes_count_in_powers_of_1024),
		cmocka_unit_test(people_get_three_digits),
		cmocka_unit_test(bounds_are_written_as_on_the_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
