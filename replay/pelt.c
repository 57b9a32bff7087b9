/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/pelt.h"

/* 2^31 * 2^(-i/32), and 2^31 * 2^(-i/1024). */
static const uint32_t coarse[32] = {
	0x80000000, 0x7d41d96e, 0x7a92be8b, 0x77f25cce, 0x75606374, 0x72dc8374, 0x70666f76, 0x6dfddbcc,
	0x6ba27e65, 0x69540ec9, 0x6712460b, 0x64dcdec3, 0x62b39509, 0x60962665, 0x5e8451d0, 0x5c7dd7a4,
	0x5a82799a, 0x5891fac1, 0x56ac1f75, 0x54d0ad5a, 0x52ff6b55, 0x51382182, 0x4f7a9930, 0x4dc69cdd,
	0x4c1bf829, 0x4a7a77d4, 0x48e1e9ba, 0x47521cc6, 0x45cae0f2, 0x444c0740, 0x42d561b4, 0x4166c34c,
};
static const uint32_t fine[32] = {
	0x80000000, 0x7fe9d3a9, 0x7fd3ab29, 0x7fbd8680, 0x7fa765ad, 0x7f9148af, 0x7f7b2f85, 0x7f651a30,
	0x7f4f08ae, 0x7f38faff, 0x7f22f122, 0x7f0ceb16, 0x7ef6e8da, 0x7ee0ea6f, 0x7ecaefd3, 0x7eb4f906,
	0x7e9f0606, 0x7e8916d5, 0x7e732b6f, 0x7e5d43d6, 0x7e476009, 0x7e318006, 0x7e1ba3cd, 0x7e05cb5d,
	0x7deff6b6, 0x7dda25d8, 0x7dc458c1, 0x7dae8f70, 0x7d98c9e6, 0x7d830821, 0x7d6d4a22, 0x7d578fe6,
};

/* 2^31 * 2^(-dt / half): whole halves by shifting, five bits of the rest from each table, the last fifteen as the straight
 * line that 2^-x is there (wrong by less than 3e-7). */
static uint64_t decay(uint64_t dt_ns)
{
	static const uint64_t ln2 = 1488522236; /* 2^31 * ln 2 */
	uint64_t halves = dt_ns >> 25, rest = dt_ns & 0x7fff, y;

	if (halves > 31)
		return 0;
	y = (uint64_t)coarse[dt_ns >> 20 & 31] * fine[dt_ns >> 15 & 31] >> 31;
	y = y * ((1ull << 31) - (ln2 * rest >> 25)) >> 31;
	return y >> halves;
}

uint32_t rpl_pelt_after(uint32_t value, uint32_t toward, uint64_t dt_ns)
{
	uint64_t y = decay(dt_ns);

	if (value > toward)
		return toward + (uint32_t)((value - toward) * y >> 31);
	return toward - (uint32_t)((toward - value) * y >> 31);
}
