/* SPDX-License-Identifier: GPL-2.0-or-later */
/* threads N: N threads alive at one time, each of which sleeps until the last one is there. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_there = PTHREAD_COND_INITIALIZER;
static long there, wanted;

static void *sleeper(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	if (++there == wanted)
		pthread_cond_broadcast(&all_there);
	while (there < wanted)
		pthread_cond_wait(&all_there, &lock);
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_attr_t attr;
	pthread_t *id;
	long i;

	wanted = argc > 1 ? atol(argv[1]) : 1000;
	id = calloc((size_t)wanted, sizeof(*id));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
	for (i = 0; id && i < wanted; i++)
		if (pthread_create(&id[i], &attr, sleeper, NULL)) {
			fprintf(stderr, "thread %ld could not be created\n", i);
			return 1;
		}
	for (i = 0; id && i < wanted; i++)
		pthread_join(id[i], NULL);
	return 0;
}
