# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What study.sh and predict.sh share: the programs, and runs of them and of their replays. Sourced after lib.sh by both, which
# set $NAME ("study"), $OUT, $SCHEDREC, $ROUNDS, $RUN_UNDER. Each run leaves what `analyze --json` or `replay --json` says of it in
# $OUT/runs/PROGRAM/.

PROGRAMS_KNOWN=(compile database database-tcp mpv browser pool shell periodic idle messaging pipe)
TRACEFS=/sys/kernel/tracing
TMP=
# Each run is started by these words.
read -ra RUN_UNDER <<<"${RUN_UNDER:-}"

die() {
	echo "${NAME:?}: $2" >&2
	exit "$1"
}

# ---- programs ----

program_lacks() {
	case $1 in
	database | database-tcp) [ -n "$(pg_bin)" ] || echo "PostgreSQL is not installed" ;;
	browser) have chromium || echo "chromium is not installed" ;;
	pool) have node || echo "nodejs is not installed" ;;
	shell) have gzip || echo "gzip is not installed" ;;
	periodic | idle) ;;
	*) workload_lacks "$1" ;;
	esac
}

program_setup() {
	case $1 in
	# Its data are made once, by a server that the bench's functions start, and copied for each run.
	database | database-tcp)
		[ -d "$TMP/data" ] && return
		pg_start && PG_STOP=fast pg_stop && mv "$TMP/pg/data" "$TMP/data"
		;;
	periodic) "${CC:-cc}" -O2 -o "$TMP/periodic" tests/bench/programs/periodic.c -lpthread ;;
	browser | pool | idle | shell) ;;
	*) workload_setup "$1" ;;
	esac
}

database() {
	rm -rf "$TMP/pg/data"
	cp -a "$TMP/data" "$TMP/pg/data"
	CMD=(tests/bench/programs/database.sh "$(pg_bin)" "$TMP/pg" "$1" 1000)
	# Under sudo the recorder runs CMD as the invoking user, who owns the data then.
	[ "$PG_USER" = "${SUDO_USER:-}" ] ||
		CMD=(setpriv --reuid "$PG_USER" --regid "$(id -g "$PG_USER")" --clear-groups "${CMD[@]}")
}

# Sets CMD, and clears what an earlier run left behind.
program() {
	case $1 in
	database) database "$TMP" ;;
	database-tcp) database localhost ;;
	browser)
		rm -rf "$TMP/profile"
		# The page closes its window; nothing is to be fetched or reported meanwhile.
		CMD=(timeout 60 chromium --headless=new --no-sandbox --disable-gpu --user-data-dir="$TMP/profile"
			--no-first-run --no-default-browser-check --disable-extensions --disable-sync
			--disable-background-networking --disable-component-update --disable-breakpad
			"file://$PWD/tests/bench/programs/page.html")
		;;
	pool) CMD=(node tests/bench/programs/pool.js 4 1200) ;;
	shell)
		# shellcheck disable=SC2016 # awk's own
		CMD=(sh -c 'seq 1 1500000 | awk "{ print (\$1 * 7919) % 1000003, \$1 }" | sort -S 200M -n |
			cut -d" " -f1 | uniq -c | gzip -6 | wc -c')
		;;
	periodic) CMD=("$TMP/periodic" 2500) ;;
	idle) CMD=(tests/bench/programs/idle.sh "$PWD") ;;
	messaging) CMD=(perf bench sched messaging -g 10 -l 250) ;;
	pipe) CMD=(perf bench sched pipe -l 200000) ;;
	*) workload "$1" ;;
	esac
}

# ---- runs ----

# What a run is done under; set by condition.
HOG=() APP_UNDER=() REPLAY_OPTIONS=()

# run_app PROGRAM FILE.srz: records a run, leaves FILE.json. $TMP/log has what it said.
run_app() {
	local file=$2

	program "$1"
	if ! run "$SCHEDREC" record -q -o "$file" -- "${APP_UNDER[@]}" "${CMD[@]}" >"$TMP/log" 2>&1 </dev/null ||
		! "$SCHEDREC" analyze --json "$file" >"${file%.srz}.json" 2>"$TMP/log"; then
		note "$1: recording failed: $(tail -n 1 "$TMP/log" | cut -c1-200)"
		return 1
	fi
	counts "${file%.srz}"
}

# run_replay PROGRAM FILE.srz OUT.json OPTION...: replays it.
run_replay() {
	local w=$1 file=$2 out=$3
	shift 3

	if ! run "$SCHEDREC" replay -q --policy kernel --json "${REPLAY_OPTIONS[@]}" "$@" "$file" \
		>"$out.part" 2>"$TMP/log" </dev/null; then
		note "$w: replay $* failed: $(tail -n 1 "$TMP/log" | cut -c1-200)"
		return 1
	fi
	mv "$out.part" "$out"
	counts "${out%.json}"
}

run() {
	rm -f "$TMP/hog.count" "$TMP/speed.count"
	"${RUN_UNDER[@]}" tests/bench/programs/around.sh "$TMP" "${HOG[@]}" -- "$@"
}

# counts FILE: what was measured around the last run becomes FILE.speed and FILE.hog.
counts() {
	local kind

	for kind in speed hog; do
		[ ! -e "$TMP/$kind.count" ] || mv "$TMP/$kind.count" "$1.$kind"
	done
}

# ---- the whole ----

study_at_exit() {
	local status=$1

	trap '' INT TERM HUP
	pg_stop
	[ -n "$TMP" ] && rm -rf "$TMP"
	[ -n "${SUDO_UID:-}" ] && [ -d "$OUT" ] && chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$OUT"
	exit "$status"
}

# study_begin PROGRAM...: checks, makes $TMP, sets PROGRAMS to those that can run here.
study_begin() {
	local w lacks

	[[ $ROUNDS =~ ^([1-9]|10)$ ]] || die 2 "the number of rounds is from 1 to 10, not '$ROUNDS'"
	for w in "$@"; do
		[[ " ${PROGRAMS_KNOWN[*]} " == *" $w "* ]] || die 2 "there is no program '$w', but: ${PROGRAMS_KNOWN[*]}"
	done
	[ "$(id -u)" -eq 0 ] || die 3 "needs root: sudo make $NAME"
	[ -d "$TRACEFS/events/sched" ] || die 3 "needs tracefs with the sched events at $TRACEFS"
	[ -x "$SCHEDREC" ] || die 3 "$SCHEDREC is not built: run make"
	have python3 || die 3 "needs python3: run tests/deps test"
	exec 3>&2
	trap 'study_at_exit $? 2>&3' EXIT
	trap 'exec 2>&3; progress_end; echo "$NAME: interrupted" >&2; exit 130' INT
	trap 'exec 2>&3; progress_end; echo "$NAME: ended by a signal" >&2; exit 143' TERM HUP
	mkdir -p "$OUT/runs" || exit 3
	: >"$OUT/notes"
	TMP=$(mktemp -d "$OUT/tmp.XXXXXX") || exit 3
	# Programs may run as another user.
	chmod 777 "$TMP"
	for w in hog speed; do
		"${CC:-cc}" -O2 -D_GNU_SOURCE -o "$TMP/$w" "tests/bench/programs/$w.c" -lpthread ||
			die 3 "cannot compile tests/bench/programs/$w.c"
	done
	PROGRAMS=()
	for w in "$@"; do
		lacks=$(program_lacks "$w")
		if [ -n "$lacks" ]; then
			note "$w is left out: $lacks"
		elif program_setup "$w"; then
			PROGRAMS+=("$w")
		else
			note "$w is left out: it cannot be set up"
		fi
	done
	[ ${#PROGRAMS[@]} -gt 0 ] || die 3 "no program can run: $(tr '\n' ' ' <"$OUT/notes")"
}

# Sets MODE_NAMES and MODE_OPTIONS[name] from words like open:--timing=open:--order=free. A mode's options are separated by
# colons; "default" has none.
modes() {
	local word name

	MODE_NAMES=()
	declare -gA MODE_OPTIONS=()
	for word in ${1:-default}; do
		name=${word%%:*}
		[[ $name =~ ^[a-z][a-z0-9-]{0,11}$ && $name != app ]] ||
			die 2 "a mode's name is up to 12 small letters, digits and '-', then a colon and options: not '$name'"
		MODE_NAMES+=("$name")
		MODE_OPTIONS[$name]=
		[ "$word" = "$name" ] || MODE_OPTIONS[$name]=${word#*:}
	done
}

# in_round N WORD...: sets ORDER to the words; turned round in every second round.
in_round() {
	local n=$1 k
	shift

	ORDER=("$@")
	if ((n % 2 == 0)); then
		ORDER=()
		for ((k = $#; k > 0; k--)); do
			ORDER+=("${!k}")
		done
	fi
}

# mode_options NAME: sets OPTIONS.
# shellcheck disable=SC2034 # who sources this uses them
mode_options() {
	IFS=: read -ra OPTIONS <<<"${MODE_OPTIONS[$1]}"
}
