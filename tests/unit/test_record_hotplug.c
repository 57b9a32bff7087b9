/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "record/hotplug.h"

static void messages_of_cpus_are_told_from_others(void **state)
{
	static const struct {
		const char *text;
		int is, cpu, online;
	} cases[] = {
		{ "offline@/devices/system/cpu/cpu1", 1, 1, 0 },
		{ "online@/devices/system/cpu/cpu63", 1, 63, 1 },
		{ "online@/devices/system/cpu/cpu4095", 1, 4095, 1 },
		{ "online@/devices/system/cpu/cpu4096", 0, 0, 0 },
		{ "online@/devices/system/cpu/cpu99999999999999999999", 0, 0, 0 },
		{ "online@/devices/system/cpu/cpu1/cache", 0, 0, 0 },
		{ "online@/devices/system/cpu/cpu", 0, 0, 0 },
		{ "online@/devices/system/cpu/cpu-1", 0, 0, 0 },
		{ "add@/devices/system/cpu/cpu1", 0, 0, 0 },
		{ "online@/devices/system/node/node1", 0, 0, 0 },
		{ "online", 0, 0, 0 },
		{ "", 0, 0, 0 },
	};
	unsigned cpu;
	bool online;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(rec_hotplug_parse(cases[i].text, strlen(cases[i].text) + 1, &cpu, &online),
				 cases[i].is);
		if (!cases[i].is)
			continue;
		assert_int_equal(cpu, cases[i].cpu);
		assert_int_equal(online, cases[i].online);
	}
	/* Not terminated. */
	assert_false(rec_hotplug_parse("online@/devices/system/cpu/cpu1", 31, &cpu, &online));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(messages_of_cpus_are_told_from_others) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
