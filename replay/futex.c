/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "replay/engine_internal.h"

int rpl_futex_wait(_Atomic uint32_t *word, uint32_t value, uint32_t bits, uint64_t until_ns)
{
	struct timespec ts = { .tv_sec = until_ns / 1000000000u, .tv_nsec = until_ns % 1000000000u };

	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, until_ns ? &ts : NULL, NULL, bits) < 0)
		return -errno;
	return 0;
}

void rpl_futex_wake(_Atomic uint32_t *word, int n, uint32_t bits)
{
	syscall(SYS_futex, word, FUTEX_WAKE_BITSET_PRIVATE, n, NULL, NULL, bits);
}
