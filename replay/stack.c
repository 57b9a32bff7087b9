/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stacks of the replay's threads: one mapping, a stack for each task, kept until the run is freed. Stacks of the C
 * library would be unmapped as threads end, and all threads of a process wait for each other at that. Pages that nobody
 * touches cost nothing. The threads are joined when the run is freed: only then is it sure that none is on its stack.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "replay/engine_internal.h"

/* A thread calls little, but the C library keeps its own data there too, and sanitizers keep more. */
#if defined(__SANITIZE_ADDRESS__)
#define STACK_BYTES (256u << 10)
#else
#define STACK_BYTES (32u << 10)
#endif

#define ALL_BYTES (4ul << 30) /* of address space; beyond, the stacks are the C library's */
#define WARM_BYTES 8192u      /* at the upper end of a stack: what a thread uses first */
#define ALL_WARM_BYTES (64ul << 20)

static size_t stack_bytes(void)
{
	long page = sysconf(_SC_PAGESIZE), least = sysconf(_SC_THREAD_STACK_MIN);
	size_t bytes = STACK_BYTES;

	if (least > 0 && (size_t)least + STACK_BYTES / 2 > bytes)
		bytes = (size_t)least + STACK_BYTES / 2;
	return (bytes + page - 1) & ~((size_t)page - 1);
}

void rpl_stacks_start(struct rpl_run *run)
{
	size_t n = run->m->ntasks, each = stack_bytes(), i;
	char *all;

	run->stack_bytes = each;
	/* Processes of the replay have a copy each of what is mapped, and end when they end. */
	if (run->cfg.processes || n > ALL_BYTES / each)
		return;
	all = mmap(NULL, n * each, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1,
		   0);
	if (all == MAP_FAILED)
		return;
	madvise(all, n * each, MADV_NOHUGEPAGE);
	for (i = 1; i <= n && i * WARM_BYTES <= ALL_WARM_BYTES; i++) {
		volatile char *top = all + i * each;

		top[-1] = 0;
		top[-(long)WARM_BYTES] = 0;
	}
	run->stacks = all;
}

int rpl_create_on(struct rpl_run *run, size_t stack, bool detached, pthread_t *id, void *(*main)(void *), void *arg)
{
	pthread_attr_t attr;
	int ret = pthread_attr_init(&attr);

	if (ret)
		return ret;
	if (run->stacks) {
		ret = pthread_attr_setstack(&attr, run->stacks + stack * run->stack_bytes, run->stack_bytes);
	} else {
		pthread_attr_setguardsize(&attr, 0);
		ret = pthread_attr_setstacksize(&attr, run->stack_bytes);
	}
	if (!ret && detached)
		ret = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (!ret)
		ret = pthread_create(id, &attr, main, arg);
	pthread_attr_destroy(&attr);
	return ret;
}

int rpl_create_thread(struct rpl_run *run, struct rthread *t)
{
	int ret = rpl_create_on(run, t->index, !run->stacks, &t->thread, rpl_thread_main, t);

	t->joinable = !ret && run->stacks;
	return ret;
}

void rpl_stacks_stop(struct rpl_run *run)
{
	size_t i;

	if (!run->stacks)
		return;
	for (i = 0; i < run->m->ntasks; i++)
		if (run->threads[i].joinable)
			pthread_join(run->threads[i].thread, NULL);
	munmap(run->stacks, run->m->ntasks * run->stack_bytes);
}
