/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allow-lists of scrubbing: kernel threads, meta keys with the form of their values, words of kernel releases.
 */
#include "corpus/scrub_internal.h"

#include <stdio.h>
#include <string.h>

#include "corpus/scrub.h"

/*
 * Kernel threads. '#' stands for a number. At '~' the name may go on, and what follows is cut: there stand names of devices,
 * file systems and work queues. A user's task that calls itself so is told by that name, which tells nothing of it.
 */
static const char *const kernel_names[] = {
	"schedrec",
	"swapper/#",
	"kthreadd",
	"ksoftirqd/#",
	"migration/#",
	"cpuhp/#",
	"idle_inject/#",
	"irq_work/#",
	"ktimers/#",
	"ktimersoftd/#",
	"posixcputmr/#",
	"rcu_gp",
	"rcu_par_gp",
	"slub_flushwq",
	"netns",
	"mm_percpu_wq",
	"rcu_preempt",
	"rcu_sched",
	"rcu_bh",
	"rcu_exp_gp_kthr",
	"rcu_exp_par_gp",
	"rcu_tasks_kthre",
	"rcu_tasks_rude_",
	"rcu_tasks_trace",
	"rcuc/#",
	"rcub/#",
	"rcuog/#",
	"rcuop/#",
	"rcuos/#",
	"kauditd",
	"khungtaskd",
	"oom_reaper",
	"writeback",
	"kcompactd#",
	"ksmd",
	"khugepaged",
	"kintegrityd",
	"kblockd",
	"blkcg_punt_bio",
	"tpm_dev_wq",
	"ata_sff",
	"md",
	"edac-poller",
	"devfreq_wq",
	"watchdogd",
	"watchdog/#",
	"kswapd#",
	"kthrotld",
	"acpi_thermal_pm",
	"kdevtmpfs",
	"inet_frag_wq",
	"pool_workqueue_",
	"cfg80211",
	"scsi_eh_#",
	"scsi_tmf_#",
	"hwrng",
	"kstrp",
	"zswap-shrink",
	"zswap1",
	"charger_manager",
	"mld",
	"ipv6_addrconf",
	"psimon",
	"sugov:#",
	"cfinteractive",
	"cec-~",
	"kworker/R~",
	"kworker/#:#~",
	"kworker/#:#H~",
	"kworker/#:#I~",
	"kworker/u#:#~",
	"kworker/u#:#H~",
	"jbd2~",
	"xfsaild~",
	"xfs-~",
	"btrfs-~",
	"ext4-rsv-conver",
	"nfsd",
	"kdmflush~",
	"dmcrypt_write~",
	"irq/~",
	"loop#",
	"napi/~",
	"nvme-~",
	"spi#",
	"kcryptd~",
	"raid5wq",
	"vballoon",
	"kvm-nx-lpage-re",
	"kvm-pit~",
	"vhost-~",
	"card#-crtc#",
	"ttm",
	"gfx_#",
	"lockd",
	"cifsd",
	"kdamond.#",
	"sched_ext_helpe",
	"sched_ext_ops_h",
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The part of name that the pattern covers; 0: it does not match. */
static size_t covered(const char *pattern, const char *name)
{
	const char *p = name;

	for (; *pattern; pattern++) {
		if (*pattern == '~')
			return (size_t)(p - name);
		if (*pattern == '#') {
			if (!is_digit(*p))
				return 0;
			while (is_digit(*p))
				p++;
		} else if (*p++ != *pattern) {
			return 0;
		}
	}
	return *p ? 0 : (size_t)(p - name);
}

bool crp_kernel_name(const char *name, char out[16])
{
	size_t best = 0;

	for (size_t i = 0; i < sizeof(kernel_names) / sizeof(kernel_names[0]); i++) {
		size_t n = covered(kernel_names[i], name);

		if (n > best)
			best = n;
	}
	if (!best || best > 15)
		return false;
	memcpy(out, name, best);
	out[best] = '\0';
	return true;
}

/* Forms of meta values. */
enum form {
	NUMBER,   /* digits */
	NUMBERS,  /* digits, blanks, points, signs */
	CPUS,     /* a list: digits, commas, minus */
	MAX,      /* of cpu.max: "max" or a number, and a number */
	WORD,     /* one word of the kernel's: lower-case letters, digits, -, _ */
	FEATURES, /* words in capitals */
	MODEL,    /* of a CPU: letters, digits and some marks */
	RELEASE,  /* of a kernel */
	VERSION,  /* of schedrec */
	CHOICE,   /* one of the words behind it */
};

static const struct rule {
	const char *key; /* '#' a number, '*' at its end: lower-case letters, digits, _ and . */
	enum form form;
	const char *choices; /* "|a|b|" */
} rules[] = {
	{ "schedrec.version", VERSION, NULL },
	{ "kernel.release", RELEASE, NULL },
	{ "kernel.machine", WORD, NULL },
	{ "kernel.preempt", CHOICE, "|none|voluntary|full|lazy|rt|dynamic|none or voluntary|" },
	{ "kernel.hz", NUMBER, NULL },
	{ "kernel.pid_max", NUMBER, NULL },
	{ "clock", CHOICE, "|mono|" },
	{ "time.resolution_ns", NUMBER, NULL },
	{ "scope", CHOICE, "|tree|pid|system|self|" },
	{ "source", CHOICE, "|kernel|self|sim|" },
	{ "engine", CHOICE, "|recorded|live|simulated|" },
	{ "command.status", NUMBER, NULL },
	{ "start.mono_ns", NUMBER, NULL }, /* shifted */
	{ "duration_ns", NUMBER, NULL },
	{ "cpus.online", CPUS, NULL },
	{ "cpus.isolated", CPUS, NULL },
	{ "cpus.nohz_full", CPUS, NULL },
	{ "host.cpu_model", MODEL, NULL },
	{ "record.cpu_ns", NUMBER, NULL },
	{ "record.drain_cpu_ns", NUMBER, NULL },
	{ "record.tracepoint_ns", NUMBER, NULL },
	{ "record.wake_local_ns", NUMBERS, NULL },
	{ "record.wake_remote_ns", NUMBERS, NULL },
	{ "record.buffer_kb", NUMBER, NULL },
	{ "record.late", NUMBER, NULL },
	{ "record.end", CHOICE,
	  "|exit|duration|signal|child-signal|max-size|disk-full|write-error|read-error|slice|dump|cut|" },
	{ "ring.span_ns", NUMBER, NULL },
	{ "tunable.sched_*", NUMBERS, NULL },
	{ "tunable.timer_migration", NUMBER, NULL },
	{ "tunable.numa_balancing", NUMBER, NULL },
	{ "tunable.debug.features", FEATURES, NULL },
	{ "tunable.debug.preempt", WORD, NULL },
	{ "tunable.debug.tunable_scaling", NUMBERS, NULL },
	{ "tunable.debug.*", NUMBERS, NULL },
	{ "sched_ext.state", CHOICE, "|disabled|enabled|enabling|disabling|" },
	{ "sched_ext.ops", CHOICE,
	  "|simple|central|flatcg|qmap|pair|userland|nest|rusty|lavd|layered|bpfland|rustland|flash|p2dq|tickless|"
	  "cosmos|"
	  "scx_simple|scx_central|scx_flatcg|scx_rusty|scx_lavd|scx_layered|scx_bpfland|scx_rustland|" },
	{ "smt.control", CHOICE, "|on|off|forceoff|notsupported|notimplemented|" },
	{ "smt.active", NUMBER, NULL },
	{ "cpufreq.policy#.cpus", NUMBERS, NULL },
	{ "cpufreq.policy#.driver", WORD, NULL },
	{ "cpufreq.policy#.governor", WORD, NULL },
	{ "cpufreq.policy#.min_khz", NUMBER, NULL },
	{ "cpufreq.policy#.max_khz", NUMBER, NULL },
	{ "cpufreq.policy#.cur_khz", NUMBER, NULL },
	{ "cpufreq.policy#.hw_max_khz", NUMBER, NULL },
	{ "cpufreq.boost", NUMBER, NULL },
	{ "cpufreq.no_turbo", NUMBER, NULL },
	{ "cpuidle.driver", WORD, NULL },
	{ "cpuidle.governor", WORD, NULL },
	{ "cgroup.cpu.weight", NUMBER, NULL },
	{ "cgroup.cpu.max", MAX, NULL },
	{ "cgroup.cpu.idle", NUMBER, NULL },
	{ "cgroup.cpu.uclamp.min", MAX, NULL },
	{ "cgroup.cpu.uclamp.max", MAX, NULL },
	{ "cut.from_ns", NUMBER, NULL },
	{ "cut.to_ns", NUMBER, NULL },
	{ "cut.binds", NUMBER, NULL },
	{ "cut.clocks", NUMBER, NULL },
	{ "merge.files", NUMBER, NULL },
	{ "merge.gap_ns", NUMBER, NULL },
	/* Those of schedrec: a user's own has a name of its own. */
	{ "replay.policy", CHOICE, "|kernel|recorded|domain|bld|bld-2012|bld-fixed|eas|roundrobin|random|" },
	{ "replay.work", CHOICE, "|time|instructions|" },
	{ "replay.timing", CHOICE, "|open|closed|" },
	{ "replay.seed", NUMBER, NULL },
	{ "replay.repeat", NUMBER, NULL },
	{ "replay.slot", NUMBER, NULL },
	{ "replay.foreign_cpu_share", NUMBERS, NULL },
	{ "replay.count.*", NUMBERS, NULL },
	{ "replay.model.*", NUMBERS, NULL },
	{ "replay.policy.*", NUMBERS, NULL },
};

static bool only(const char *value, const char *set)
{
	return *value && strspn(value, set) == strlen(value);
}

static bool key_matches(const char *pattern, const char *key)
{
	for (; *pattern; pattern++) {
		if (*pattern == '*')
			return only(key, "abcdefghijklmnopqrstuvwxyz0123456789_.");
		if (*pattern == '#') {
			if (!is_digit(*key))
				return false;
			while (is_digit(*key))
				key++;
		} else if (*key++ != *pattern) {
			return false;
		}
	}
	return !*key;
}

/* Words that are part of many releases; all that is not a number among a release's parts must be one of them. */
static const char release_words[] =
	"|rc|generic|amd|arm|cloud|rt|lowlatency|azure|aws|gcp|gke|oracle|kvm|oem|raspi|default|zen|lts|arch|hardened|"
	"fc|"
	"el|elrepo|uek|amzn|x|aarch|ppc|s|microsoft|standard|WSL|pve|liquorix|xanmod|cachyos|tkg|bpo|deb|preempt|debug|"
	"mainline|android|chromeos|virt|linux|le|riscv|armmp|lpae|generic|next|bpf|";

/* Numbers and known words stay, any other word becomes "x". */
static void scrub_release(const char *value, char *out, size_t size)
{
	size_t n = 0;

	while (*value && n + 2 < size) {
		size_t digits = strspn(value, "0123456789");
		size_t letters = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
		char word[32];

		if (digits) {
			/* A long number is a date or a commit. */
			if (digits <= 5 && n + digits < size)
				n += (size_t)snprintf(out + n, size - n, "%.*s", (int)digits, value);
			else
				out[n++] = 'x';
			value += digits;
		} else if (letters) {
			snprintf(word, sizeof(word), "|%.*s|", (int)(letters < 28 ? letters : 28), value);
			if (letters < 20 && strstr(release_words, word) && n + letters < size)
				n += (size_t)snprintf(out + n, size - n, "%.*s", (int)letters, value);
			else
				out[n++] = 'x';
			value += letters;
		} else {
			out[n++] = strchr("-+._~", *value) ? *value : 'x';
			value++;
		}
	}
	out[n] = '\0';
}

static bool has_form(const struct rule *r, const char *value, char *out, size_t size)
{
	char word[64];

	switch (r->form) {
	case NUMBER:
		return only(value, "0123456789") && strlen(value) <= 20;
	case NUMBERS:
		return only(value, "0123456789 \t.,+-");
	case CPUS:
		return !*value || only(value, "0123456789,-");
	case MAX:
		return (!strncmp(value, "max", 3) && (!value[3] || only(value + 3, " 0123456789"))) ||
		       only(value, "0123456789. ");
	case WORD:
		return only(value, "abcdefghijklmnopqrstuvwxyz0123456789_-") && strlen(value) <= 32;
	case FEATURES:
		return only(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_ ");
	case MODEL:
		return only(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ()@.,-+_") &&
		       strlen(value) < 96;
	case RELEASE:
		scrub_release(value, out, size);
		return true;
	case VERSION:
		return only(value, "0123456789.") && strlen(value) <= 16;
	case CHOICE:
		return !strchr(value, '|') && snprintf(word, sizeof(word), "|%s|", value) < (int)sizeof(word) &&
		       strstr(r->choices, word);
	}
	return false;
}

bool crp_scrub_meta(const char *key, const char *value, char *out, size_t size)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *r = &rules[i];

		if (!key_matches(r->key, key))
			continue;
		/* The first rule of a key decides. */
		if (strlen(value) >= size || !has_form(r, value, out, size))
			return false;
		if (r->form != RELEASE)
			snprintf(out, size, "%s", value);
		return true;
	}
	return false;
}
