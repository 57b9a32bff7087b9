/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Utilisation as the kernel's per-entity load tracking (PELT) has it: the part of the time that a task or a cpu ran,
 * 1024 = all of it on the fastest cpu, where what was long ago counts less: half after RPL_PELT_HALF_NS. Integers only.
 */
#ifndef SCHEDREC_REPLAY_PELT_H
#define SCHEDREC_REPLAY_PELT_H

#include <stdint.h>

#define RPL_PELT_HALF_NS (1u << 25) /* "32 ms": 32 periods of 1024 * 1024 ns, as in the kernel */
#define RPL_PELT_BITS 20            /* binary digits behind the point */

/* Zeroed: never ran. */
struct rpl_pelt {
	uint32_t value; /* 0..1024 << RPL_PELT_BITS */
	uint64_t at_ns; /* of the value */
};

/* value after dt ns in which what it follows was toward (both with RPL_PELT_BITS digits). */
uint32_t rpl_pelt_after(uint32_t value, uint32_t toward, uint64_t dt_ns);

/* Since p->at_ns this ran on a cpu of that capacity (0: it did not run). Times that go back count as none. */
static inline void rpl_pelt_update(struct rpl_pelt *p, uint64_t now_ns, unsigned capacity)
{
	if (now_ns <= p->at_ns)
		return;
	p->value = rpl_pelt_after(p->value, capacity << RPL_PELT_BITS, now_ns - p->at_ns);
	p->at_ns = now_ns;
}

static inline unsigned rpl_pelt_util(uint32_t value)
{
	return (value + (1u << (RPL_PELT_BITS - 1))) >> RPL_PELT_BITS;
}

#endif
