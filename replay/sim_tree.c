/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queued tasks of one class of one CPU: a treap by (key, tie), each node with the least vruntime below it, so that
 * putting in, taking out and finding the first eligible one take O(log n). The priorities of the treap are the tasks' own
 * numbers, mixed: its shape, too, is the same in every run.
 */
#include "replay/sim_internal.h"

static bool before(const struct sim_task *a, const struct sim_task *b)
{
	return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

static void update(struct sim *s, struct sim_task *t)
{
	int64_t min = t->vruntime;

	if (t->left_child != NOBODY && s->tasks[t->left_child].min_vruntime < min)
		min = s->tasks[t->left_child].min_vruntime;
	if (t->right_child != NOBODY && s->tasks[t->right_child].min_vruntime < min)
		min = s->tasks[t->right_child].min_vruntime;
	t->min_vruntime = min;
}

/* Those before t and the others. */
static void split(struct sim *s, uint32_t root, const struct sim_task *t, uint32_t *l, uint32_t *r)
{
	struct sim_task *n;

	if (root == NOBODY) {
		*l = *r = NOBODY;
		return;
	}
	n = &s->tasks[root];
	if (before(n, t)) {
		split(s, n->right_child, t, &n->right_child, r);
		*l = root;
	} else {
		split(s, n->left_child, t, l, &n->left_child);
		*r = root;
	}
	update(s, n);
}

static uint32_t merge(struct sim *s, uint32_t l, uint32_t r)
{
	struct sim_task *a, *b;

	if (l == NOBODY || r == NOBODY)
		return l == NOBODY ? r : l;
	a = &s->tasks[l];
	b = &s->tasks[r];
	if (a->tree_prio > b->tree_prio) {
		a->right_child = merge(s, a->right_child, r);
		update(s, a);
		return l;
	}
	b->left_child = merge(s, l, b->left_child);
	update(s, b);
	return r;
}

uint32_t sim_tree_insert(struct sim *s, uint32_t root, uint32_t t)
{
	struct sim_task *n, *new = &s->tasks[t];

	if (root == NOBODY || new->tree_prio > s->tasks[root].tree_prio) {
		split(s, root, new, &new->left_child, &new->right_child);
		update(s, new);
		return t;
	}
	n = &s->tasks[root];
	if (before(new, n))
		n->left_child = sim_tree_insert(s, n->left_child, t);
	else
		n->right_child = sim_tree_insert(s, n->right_child, t);
	update(s, n);
	return root;
}

uint32_t sim_tree_remove(struct sim *s, uint32_t root, uint32_t t)
{
	struct sim_task *n;

	if (root == t)
		return merge(s, s->tasks[t].left_child, s->tasks[t].right_child);
	n = &s->tasks[root];
	if (before(&s->tasks[t], n))
		n->left_child = sim_tree_remove(s, n->left_child, t);
	else
		n->right_child = sim_tree_remove(s, n->right_child, t);
	update(s, n);
	return root;
}

uint32_t sim_tree_first(const struct sim *s, uint32_t root)
{
	while (root != NOBODY && s->tasks[root].left_child != NOBODY)
		root = s->tasks[root].left_child;
	return root;
}

unsigned sim_tree_list(const struct sim *s, uint32_t root, int *tasks, unsigned n, unsigned max)
{
	if (root == NOBODY || n >= max)
		return n;
	n = sim_tree_list(s, s->tasks[root].left_child, tasks, n, max);
	if (n < max)
		tasks[n++] = (int)root;
	return sim_tree_list(s, s->tasks[root].right_child, tasks, n, max);
}
