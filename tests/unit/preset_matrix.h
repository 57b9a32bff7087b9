/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scenarios, each on every machine preset: a test a pair. What is to come out on a preset is computed from its topology by
 * the scenario. One that makes no sense on a preset says why; that pair is no test and has not passed, and a line tells
 * of it.
 */
#ifndef SCHEDREC_TESTS_PRESET_MATRIX_H
#define SCHEDREC_TESTS_PRESET_MATRIX_H

#include <stdio.h>

#include "tests/unit/sim_scenario.h"

struct preset_scenario {
	const char *name;
	const char *(*why_not)(const struct sr_machine *m); /* NULL: it applies */
	void (*run)(const struct sr_machine *m, const char *preset);
};

struct preset_pair {
	const struct preset_scenario *scenario;
	const struct sr_machine *machine;
	const char *preset;
	char name[160];
};

static inline void run_pair(void **state)
{
	const struct preset_pair *p = *state;

	p->scenario->run(p->machine, p->preset);
}

/* "n/a SCENARIO: not on PRESET PRESET: REASON", a line a reason. True: it is on some preset. */
static inline bool tell_where_not(const struct preset_scenario *s, struct sr_machine *const *machine, size_t n)
{
	const struct sr_machine_preset *preset = sr_machine_presets();
	bool somewhere = false;

	for (size_t i = 0; i < n; i++) {
		const char *why = s->why_not(machine[i]);
		size_t first = 0;

		somewhere |= !why;
		while (why && (!s->why_not(machine[first]) || strcmp(s->why_not(machine[first]), why) != 0))
			first++;
		if (!why || first < i)
			continue;
		printf("n/a %s: not on", s->name);
		for (size_t k = i; k < n; k++)
			if (s->why_not(machine[k]) && !strcmp(s->why_not(machine[k]), why))
				printf(" %s", preset[k].name);
		printf(": %s\n", why);
	}
	return somewhere;
}

/* What main returns. */
static inline int preset_matrix(const char *group, const struct preset_scenario *v, size_t n)
{
	const struct sr_machine_preset *preset = sr_machine_presets();
	size_t presets = 0, pairs = 0;
	struct sr_machine **machine;
	struct preset_pair *pair;
	struct CMUnitTest *test;
	int failed = 0;

	while (preset[presets].name)
		presets++;
	machine = calloc(presets, sizeof(struct sr_machine *));
	pair = calloc(presets * n, sizeof(*pair));
	test = calloc(presets * n, sizeof(*test));
	if (!machine || !pair || !test)
		return 1;
	for (size_t i = 0; i < presets; i++) {
		struct sr_error err = { 0 };

		machine[i] = sr_machine_load(preset[i].name, &err);
		if (!machine[i]) {
			printf("[  FAILED  ] %s: %s\n", preset[i].name, err.text);
			return 1;
		}
	}
	for (size_t k = 0; k < n; k++) {
		if (!tell_where_not(&v[k], machine, presets)) {
			printf("[  FAILED  ] %s: on no preset\n", v[k].name);
			failed++;
		}
		for (size_t i = 0; i < presets; i++) {
			struct preset_pair *p = &pair[pairs];

			if (v[k].why_not(machine[i]))
				continue;
			*p = (struct preset_pair){ &v[k], machine[i], preset[i].name, "" };
			snprintf(p->name, sizeof(p->name), "%s: %s", v[k].name, preset[i].name);
			test[pairs++] =
				(struct CMUnitTest){ .name = p->name, .test_func = run_pair, .initial_state = p };
		}
	}
	fflush(stdout);
	failed += _cmocka_run_group_tests(group, test, pairs, NULL, NULL);
	for (size_t i = 0; i < presets; i++)
		sr_machine_free(machine[i]);
	free(machine);
	free(pair);
	free(test);
	return failed;
}

#endif
