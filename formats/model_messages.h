/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SCHEDREC_FORMATS_MODEL_MESSAGES_H
#define SCHEDREC_FORMATS_MODEL_MESSAGES_H

#include "formats/model_internal.h"

/* An op that is to be put in: in front of ops[at], or offset_ns into it, where it is a RUN. */
struct sr_insert {
	uint32_t task;
	size_t at;
	uint64_t offset_ns, time_ns;
	uint32_t partner; /* task at the other end */
	size_t message;   /* its number: the WAKE's wait is the WAIT of the same one */
	bool wait, lock, buffer;
	bool first; /* before all else that is put in there */
};

struct sr_messages {
	struct sr_model *m;
	size_t **wait_op;    /* by task and wait: where it stands in the ops */
	size_t **wake_op;    /* by task and wait: where its WAKE stands in the waker's ops; SIZE_MAX: nowhere */
	size_t longest;      /* ops of a program */
	struct sr_insert *v; /* what is to be put in */
	size_t n, cap, messages;
};

/* All return -1 without memory; sr_messages_end is needed in any case. */
int sr_messages_begin(struct sr_messages *d, struct sr_model *m);
int sr_messages_add(struct sr_messages *d, uint32_t from, struct sr_insert wake, uint32_t to, struct sr_insert wait,
		    uint64_t time_ns);
/* Programs, waits and their numbers are new then. */
int sr_messages_put_in(struct sr_messages *d);
void sr_messages_end(struct sr_messages *d);

/* Looks for what it is named for, and adds its messages. Buffers mark their waits, which are no dialogues. */
int sr_messages_of_buffers(struct sr_messages *w);
int sr_messages_of_dialogues(struct sr_messages *w);

#endif
