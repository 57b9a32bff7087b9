#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nightly: which shard a task of a Slurm array is
# shellcheck source=tests/lib.sh
. tests/lib.sh

# A program that says what it was asked for.
printf '#!/bin/sh\necho "$@" | sed "s/.*--shard \\([^ ]*\\).*/\\1/" >>"%s"\n' "$T/shards" >"$T/says"
chmod +x "$T/says"

# array STEP INDEX...: the tasks of an array, as Slurm starts them
array() {
	local step=$1 min=$2 max=${*: -1} i

	shift
	for i in "$@"; do
		env NIGHTLY_CORPUS="$T" NIGHTLY_DIR="$T/dir" SCHEDREC="$T/says" SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID="$i" \
			SLURM_ARRAY_TASK_MIN="$min" SLURM_ARRAY_TASK_MAX="$max" SLURM_ARRAY_TASK_STEP="$step" SLURM_ARRAY_TASK_COUNT=$# \
			bash analyze/nightly.slurm || return
	done
}

for indices in "1 1 2 3 4" "1 0 1 2 3" "2 1 3 5 7" "5 10 15 20 25"; do
	t_case "Slurm, step and indices $indices: four shards"
	rm -f "$T/shards"
	# shellcheck disable=SC2086
	t_status 0 array $indices
	t_equal "1/4 2/4 3/4 4/4" "$(paste -sd' ' "$T/shards")"
	t_ok
done

for indices in "1 1 2 4" "2 1 4 5" "1 1 3 5"; do
	t_case "Slurm, step and indices $indices: an array with gaps is refused"
	rm -f "$T/shards"
	# shellcheck disable=SC2086
	t_status 2 array $indices && t_one_line "$T/err" && t_match 'has gaps' "$T/err"
	t_ok
done

t_done
