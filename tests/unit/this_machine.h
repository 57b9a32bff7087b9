/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For test groups that need the machine that they run on: `machine`, from load_machine to free_machine. */
#ifndef SCHEDREC_TESTS_THIS_MACHINE_H
#define SCHEDREC_TESTS_THIS_MACHINE_H

#include "formats/machine.h"

static struct sr_machine *machine;

static int load_machine(void **state)
{
	struct sr_error err;

	machine = sr_machine_load("this", &err);
	return machine ? 0 : -1;
}

static int free_machine(void **state)
{
	sr_machine_free(machine);
	return 0;
}

#endif
