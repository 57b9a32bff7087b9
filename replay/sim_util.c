/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Utilisation: a geometric mean over windows of 2^20 ns (1.05 ms; the kernel's have 1.024 ms) in which 32 windows ago counts
 * half, in integers. Time on a slower CPU counts as its capacity says.
 */
#include "replay/sim_internal.h"

#define WINDOW_NS (1u << 20)
#define FULL (1024u << 10) /* sim_util.value of a task that always runs */

/* 2^(-n/32), in parts of 2^32. */
static uint64_t decay(uint32_t value, uint64_t windows)
{
	static const uint32_t power[32] = { 0xffffffff, 0xfa83b2db, 0xf5257d15, 0xefe4b99b, 0xeac0c6e7, 0xe5b906e7,
					    0xe0ccdeec, 0xdbfbb797, 0xd744fcca, 0xd2a81d91, 0xce248c15, 0xc9b9bd86,
					    0xc5672a11, 0xc12c4cca, 0xbd08a39f, 0xb8fbaf47, 0xb504f333, 0xb123f581,
					    0xad583eea, 0xa9a15ab4, 0xa5fed6a9, 0xa2704303, 0x9ef53260, 0x9b8d39b9,
					    0x9837f051, 0x94f4efa8, 0x91c3d373, 0x8ea4398b, 0x8b95c1e3, 0x88980e80,
					    0x85aac367, 0x82cd8698 };

	if (windows >= 32 * 32)
		return 0;
	return ((uint64_t)value * power[windows % 32] >> 32) >> windows / 32;
}

/* Sets the window forward to the one of now; what has passed was busy in the part in_ns says, then not at all. */
static void pass_windows(struct sim_util *u, uint64_t now, uint64_t between)
{
	uint64_t n = sim_after(now, u->window_ns) / WINDOW_NS, decayed;

	if (!n)
		return;
	/* The window that was under way: in_ns of it. */
	decayed = decay(u->value, 1);
	u->value = (uint32_t)(decayed + ((FULL - decay(FULL, 1)) * u->in_ns >> 20));
	u->in_ns = 0;
	if (n > 1) {
		uint64_t rest = decay(u->value, n - 1), whole = FULL - decay(FULL, n - 1);

		u->value = (uint32_t)(rest + (whole * between >> 10));
	}
	if (u->value > FULL)
		u->value = FULL;
	u->window_ns += n * WINDOW_NS;
}

void sim_util_rest(struct sim_util *u, uint64_t now)
{
	pass_windows(u, now, 0);
}

void sim_util_run(struct sim_util *u, uint64_t now, uint64_t ns, unsigned capacity)
{
	uint64_t from = now - ns, end, part;

	pass_windows(u, from, 0);
	end = u->window_ns + WINDOW_NS;
	if (now < end) {
		u->in_ns += (uint32_t)(ns * capacity >> 10);
		return;
	}
	part = end - from;
	u->in_ns += (uint32_t)(part * capacity >> 10);
	pass_windows(u, now, capacity);
	u->in_ns = (uint32_t)((now - u->window_ns) * capacity >> 10);
}

unsigned sim_util_of(const struct sim_util *u, uint64_t now)
{
	struct sim_util copy = *u;

	sim_util_rest(&copy, now);
	return (copy.value + 512) >> 10;
}
