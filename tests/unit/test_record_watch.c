/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The class of a pass of draining. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <sched.h>
#include <unistd.h>
#include <cmocka.h>

#include "record/internal.h"

struct pass {
	struct rec_session *s;
	int within;
};

/* In a thread of its own: not everyone may leave the idle class again. */
static void *pass_main(void *arg)
{
	struct pass *p = arg;

	rec_pass_begins(p->s, rec_now_ns());
	p->within = sched_getscheduler(0);
	rec_pass_ends(p->s);
	return NULL;
}

static int class_within(struct rec_session *s)
{
	struct pass p = { .s = s, .within = -1 };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, pass_main, &p), 0);
	pthread_join(thread, NULL);
	return p.within;
}

static struct rec_session *session(uint64_t buffer_bytes)
{
	struct rec_session *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->may_idle = true;
	s->buffer_bytes = buffer_bytes;
	s->janitor.silent = true; /* there is none */
	return s;
}

static void a_pass_is_in_the_idle_class(void **state)
{
	struct rec_session *s = session(16u << 20);

	assert_int_equal(class_within(s), SCHED_IDLE);
	free(s);
}

/* Half of them is full before it would be back. */
static void with_small_buffers_it_is_not(void **state)
{
	struct rec_session *s = session(256u << 10);

	assert_int_equal(class_within(s), SCHED_OTHER);
	free(s);
}

static void nor_where_all_haste_is_needed(void **state)
{
	struct rec_session *s = session(16u << 20);

	rec_hurry(s, true);
	assert_int_equal(class_within(s), SCHED_OTHER);
	free(s);
}

int main(void)
{
#define T(name) cmocka_unit_test(name)
	const struct CMUnitTest tests[] = {
		T(a_pass_is_in_the_idle_class),
		T(with_small_buffers_it_is_not),
		T(nor_where_all_haste_is_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
