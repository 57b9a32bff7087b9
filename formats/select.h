/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tasks chosen by name: "GLOB[,GLOB...]", where "!GLOB" leaves out; the last one that matches decides. */
#ifndef SCHEDREC_FORMATS_SELECT_H
#define SCHEDREC_FORMATS_SELECT_H

#include <stdbool.h>

/* list NULL: every name. A list that begins with "!" begins with every name. */
bool sr_task_selected(const char *list, const char *comm);

#endif
