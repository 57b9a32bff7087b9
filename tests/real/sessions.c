/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sessions MS N[:PAUSE]...: for each N a session of so many processes, called s1, s2 and so on; each uses the CPU for MS ms
 * of its own time. PAUSE: ms that the first one sleeps before it calls setsid. Forks, setsid and work, no exec.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void work(long ms)
{
	struct timespec t;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms);
}

static void be_session(int number, const char *what, long ms)
{
	const char *pause = strchr(what, ':');
	char name[16];
	long n = atol(what), i;

	snprintf(name, sizeof(name), "s%d", number);
	prctl(PR_SET_NAME, name);
	if (pause)
		usleep((useconds_t)atol(pause + 1) * 1000);
	setsid();
	for (i = 1; i < n; i++)
		if (fork() == 0)
			break;
	work(ms);
	while (i == n && wait(NULL) > 0)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	int i;

	for (i = 2; i < argc; i++)
		if (fork() == 0)
			be_session(i - 1, argv[i], atol(argv[1]));
	while (wait(NULL) > 0)
		;
	return 0;
}
