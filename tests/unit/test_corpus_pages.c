/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people see of a served corpus, without a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "corpus/index.h"
#include "corpus/serve_internal.h"

/* The first page of a corpus with so many traces, each of another contributor. */
static char *home_of(unsigned n)
{
	static struct crp_server server;
	char dir[64] = "/tmp/schedrec-pages.XXXXXX", path[96];
	struct crp_request r = { .s = &server };
	struct crp_answer a = { .fd = -1 };
	struct crp_row row = { .bytes = 1, .events = 1, .duration_ns = 1 };
	struct crp_index *ix;
	struct sr_error err;

	assert_non_null(mkdtemp(dir));
	crp_close(crp_open(dir, CRP_CREATE, &err));
	snprintf(path, sizeof(path), "%s/index", dir);
	ix = crp_index_open(path, CRP_WRITE, &err);
	assert_non_null(ix);
	crp_index_begin(ix);
	for (unsigned i = 0; i < n; i++) {
		snprintf(row.sha256, sizeof(row.sha256), "%064x", i);
		snprintf(row.contributor, sizeof(row.contributor), "%x", i);
		assert_int_equal(crp_index_add(ix, &row, &err), 1);
	}
	assert_int_equal(crp_index_commit(ix, &err), 0);
	crp_index_close(ix);
	memset(&server, 0, sizeof(server));
	server.lister = crp_open(dir, CRP_READ, &err);
	server.survey = calloc(1, sizeof(*server.survey));
	pthread_mutex_init(&server.list_lock, NULL);
	crp_page_home(&r, &a);
	assert_int_equal(a.status, 200);
	crp_close(server.lister);
	free(server.survey);
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	assert_int_equal(system(path), 0);
	return a.body;
}

static void contributors_are_counted_as_far_as_they_are_told_apart(void **state)
{
	char *body = home_of(5);

	assert_non_null(strstr(body, "5 traces of 5 contributors"));
	free(body);
	body = home_of(CRP_GROUPS + 44);
	assert_non_null(strstr(body, "300 traces of more than 256 contributors"));
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contributors_are_counted_as_far_as_they_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
