/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a thread sleeps that waits for whatever comes first: event loops (loop.c), workers (worker.c). */
#include "replay/engine_internal.h"

void rpl_ring(struct rthread *by, struct rthread *t)
{
	uint32_t v = atomic_load(&t->bell);
	bool locked = false;
	uint64_t from = 0;

	do {
		if (v & BELL_ASLEEP && !locked) {
			from = rpl_lock_wake(by->run, t);
			locked = true;
		}
	} while (!atomic_compare_exchange_weak(&t->bell, &v, ((v + 1) & W_COUNT) | (v & BELL_FORCED)));
	if (!(v & BELL_ASLEEP)) {
		if (locked)
			rpl_unlock_wake(by->run);
		return;
	}
	rpl_place_wake(by, t, t->bell_sync, from);
	rpl_wake_up(by, t, &t->bell, t->bell_sync);
}

void rpl_look_again(struct rthread *t)
{
	uint32_t v = atomic_load(&t->bell);

	while (!(v & BELL_ASLEEP))
		if (atomic_compare_exchange_weak(&t->bell, &v, ((v + 1) & W_COUNT) | (v & BELL_FORCED)))
			return;
}

bool rpl_rest(struct rthread *t, uint32_t seen, uint64_t until)
{
	uint32_t v = seen;

	rpl_log(t, LOG_OUT, 0, 0, SR_STATE_SLEEPING);
	rpl_went_to_sleep(t);
	if (!atomic_compare_exchange_strong(&t->bell, &v, seen | BELL_ASLEEP)) {
		rpl_stayed_awake(t);
		rpl_log(t, LOG_IN, 0, 0, 0);
		return false;
	}
	if (until)
		atomic_fetch_add(&t->run->timed, 1);
	rpl_sleep_on(t, &t->bell, seen | BELL_ASLEEP, BIT_OWNER, until, t->bell_sync);
	if (until)
		atomic_fetch_sub(&t->run->timed, 1);
	v = atomic_load(&t->bell);
	while (v & BELL_ASLEEP)
		if (atomic_compare_exchange_weak(&t->bell, &v, v & ~BELL_ASLEEP)) {
			rpl_place_self(t); /* nobody rang: its time has come */
			break;
		}
	rpl_log(t, LOG_IN, 0, 0, 0);
	return true;
}
