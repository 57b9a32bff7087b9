/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "record/record.h"

/* An id as sudo writes it; false for anything else, and for what is no id: (uid_t)-1. */
static bool parse_id(const char *text, unsigned *id)
{
	unsigned long long v;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || *end || v >= UINT32_MAX)
		return false;
	*id = (unsigned)v;
	return true;
}

/* Empties the capability sets; a uid change empties them as well, unless secure bits were set before us. */
static int clear_capabilities(bool keep_nice)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct has[2], none[2] = { { 0 } };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	if (keep_nice && !syscall(SYS_capget, &head, has)) {
		none[0].permitted = has[0].permitted & 1u << CAP_SYS_NICE;
		none[0].effective = none[0].permitted;
	}
	return (int)syscall(SYS_capset, &head, none);
}

/* What the file of the program gave to a plain user: capabilities, a group, another user. Capabilities that the user
 * had before (ambient ones) are the command's too. */
static int drop_lesser(uid_t uid, gid_t gid, bool keep_nice, struct sr_error *err)
{
	if (!getauxval(AT_SECURE))
		return 0;
	if (setresgid(gid, gid, gid) || setresuid(uid, uid, uid) || clear_capabilities(keep_nice))
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot give up the program's privilege");
	return 0;
}

static int drop(bool keep_nice, struct sr_error *err)
{
	uid_t real, effective, saved;
	unsigned uid, gid;
	const struct passwd *pw;
	gid_t groups[1];
	int rc;

	if (getresuid(&real, &effective, &saved))
		return sr_fail_errno(err, SR_BUG, "getresuid");
	if (real != 0) {
		/* Not started by root: if privileged at all, then as a setuid program, and the environment is anyone's. */
		uid = real;
		gid = getgid();
		if (effective != 0 && saved != 0)
			return drop_lesser(uid, gid, keep_nice, err);
		keep_nice = false;
	} else if (!parse_id(getenv("SUDO_UID"), &uid) || !parse_id(getenv("SUDO_GID"), &gid) || uid == 0) {
		return 0; /* root itself is the user */
	}
	pw = getpwuid(uid);
	if (pw)
		rc = initgroups(pw->pw_name, gid);
	else {
		groups[0] = gid;
		rc = setgroups(1, groups);
	}
	if (keep_nice)
		prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (rc || setresgid(gid, gid, gid) || setresuid(uid, uid, uid) || clear_capabilities(keep_nice))
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot become user %u", uid);
	if (!setuid(0) || !seteuid(0) || (gid != 0 && !setegid(0)) || getresuid(&real, &effective, &saved) ||
	    real != uid || effective != uid || saved != uid)
		return sr_fail(err, SR_BUG, "the privilege could be regained after giving it up");
	if (pw &&
	    (setenv("HOME", pw->pw_dir, 1) || setenv("USER", pw->pw_name, 1) || setenv("LOGNAME", pw->pw_name, 1)))
		return sr_fail_errno(err, SR_ENVIRONMENT, "setenv");
	return 0;
}

int rec_drop_privileges(struct sr_error *err)
{
	return drop(false, err);
}

int rec_keep_nice(struct sr_error *err)
{
	return drop(true, err);
}
