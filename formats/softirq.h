/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SCHEDREC_FORMATS_SOFTIRQ_H
#define SCHEDREC_FORMATS_SOFTIRQ_H

#include <stdbool.h>
#include <stdint.h>

#include "formats/event.h"

/* A wake in soft interrupt context and in no other interrupt's. */
static inline bool sr_is_softirq(const struct sr_event *ev)
{
	return (ev->flags & SR_EV_INTERRUPT) == SR_EV_SOFTIRQ;
}

/*
 * Wakes of one task in soft interrupts during another: are they the other's doing? They are when it goes both ways,
 * each at least a quarter of the other (a socket over loopback); else the interrupt just came when that task ran.
 */
static inline bool sr_softirq_depends(uint64_t there, uint64_t back)
{
	return back >= (there + 3) / 4 && there >= (back + 3) / 4;
}

#endif
