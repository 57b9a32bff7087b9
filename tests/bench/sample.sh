#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make sample: does `nightly --sample N` speak for the whole corpus? A corpus of recordings, and of parts of them that were cut
# out or merged (which are no independent recordings, and are told apart), is simulated in whole and by samples of several
# sizes. Prints for each policy and metric the shift against the first policy over the corpus beside what each sample makes of
# it; for how many the sample's interval holds the corpus's value; and what both took. One corpus has one sample of each size:
# so samples are also drawn of random halves of the corpus, from the same simulations, and beside them random traces in place
# of the picks. build/sample has the corpus, each night's JSON, and result.json.
#
# Status 1 when intervals hold the corpus's value less often than 95 % beyond doubt. By default it records the study's programs,
# which needs root and tracefs. By the environment:
#
#	SAMPLE_RECORDINGS="FILE..."     use these recordings instead: then it needs no root
#	SAMPLE_PROGRAMS="compile database ..."   which to record; those of the study (default: all that are installed)
#	SAMPLE_RUNS=2                   recordings of each program
#	SAMPLE_TRACES=220               traces of the corpus
#	SAMPLE_CONTRIBUTORS=1           who gave them: half of the recordings are the first one's, a quarter the second one's, ...
#	SAMPLE_SIZES="10 15 20 30 40"   samples; those of 20 and 40 are shown in full
#	SAMPLE_POLICIES="domain bld random"      the first is what the others are compared with
#	SAMPLE_MACHINE="node:2 core:2 pu:1"      simulated
#	SAMPLE_ROUNDS=3
#	SAMPLE_HALVES=60                random halves of the corpus
#	SAMPLE_SEED=1                   of the parts, of the halves and of the pseudonyms (and so of the objects' names)
#	SAMPLE_JOBS=1                   simulations at a time
#
# "sample.sh report" simulates nothing and prints what build/sample still has.
set -u
cd "$(dirname "$0")/../.." || exit 3
export LC_ALL=C
NAME=sample
SCHEDREC=$(realpath "${SCHEDREC:-schedrec}") || exit 3
OUT=$PWD/build/sample
RUNS=${SAMPLE_RUNS:-2}
TRACES=${SAMPLE_TRACES:-220}
CONTRIBUTORS=${SAMPLE_CONTRIBUTORS:-1}
MACHINE=${SAMPLE_MACHINE:-node:2 core:2 pu:1}
SEED=${SAMPLE_SEED:-1}
# What study_lib.sh asks for.
ROUNDS=${SAMPLE_ROUNDS:-3}
RUN_UNDER=
# A part with fewer is left out.
LEAST_EVENTS=60
# As many as a sample can have.
MOST_TRACES=1000

. tests/bench/lib.sh
. tests/bench/pgbench.sh
. tests/bench/study_lib.sh

# Sets RECORDINGS.
record_programs() {
	local w i wanted

	read -ra wanted <<<"${SAMPLE_PROGRAMS:-${PROGRAMS_KNOWN[*]}}"
	study_begin "${wanted[@]}"
	RECORDINGS=()
	for w in "${PROGRAMS[@]}"; do
		for ((i = 1; i <= RUNS; i++)); do
			progress "sample: recording $i of $RUNS of $w"
			run_app "$w" "$OUT/recordings/$w-$i.srz" && RECORDINGS+=("$OUT/recordings/$w-$i.srz")
		done
	done
	cat "$OUT/notes" >&2
}

# one KIND FILE TO [FROM_NS TO_NS]...: makes a trace of the plan; status 1: none can be made of it.
one() {
	local kind=$1 file=$2 to=$3 part parts=() status=0
	shift 3

	if [ "$kind" = real ]; then
		ln -s "$(realpath "$file")" "$to"
		return
	fi
	while [ $# -gt 0 ]; do
		part=$to.part${#parts[@]}
		parts+=("$part")
		if ! "$SCHEDREC" cut -q --json --from "$1ns" --to "$2ns" -o "$part" "$file" >"$OUT/cut.json" 2>"$OUT/log"; then
			grep -q 'no event lies between' "$OUT/log" || return 3
			rm -f "${parts[@]}"
			return 1
		fi
		if [ "$(json "$OUT/cut.json" "json_extract(j, '$.events') < $LEAST_EVENTS")" -eq 1 ]; then
			rm "${parts[@]}"
			return 1
		fi
		shift 2
	done
	if [ "$kind" = merged ]; then
		"$SCHEDREC" merge -q "${parts[@]}" -o "$to" 2>"$OUT/log" || status=$?
		rm "${parts[@]}"
		# 2: a task of the recorded command began in the gap, without which it would be another load.
		[ "$status" -le 2 ] || return 3
		[ "$status" -eq 0 ]
	else
		mv "${parts[0]}" "$to"
	fi
}

build_corpus() {
	local f who i=0 unusable=0 status words

	progress "sample: cutting and merging"
	for f in "${RECORDINGS[@]}"; do
		"$SCHEDREC" info --json "$f" >"$OUT/info.json" || die 3 "$f is no recording"
		json "$OUT/info.json" "'$f', json_extract(j, '$.duration_ns'), json_extract(j, '$.events')"
	done >"$OUT/recordings.txt"
	tests/bench/sample_plan.py "$SEED" "$((3 * TRACES))" "$LEAST_EVENTS" "$CONTRIBUTORS" \
		<"$OUT/recordings.txt" >"$OUT/plan.txt" || die 3 "no plan of the corpus"
	while [ "$i" -lt "$TRACES" ] && read -ra words; do
		mkdir -p "$OUT/traces/${words[0]}" || exit 3
		f=$(printf '%s/traces/%d/%04d-%s-%s' "$OUT" "${words[0]}" "$((i + 1))" "${words[1]}" "$(basename "${words[2]}")")
		status=0
		one "${words[1]}" "${words[2]}" "$f" "${words[@]:3}" || status=$?
		case $status in
		0) i=$((i + 1)) ;;
		1) unusable=$((unusable + 1)) ;;
		*) die 3 "a trace could not be made (${words[*]}): $(tail -n 1 "$OUT/log")" ;;
		esac
	done <"$OUT/plan.txt"
	[ "$i" -eq "$TRACES" ] || die 3 "the recordings are too few or too short for $TRACES traces: $i"
	echo "$unusable" >"$OUT/unusable.txt"
	progress "sample: pushing into the corpus"
	"$SCHEDREC" corpus init "$OUT/corpus" >"$OUT/log" || exit 3
	mkdir -p "$OUT/home/schedrec" || exit 3
	for who in "$OUT"/traces/*; do
		# A contributor is a salt: the same pseudonyms, and with them the same names of objects, every time.
		printf 'schedrec salt 1 %032x%032x\n' "${who##*/}" "$SEED" >"$OUT/home/schedrec/salt"
		"$SCHEDREC" corpus push -q --yes --json --program synthetic "$OUT/corpus" "$who"/*.srz \
			>"$OUT/pushed-${who##*/}.json" || die 3 "the push failed"
	done
	"$SCHEDREC" corpus list "$OUT/corpus" --json >"$OUT/list.json" || exit 3
	[ "$(json "$OUT/list.json" "json_array_length(j)")" -eq "$TRACES" ] || die 3 "the corpus has not $TRACES objects"
	rm -rf "$OUT/traces"
}

# night NAME OPTION...: its JSON goes to NAME.json, its seconds to NAME.seconds.
night() {
	local name=$1 begin=$EPOCHREALTIME status=0
	shift

	progress "sample: simulating: $name"
	"$SCHEDREC" nightly -q --json --corpus "$OUT/corpus" --db "$OUT/$name.db" --engine sim --machine "$MACHINE" \
		--policy "${POLICIES// /,}" --baseline "policy=${POLICIES%% *}" --repeat "$ROUNDS" --label "$name" \
		--jobs "${SAMPLE_JOBS:-1}" --out "$OUT/night" "$@" >"$OUT/$name.json" 2>"$OUT/log" || status=$?
	[ "$status" -le 1 ] || die 3 "the night failed: $(tail -n 1 "$OUT/log")"
	awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }' >"$OUT/$name.seconds"
	rm -f "$OUT/$name".db*
}

# Which objects are picked of the corpus (all digits) and of random halves: what a half is, the first digits of their names
# tell. With MOST_TRACES each trace is a pick, and has its weight.
picks() {
	local digits n

	while read -r digits; do
		progress "sample: picks of half $digits"
		for n in $SIZES $MOST_TRACES; do
			"$SCHEDREC" corpus sample "$OUT/corpus" "sha256=[$digits]*" --number "$n" --json >"$OUT/picks.json" ||
				die 3 "a sample failed"
			json "$OUT/picks.json" "'$digits', $n, (SELECT group_concat(json_extract(value, '\$.sha256') || ' ' ||
				json_extract(value, '\$.weight'), ' ') FROM json_each(j))"
		done
	done < <(python3 -c '
import random, sys
draw = random.Random(int(sys.argv[1]))
print("0123456789abcdef")
for _ in range(int(sys.argv[2])):
    print("".join(sorted(draw.sample("0123456789abcdef", 8))))' "$SEED" "${SAMPLE_HALVES:-60}") >"$OUT/picks.txt"
}

if [ "${1:-}" = report ]; then
	exec tests/bench/sample_report.py "$OUT"
fi
POLICIES=${SAMPLE_POLICIES:-domain bld random}
SIZES=${SAMPLE_SIZES:-10 15 20 30 40}
[[ $POLICIES =~ ^[a-z0-9-]+(\ [a-z0-9-]+)+$ ]] || die 2 "SAMPLE_POLICIES has at least two names, a space between them"
[[ $SIZES =~ ^[0-9]+(\ [0-9]+)*$ ]] || die 2 "SAMPLE_SIZES has numbers, a space between them"
[[ "$RUNS $TRACES $SEED $CONTRIBUTORS" =~ ^[1-9][0-9]*(\ [0-9]+){2}\ [1-9]$ ]] ||
	die 2 "SAMPLE_RUNS, SAMPLE_TRACES, SAMPLE_SEED and SAMPLE_CONTRIBUTORS (up to 9) are numbers"
[ "$TRACES" -le "$MOST_TRACES" ] || die 2 "SAMPLE_TRACES is at most $MOST_TRACES"
[[ "$ROUNDS" =~ ^[1-9][0-9]*$ ]] || die 2 "SAMPLE_ROUNDS is a number"
[ -x build/tests/bench/sample_bench ] || die 3 "build/tests/bench/sample_bench is not built: run make sample"
for tool in python3 sqlite3; do
	have "$tool" || die 3 "needs $tool: run tests/deps test"
done
mkdir -p "$OUT" || exit 3
rm -rf "${OUT:?}"/{corpus,home,traces,recordings,night,runs,*.json,*.db*,*.seconds,*.txt}
mkdir -p "$OUT"/{recordings,traces} || exit 3
if [ -n "${SAMPLE_RECORDINGS:-}" ]; then
	read -ra RECORDINGS <<<"${SAMPLE_RECORDINGS//$'\n'/ }"
	trap 'study_at_exit $?' EXIT
else
	record_programs
fi
# What the user has of a corpus stays as it is.
export XDG_CONFIG_HOME=$OUT/home XDG_CACHE_HOME=$OUT/home
build_corpus
night full
for n in $SIZES; do
	night "sample-$n" --sample "$n"
done
picks
progress_end
tests/bench/sample_report.py "$OUT"
