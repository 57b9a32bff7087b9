/* SPDX-License-Identifier: GPL-2.0-or-later */
/* forks N: N child processes that are all alive at one time. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0, end[2];
	char c;

	if (pipe(end) < 0)
		return 1;
	for (int i = 0; i < n; i++) {
		int pid = fork();

		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (pid == 0) {
			close(end[1]);
			_exit(read(end[0], &c, 1) != 0);
		}
	}
	close(end[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}
