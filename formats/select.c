/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/select.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

bool sr_task_selected(const char *list, const char *comm)
{
	bool selected = !list || *list == '!';

	while (list && *list) {
		size_t len = strcspn(list, ",");
		bool out = *list == '!';
		char glob[256];

		/* Longer ones match nothing: a name has 15 bytes. */
		if (len < sizeof(glob)) {
			snprintf(glob, sizeof(glob), "%.*s", (int)(len - out), list + out);
			if (!fnmatch(glob, comm, 0))
				selected = !out;
		}
		list += len + (list[len] == ',');
	}
	return selected;
}
