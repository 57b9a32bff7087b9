/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: any bytes as a recording, of which a model is built. What begins like a .srz file is read as one, all else as
 * the byte code of model_code.h. A model is refused, or it keeps what model.h promises: an engine that runs it needs
 * no check of its own, and comes to the end. The same of models joined and looped, and each is built twice alike.
 */
#include <sys/mman.h>

#include "formats/model.h"
#include "formats/model_internal.h"
#include "formats/srz_internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/model_code.h"

#define NONE UINT32_MAX
#define MOST_NS (1ull << 40) /* between two events */

/* What a built model keeps, and one of several that were joined or looped does not: the numbers of waits in order, one wake
 * for each wait. */
enum how { BUILT, COMBINED };

static void check_op(const struct sr_model *m, const struct sr_op *op)
{
	switch (op->kind) {
	case SR_OP_NOP:
	case SR_OP_END:
	case SR_OP_EXEC:
		break;
	case SR_OP_RUN:
		MUST_BE(op->value);
		break;
	case SR_OP_WAKE:
		MUST_BE(op->arg < m->ntasks && op->value <= m->tasks[op->arg].nwaits);
		MUST_BE((op->flags & SR_ORDER_MASK) <= SR_ORDER_CONCURRENT);
		break;
	case SR_OP_FORK:
		MUST_BE(op->arg < m->ntasks);
		break;
	case SR_OP_NAME:
		MUST_BE(op->arg == SR_NAME_KEPT || (op->arg < m->nnames && strlen(m->names[op->arg]) < SR_COMM_LEN));
		break;
	case SR_OP_NICE:
		MUST_BE(op->arg < 40);
		break;
	case SR_OP_CLASS:
		MUST_BE(op->flags <= SR_SCHED_EXT && op->arg < 100);
		break;
	case SR_OP_MASK:
		MUST_BE(op->arg < m->attrs.nmasks);
		break;
	case SR_OP_WAIT:
		break;
	case SR_OP_SLEEP:
		MUST_BE(op->flags < SR_SLEEPS);
		break;
	default:
		MUST_BE(!"an operation");
	}
	MUST_BE(op->cpu < SR_MAX_CPUS || op->kind == SR_OP_WAKE); /* there it is what the call took */
}

/* forks: of each task, how often it is forked. first: of each task, the number of its first wait among all. wakes: of each
 * wait, how many end it. */
struct tally {
	uint32_t *forks, *wakes, *watches;
	size_t *first;
};

static void *zeroed(size_t n)
{
	void *v = calloc(n + 1, sizeof(size_t));

	MUST_BE(v);
	return v;
}

/* Each pool's jobs are numbered in the order in which its dispatcher gives them, and it does no jobs itself. */
static void check_pools(const struct sr_model *m)
{
	uint32_t *next = zeroed(m->ntasks);
	uint64_t jobs = 0;

	for (size_t i = 0; i < m->ntasks; i++)
		for (size_t k = 0; k < m->tasks[i].nops; k++) {
			const struct sr_op *op = &m->tasks[i].ops[k];
			uint32_t job;

			if (op->kind != SR_OP_WAKE || op->value >= m->tasks[op->arg].nwaits)
				continue;
			job = m->tasks[op->arg].waits[op->value].job;
			MUST_BE(!job || m->tasks[op->arg].dispatcher == i + 1);
			if (job >= SR_JOB_FIRST)
				MUST_BE(job == SR_JOB_FIRST + next[i]++);
		}
	for (size_t i = 0; i < m->ntasks; i++) {
		const struct sr_program *p = &m->tasks[i];

		MUST_BE(p->dispatcher <= m->ntasks);
		MUST_BE(!p->dispatcher || !m->tasks[p->dispatcher - 1].dispatcher);
		for (size_t k = 0; k < p->nwaits; k++)
			jobs += p->waits[k].job >= SR_JOB_FIRST;
	}
	MUST_BE(jobs == m->counts.pool_jobs);
	free(next);
}

static bool ends_a_wait(const struct sr_model *m, size_t waker, const struct sr_op *wake)
{
	const struct sr_program *p = &m->tasks[wake->arg];
	const struct sr_wait *w = &p->waits[wake->value];

	if (wake->value >= p->nwaits)
		return false;
	/* In a loop several tasks end one wait, and it names none. */
	return w->waker == waker || (w->waker == NONE && w->needs > w->folded);
}

static void take_stock(const struct sr_model *m, struct tally *t)
{
	size_t n = 0, idle = 0;

	t->forks = zeroed(m->ntasks);
	t->first = zeroed(m->ntasks);
	for (size_t i = 0; i < m->ntasks; i++) {
		t->first[i] = n;
		n += m->tasks[i].nwaits;
	}
	t->wakes = zeroed(n);
	t->watches = zeroed(n);
	for (size_t i = 0; i < m->ntasks; i++)
		for (size_t k = 0; k < m->tasks[i].nops; k++) {
			const struct sr_op *op = &m->tasks[i].ops[k];

			check_op(m, op);
			if (op->kind == SR_OP_FORK) {
				t->forks[op->arg]++;
				MUST_BE(m->tasks[op->arg].parent == i);
			} else if (op->kind == SR_OP_WAKE && ends_a_wait(m, i, op)) {
				t->wakes[t->first[op->arg] + op->value]++;
			} else if (op->kind == SR_OP_WAKE) {
				idle++;
			}
		}
	check_pools(m);
	/* A wait that the check has timed keeps its wake. */
	MUST_BE(idle <= m->counts.check_timed);
	for (size_t i = 0; i < m->ntasks; i++)
		for (size_t k = 0; k < m->tasks[i].nwaits; k++) {
			const struct sr_wait *w = &m->tasks[i].waits[k];

			if (w->watch_task == NONE)
				continue;
			MUST_BE(w->watch_task < m->ntasks && w->watch_wait < m->tasks[w->watch_task].nwaits);
			t->watches[t->first[w->watch_task] + w->watch_wait]++;
		}
}

static void check_wait(const struct sr_model *m, const struct sr_op *op, const struct sr_wait *w, uint32_t wakes,
		       uint32_t watches, enum how how)
{
	MUST_BE(w->folded <= w->needs && (w->folded == watches || m->counts.check_timed));
	MUST_BE(w->wake_ns >= w->block_ns);
	MUST_BE(w->waker == NONE || w->waker < m->ntasks);
	if (op->kind == SR_OP_SLEEP) {
		MUST_BE(w->waker == NONE && w->needs == w->folded);
		MUST_BE(op->flags != SR_SLEEP_PERIODIC || w->timer < SR_TIMERS);
	} else if (how == BUILT) {
		MUST_BE(w->waker != NONE && wakes == 1 && w->needs == w->folded + 1);
	} else {
		MUST_BE(w->needs - w->folded == wakes && wakes);
	}
}

static void check_program(const struct sr_model *m, size_t i, const struct tally *t, enum how how)
{
	const struct sr_program *p = &m->tasks[i];
	bool *seen = zeroed(p->nwaits), anchored[SR_TIMERS] = { false };
	uint64_t run_ns = 0;
	size_t waits = 0;

	MUST_BE(p->nops && p->ops[p->nops - 1].kind == SR_OP_END);
	MUST_BE(p->parent == NONE ? !t->forks[i] : p->parent < m->ntasks && p->parent != i && t->forks[i] == 1);
	MUST_BE(memchr(p->comm, '\0', SR_COMM_LEN) && p->first_cpu < SR_MAX_CPUS && p->source < m->nsources);
	MUST_BE(p->nice >= -20 && p->nice <= 19 && p->rt_prio <= 99);
	MUST_BE(p->group == SR_ATTR_NONE || p->group < m->attrs.ngroups);
	MUST_BE(!p->loop || p->any);
	for (size_t k = 0; k < p->nops; k++) {
		const struct sr_op *op = &p->ops[k];
		const struct sr_wait *w;

		MUST_BE(op->kind != SR_OP_END || k + 1 == p->nops);
		run_ns += op->kind == SR_OP_RUN ? op->value : 0;
		if (!sr_op_rests(op))
			continue;
		MUST_BE(op->arg < p->nwaits && !seen[op->arg] && (how == COMBINED || op->arg == waits));
		seen[op->arg] = true;
		waits++;
		w = &p->waits[op->arg];
		check_wait(m, op, w, t->wakes[t->first[i] + op->arg], t->watches[t->first[i] + op->arg], how);
		if (op->kind == SR_OP_SLEEP && op->flags == SR_SLEEP_PERIODIC) {
			MUST_BE(anchored[w->timer] || w->anchor);
			anchored[w->timer] = true;
		}
	}
	MUST_BE(waits == p->nwaits && run_ns == p->cpu_ns);
	free(seen);
}

/* It plays to its end: sr_model_check finds nothing to mend. */
static void check_dry(struct sr_model *m)
{
	uint64_t timed = m->counts.check_timed;
	struct sr_error err;

	MUST_BE(!sr_model_check(m, &err) && m->counts.check_timed == timed);
}

static void check_model(struct sr_model *m, enum how how)
{
	struct tally t;
	uint64_t run_ns = 0;

	take_stock(m, &t);
	MUST_BE(m->ntasks && m->max_alive && m->max_alive <= m->ntasks && m->end_ns >= m->start_ns);
	for (size_t i = 0; i < m->ntasks; i++) {
		check_program(m, i, &t, how);
		run_ns += m->tasks[i].cpu_ns;
	}
	MUST_BE(run_ns == m->run_ns);
	check_dry(m);
	free(t.forks);
	free(t.first);
	free(t.wakes);
	free(t.watches);
}

static bool same_wait(const struct sr_wait *a, const struct sr_wait *b)
{
	return a->needs == b->needs && a->folded == b->folded && a->watch_task == b->watch_task &&
	       a->watch_wait == b->watch_wait && a->waker == b->waker && a->answers == b->answers &&
	       a->timer == b->timer && a->anchor == b->anchor && a->block_ns == b->block_ns &&
	       a->wake_ns == b->wake_ns && a->deadline_ns == b->deadline_ns;
}

static void must_be_same(const struct sr_model *a, const struct sr_model *b)
{
	MUST_BE(a->ntasks == b->ntasks && a->nnames == b->nnames && a->max_alive == b->max_alive);
	MUST_BE(!memcmp(&a->counts, &b->counts, sizeof(a->counts)));
	for (size_t i = 0; i < a->ntasks; i++) {
		const struct sr_program *p = &a->tasks[i], *q = &b->tasks[i];

		MUST_BE(p->nops == q->nops && p->nwaits == q->nwaits && p->source == q->source && p->any == q->any &&
			p->loop == q->loop && p->policy == q->policy && p->nice == q->nice && p->parent == q->parent &&
			!strcmp(p->comm, q->comm));
		for (size_t k = 0; k < p->nops; k++)
			MUST_BE(!memcmp(&p->ops[k], &q->ops[k], sizeof(p->ops[k])));
		for (size_t k = 0; k < p->nwaits; k++)
			MUST_BE(same_wait(&p->waits[k], &q->waits[k]));
	}
}

/* The CPUs of the recording, from its first event to its last, can have run no more. A filtered recording's start state has
 * the tasks of the filter only: of others it is not known when they ran. */
static void check_time(const struct srz_reader *r, const struct sr_model *m)
{
	unsigned __int128 most = (unsigned __int128)(m->end_ns - m->start_ns) * m->cpus;
	const struct sr_task_starts *starts = srz_get_tasks(r);
	const char *scope = srz_get_meta(r, "scope");

	for (size_t i = 0; scope && strcmp(scope, "system") != 0 && i < starts->n; i++)
		if (!(starts->v[i].flags & SR_TASK_ROOT))
			return;
	MUST_BE(m->run_ns <= most);
	for (size_t i = 0; i < m->ntasks; i++)
		MUST_BE(m->tasks[i].cpu_ns <= m->end_ns - m->start_ns);
}

static void check_options(struct srz_reader *r, const struct sr_model_options *o, uint8_t what)
{
	struct sr_error err;
	struct sr_model *a = sr_model_build(r, o, &err), *b;

	if (!a) {
		MUST_BE(err.status == SR_DAMAGED || err.status == SR_ANSWER_NO);
		return;
	}
	check_model(a, BUILT);
	check_time(r, a);
	b = sr_model_build(r, o, &err);
	MUST_BE(b);
	must_be_same(a, b);
	MUST_BE(!sr_model_join(a, b, what & 64 ? 1000000 : 0, a->nsources, &err));
	check_model(a, COMBINED);
	MUST_BE(!sr_model_loop(a, 2 + (what >> 7), &err));
	check_model(a, COMBINED);
	sr_model_free(a);
}

static struct srz_reader *open_bytes(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct sr_error err;
	char path[64];

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return srz_open(path, &err);
}

/* The caller's bits of a code's first byte: 2 events cost time, 3 a window, 4 tasks by name, 6-7 how it is combined. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool file = size >= 8 && !memcmp(data, SRZ_MAGIC, 8);
	uint8_t what = file || !size ? 0 : data[0];
	struct sr_model_options o = { .tracepoint_ns = what & 4 ? 300 : 0, .tasks = what & 16 ? "[b-f]*,!e" : NULL };
	struct srz_reader *r;
	char path[64];

	if (!file && size > 4096)
		return 0;
	snprintf(path, sizeof(path), "/dev/shm/schedrec-fuzz-%d.srz", (int)getpid());
	r = file ? open_bytes(data, size) : code_read(data, size, path, MOST_NS);
	if (!r)
		return 0;
	if (what & 8) {
		const struct srz_info *info = srz_get_info(r);
		uint64_t length = info->last_ns - info->first_ns;

		o.from_ns = length / 4;
		o.to_ns = length - length / 8;
	}
	check_options(r, &o, what);
	srz_reader_free(r);
	return 0;
}
