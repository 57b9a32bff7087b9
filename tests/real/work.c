/* SPDX-License-Identifier: GPL-2.0-or-later */
/* work MS SLEEP_MS [NAME]: uses the CPU for so many ms of its own time, then sleeps, under a name; then ends. */
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

int main(int argc, char **argv)
{
	long ms = argc > 1 ? atol(argv[1]) : 100, pause_ms = argc > 2 ? atol(argv[2]) : 0;
	struct timespec t, pause = { .tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000 };

	if (argc > 3)
		prctl(PR_SET_NAME, argv[3]);
	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms);
	if (pause_ms)
		nanosleep(&pause, NULL);
	return 0;
}
