/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parameters of the simulator from measurement. What could not be measured stays as it was in *p; known gets the parameters
 * that were, in the order of enum sim_param.
 */
#ifndef SCHEDREC_REPLAY_SIM_CALIBRATE_H
#define SCHEDREC_REPLAY_SIM_CALIBRATE_H

#include "replay/sim.h"

struct sim_known {
	bool v[SIM_PARAMS];
};

/* On this machine, in about a second, with threads of its own on the first CPUs that this process may use: switches, wakes
 * of the own and of another CPU, the way out of idle, ticks, and what a cold cache costs at the level of two CPUs. */
int sim_calibrate_live(struct sim_params *p, const struct sr_machine *m, struct sim_known *known, struct sr_error *err);

/* From the events of a recording: how long woken tasks took to come to an idle CPU, and to a busy one; and the costs of
 * wakes that were measured when it was recorded. */
int sim_calibrate_file(struct sim_params *p, struct srz_reader *r, struct sim_known *known, struct sr_error *err);

#endif
