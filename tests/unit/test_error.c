/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "formats/error.h"
#include "formats/event.h"

static struct sr_error err;

static void a_failure_carries_status_and_text(void **state)
{
	assert_int_equal(sr_fail(&err, SR_DAMAGED, "chunk %d", 7), -1);
	assert_int_equal(err.status, SR_DAMAGED);
	assert_string_equal(err.text, "chunk 7");
}

static void the_reason_follows_and_errno_stays(void **state)
{
	errno = ENOENT;
	assert_int_equal(sr_fail_errno(&err, SR_ENVIRONMENT, "cannot open %s", "x"), -1);
	assert_string_equal(err.text, "cannot open x: No such file or directory");
	assert_int_equal(errno, ENOENT);
}

static void a_prefix_goes_in_front_and_the_status_stays(void **state)
{
	sr_fail(&err, SR_USAGE, "too large");
	assert_int_equal(sr_fail_prefix(&err, "option --%s", "n"), -1);
	assert_string_equal(err.text, "option --n: too large");
	assert_int_equal(err.status, SR_USAGE);
}

static void a_text_that_is_too_long_is_cut(void **state)
{
	char longer[3000];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	sr_fail(&err, SR_USAGE, "%s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	sr_fail_prefix(&err, "y");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "y: xxx", 6);
	sr_fail_prefix(&err, "%s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	errno = EIO;
	sr_fail_errno(&err, SR_USAGE, "%s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void every_kind_and_state_has_a_name(void **state)
{
	for (unsigned k = 1; k < SR_EV_KINDS; k++)
		assert_string_not_equal(sr_event_kind_name(k), "?");
	assert_string_equal(sr_event_kind_name(0), "?");
	assert_string_equal(sr_event_kind_name(SR_EV_KINDS), "?");
	assert_string_equal(sr_event_kind_name(SR_EV_WAKEUP_NEW), "sched_wakeup_new");
	assert_int_equal(sr_state_letter(SR_STATE_PREEMPTED), 'R');
	assert_int_equal(sr_state_letter(SR_STATE_TRACED), 't');
	assert_int_equal(sr_state_letter(200), '?');
	for (unsigned c = 0; c < SR_CAUSES; c++)
		assert_string_not_equal(sr_cause_name(c), "?");
	assert_string_equal(sr_cause_name(SR_CAUSES), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_carries_status_and_text),
		cmocka_unit_test(the_reason_follows_and_errno_stays),
		cmocka_unit_test(a_prefix_goes_in_front_and_the_status_stays),
		cmocka_unit_test(a_text_that_is_too_long_is_cut),
		cmocka_unit_test(every_kind_and_state_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
