/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An example of a policy of one's own. A task stays on its last CPU unless another has fewer tasks, at least by `stay`;
 * of CPUs with equally many one that shares its last CPU's cache is preferred. A CPU that runs empty takes a waiting task
 * from where most wait.
 *
 *	make policy-leastloaded.so
 *	schedrec policies ./policy-leastloaded.so
 *	schedrec replay build.srz --policy kernel,./policy-leastloaded.so:stay=2
 */
#include <stdlib.h>
#include <string.h>

#include <schedrec-policy.h>

#define MAX_QUEUE 32 /* tasks of one queue that are looked at */

/* All that the policy remembers. One a run, in the engine's memory. */
struct state {
	uint32_t stay;
};

static int init(struct schedrec_engine *e, const char *options, void **state)
{
	struct state *s = e->alloc(e, 1, sizeof(*s));

	if (!s)
		return e->refuse(e, "out of memory");
	s->stay = 1;
	if (options) {
		char *end;

		if (strncmp(options, "stay=", 5) != 0)
			return e->refuse(e, "it has one option, stay=N");
		s->stay = (uint32_t)strtoul(options + 5, &end, 10);
		if (end == options + 5 || *end || s->stay > 1000)
			return e->refuse(e, "stay=N: a number up to 1000");
	}
	*state = s;
	return 0;
}

/* Is CPU a, where `from` is the last one, better than b? */
static int better(const struct schedrec_engine *e, uint32_t a, uint32_t b, int32_t from)
{
	uint32_t na = e->nr_running(e, a), nb = e->nr_running(e, b);

	if (na != nb || from < 0)
		return na < nb;
	return e->cpu[a].llc == e->cpu[from].llc && e->cpu[b].llc != e->cpu[from].llc;
}

static int32_t place(struct schedrec_engine *e, void *state, const struct schedrec_place *p)
{
	const struct state *s = state;
	int32_t best = -1, last = p->prev_cpu;

	for (uint32_t cpu = 0; cpu < e->ncpus; cpu++)
		if (schedrec_may_use(e, cpu, p->allowed) && (best < 0 || better(e, cpu, (uint32_t)best, last)))
			best = (int32_t)cpu;
	if (best < 0 || last < 0 || !schedrec_may_use(e, (uint32_t)last, p->allowed))
		return best; /* -1: where it was; the engine corrects what is not allowed */
	return e->nr_running(e, (uint32_t)best) + s->stay <= e->nr_running(e, (uint32_t)last) ? best : last;
}

static void newidle(struct schedrec_engine *e, void *state, uint32_t cpu)
{
	int32_t waiting[MAX_QUEUE];
	uint32_t most = 1, from = cpu, n;

	(void)state;
	for (uint32_t i = 0; i < e->ncpus; i++)
		if (e->cpu[i].online && e->nr_running(e, i) > most) {
			most = e->nr_running(e, i);
			from = i;
		}
	n = from == cpu ? 0 : e->queue(e, from, waiting, MAX_QUEUE);
	/* The last of the queue would wait longest. One is enough; who may not come here is refused. */
	while (n-- > 0) {
		struct schedrec_task view;

		e->task(e, waiting[n], &view);
		if (schedrec_may_use(e, cpu, view.allowed) && !e->migrate(e, waiting[n], cpu, SCHEDREC_NEWIDLE))
			return;
	}
}

static const struct schedrec_option options_help[] = {
	{ "stay", "N", "1", "how many tasks less another CPU must have, to 1000" },
	{ NULL, NULL, NULL, NULL },
};

const struct schedrec_policy schedrec_policy = {
	.abi = SCHEDREC_POLICY_ABI,
	.size = sizeof(struct schedrec_policy),
	.name = "leastloaded",
	.summary = "the last CPU, unless another has fewer tasks; idle CPUs take one that waits",
	.text = "The example of schedrec's documentation.",
	.cost = "fork, exec, wake, a CPU that runs empty: O(CPUs)",
	.options = options_help,
	.init = init,
	.place = place,
	.newidle = newidle,
};
