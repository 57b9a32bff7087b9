/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "replay/policy.h"
#include "replay/policy_util.h"

const struct rpl_policy *const rpl_policies[] = {
	&rpl_policy_kernel,    &rpl_policy_recorded, &rpl_policy_domain,     &rpl_policy_bld,    &rpl_policy_bld_2012,
	&rpl_policy_bld_fixed, &rpl_policy_eas,      &rpl_policy_roundrobin, &rpl_policy_random, NULL,
};

const struct rpl_policy *rpl_policy_find(const char *spec, const char **options, struct sr_error *err)
{
	size_t len = strcspn(spec, ":");
	char names[256] = "";

	for (size_t i = 0; rpl_policies[i]; i++) {
		const char *name = rpl_policies[i]->name;

		if (strlen(name) == len && !memcmp(name, spec, len)) {
			*options = spec[len] && spec[len + 1] ? spec + len + 1 : NULL;
			return rpl_policies[i];
		}
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? ", " : "", name);
	}
	sr_fail(err, SR_USAGE, "no policy '%.*s': there are %s (with options: 'domain:hot=267,tick=4ms')", (int)len,
		spec, names);
	return NULL;
}

/* Does an option of the policy before start here, and not another policy? A path may hold any character. */
static bool goes_on(const char *piece)
{
	size_t n = strcspn(piece, ",=:/");

	return n && piece[n] == '=';
}

char *rpl_policy_next(char **list)
{
	char *start = *list, *p = start;

	if (!start || !*start)
		return NULL;
	while ((p = strchr(p, ',')) && goes_on(p + 1))
		p++;
	if (p)
		*p++ = '\0';
	*list = p;
	return start;
}

int rpl_allowed_or(const struct rpl_engine *e, int cpu, int prev, const struct sr_cpumask *allowed)
{
	if (cpu >= 0 && rpl_may_use(e, (unsigned)cpu, allowed))
		return cpu;
	if (prev >= 0 && rpl_may_use(e, (unsigned)prev, allowed))
		return prev;
	for (unsigned i = 0; i < e->ncpus; i++)
		if (rpl_may_use(e, i, allowed))
			return (int)i;
	return -1;
}

int rpl_option_next(const char *policy, const char **options, struct rpl_option *o, struct sr_error *err)
{
	const char *s = *options;
	size_t key, value;

	if (!s || !*s)
		return 0;
	key = strcspn(s, "=,");
	value = s[key] == '=' ? strcspn(s + key + 1, ",") : 0;
	if (!key || !value || key >= sizeof(o->key) || value >= sizeof(o->value))
		return sr_fail(err, SR_USAGE, "policy %s: '%.40s' is no option: they are written key=value", policy, s);
	memcpy(o->key, s, key);
	o->key[key] = '\0';
	memcpy(o->value, s + key + 1, value);
	o->value[value] = '\0';
	s += key + 1 + value;
	*options = *s ? s + 1 : s;
	return 1;
}

int rpl_option_none(const char *policy, const char *options, struct sr_error *err)
{
	struct rpl_option o;
	int rc = rpl_option_next(policy, &options, &o, err);

	return rc > 0 ? rpl_option_unknown(policy, &o, NULL, err) : rc;
}

int rpl_option_unknown(const char *policy, const struct rpl_option *o, const struct rpl_policy_option *known,
		       struct sr_error *err)
{
	char text[512] = ", it takes none";
	size_t n = 0;

	for (; known && known->key && n < sizeof(text); known++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s=%s", n ? ", " : ": it takes ", known->key,
				      known->values);
	return sr_fail(err, SR_USAGE, "policy %s has no option '%s'%s", policy, o->key, text);
}

int rpl_option_value(const char *policy, const struct rpl_option *o, const char *choices, struct sr_error *err)
{
	return sr_fail(err, SR_USAGE, "policy %s: %s=%s: give one of %s", policy, o->key, o->value, choices);
}
