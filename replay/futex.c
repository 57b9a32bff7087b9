/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "replay/engine_internal.h"

/* Of one process, unless the replay has several. */
static int private_flag(bool processes)
{
	return processes ? 0 : FUTEX_PRIVATE_FLAG;
}

int rpl_futex_wait(const struct rpl_run *run, _Atomic uint32_t *word, uint32_t value, uint32_t bits, uint64_t until_ns)
{
	struct timespec ts = { .tv_sec = until_ns / 1000000000u, .tv_nsec = until_ns % 1000000000u };

	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET | private_flag(run->cfg.processes), value, until_ns ? &ts : NULL,
		    NULL, bits) < 0)
		return -errno;
	return 0;
}

void rpl_futex_wake(const struct rpl_run *run, _Atomic uint32_t *word, int n, uint32_t bits)
{
	syscall(SYS_futex, word, FUTEX_WAKE_BITSET | private_flag(run->cfg.processes), n, NULL, NULL, bits);
}

void rpl_futex_wake_after(bool processes, _Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_BITSET | private_flag(processes), 1, NULL, NULL, BIT_OWNER);
}
