#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The command layer: help, errors, exit statuses, man pages, completion, install.
# shellcheck source=tests/lib.sh
. tests/lib.sh

COMMANDS="record info dump cut merge replay analyze compare policies topology"
# Of the groups, a blank in each: they are words of a shell, and with a dash the names of man pages.
GROUPED=("corpus init" "corpus push" "corpus pull" "corpus list" "corpus show" "corpus sample" "corpus verify"
	"corpus remove")

# error_line STATUS RE CMD...: ends with STATUS, one line on stderr that matches, nothing on stdout.
error_line() {
	local status=$1 re=$2
	shift 2
	t_status "$status" "$@" && t_one_line "$T/err" && t_match "$re" "$T/err" &&
		t_true "something on stdout" [ ! -s "$T/out" ]
}

t_case "--version"
t_status 0 "$SCHEDREC" --version && t_match '^schedrec [0-9]+\.[0-9]+' "$T/out"
t_ok

t_case "--help lists every command and exit status"
t_status 0 "$SCHEDREC" --help
for c in $COMMANDS; do t_match "^  $c " "$T/out"; done
for s in 0 1 2 3 4 70 130; do t_match "^ +$s  " "$T/out"; done
t_no_match generate "$T/out"
t_ok

for c in $COMMANDS; do
	t_case "$c --help: every option with its text, within 100 columns"
	t_status 0 "$SCHEDREC" "$c" --help && t_match "^Usage: schedrec $c" "$T/out" && t_match '^Options:' "$T/out" &&
		t_match '^  -h, --help' "$T/out" && t_no_match '.{101}' "$T/out"
	cp "$T/out" "$T/help"
	t_status 0 "$SCHEDREC" help "$c" && t_true "help $c differs" cmp -s "$T/out" "$T/help"
	t_ok
done

for c in "${GROUPED[@]}"; do
	read -ra words <<<"$c"
	t_case "$c --help: every option with its text, within 100 columns"
	t_status 0 "$SCHEDREC" "${words[@]}" --help && t_match "^Usage: schedrec $c" "$T/out" && t_match '^  -h, --help' "$T/out" &&
		t_no_match '.{101}' "$T/out"
	cp "$T/out" "$T/help"
	t_status 0 "$SCHEDREC" help "${words[@]}" && t_true "help $c differs" cmp -s "$T/out" "$T/help"
	error_line 2 "^schedrec $c: .*--nonsense" "$SCHEDREC" "${words[@]}" --nonsense
	t_ok
done

t_case "a group lists its commands, and says what it lacks"
t_status 0 "$SCHEDREC" corpus --help && cp "$T/out" "$T/help"
for c in "${GROUPED[@]}"; do t_match "^  $c " "$T/help"; done
t_status 0 "$SCHEDREC" help corpus && t_true "help corpus differs" cmp -s "$T/out" "$T/help"
error_line 2 '^schedrec: a command of corpus is missing' "$SCHEDREC" corpus
error_line 2 "^schedrec: no such command: 'corpus nonsense'" "$SCHEDREC" corpus nonsense
t_ok

t_case "no command"
error_line 2 '^schedrec: ' "$SCHEDREC"
t_ok

t_case "an unknown command is named"
error_line 2 "^schedrec: .*'nonsense'" "$SCHEDREC" nonsense
error_line 2 "^schedrec: .*'nonsense'" "$SCHEDREC" help nonsense
t_ok

for c in $COMMANDS; do
	t_case "$c: an unknown option is refused by name"
	error_line 2 "^schedrec $c: .*--nonsense" "$SCHEDREC" "$c" --nonsense
	error_line 2 "^schedrec $c: .*-Z" "$SCHEDREC" "$c" -Z
	t_ok
done

t_case "a text with control characters stays one line"
error_line 2 '^schedrec: .*a.b' "$SCHEDREC" $'a\nb\e[2J'
t_no_match $'\e' "$T/err"
error_line 2 '^schedrec: .*a.*2Jb' "$SCHEDREC" $'a\xc2\x9b2Jb' # the same as a character of its own
t_no_match $'\xc2\x9b' "$T/err"
t_ok

t_case "a full standard output"
error_line 3 'standard output.*No space' bash -c '"$1" --help >/dev/full' sh "$SCHEDREC"
t_ok

t_case "a closed standard output"
error_line 3 'standard output' bash -c '"$1" policies >&-' sh "$SCHEDREC"
t_ok

t_case "a pipe that nobody reads"
error_line 3 'standard output.*pipe' bash -c '{ sleep 0.2; "$1" --help; echo $? >"$T/status"; } | true; exit $(cat "$T/status")' \
	sh "$SCHEDREC"
t_ok

t_case "standard descriptors that are closed do not become files"
t_status 2 bash -c '"$1" nonsense <&- >&- 2>&-' sh "$SCHEDREC"
t_ok

mkdir "$T/share"
t_case "man pages and completion come from the program, for every command"
t_status 0 "$SCHEDREC" generate --dir "$T/share"
for c in $COMMANDS "${GROUPED[@]// /-}"; do
	t_true "no page for $c" [ -s "$T/share/schedrec-$c.1" ]
	t_match "^\.BR schedrec\\\\-$c \(1\)" "$T/share/schedrec.1"
	read -ra words <<<"${c/-/ }"
	"$SCHEDREC" "${words[@]}" --help | grep -oE '^  (-.|  ), --[a-z-]+|^      --[a-z-]+' | grep -oE -- '--[a-z-]+' >"$T/options"
	while read -r o; do
		t_match "${o//-/\\\\-}" "$T/share/schedrec-$c.1"
		t_match " ${o}[ ']" "$T/share/schedrec.bash"
	done <"$T/options"
	[ "$c" = corpus-init ] || t_true "$c: no options found" [ -s "$T/options" ]
done
t_ok

t_case "the man pages are clean"
t_need mandoc && t_status 0 mandoc -T lint -W warning "$T/share/"*.1
t_ok

complete() {
	bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _schedrec; echo "${COMPREPLY[*]}"' "$T/share/schedrec.bash" "$@"
}

t_case "completion: commands, options, words, policies, files"
t_equal "record replay report" "$(complete schedrec re)"
t_match '^--duration$' <(complete schedrec record --du)
t_equal "time" "$(complete schedrec replay --work t)"
t_match 'kernel' <(complete schedrec replay --policy '')
t_match 'smt-2x2' <(complete schedrec topology --machine s)
t_equal "tests/lib.sh" "$(complete schedrec info tests/lib)"
t_equal "corpus" "$(complete schedrec cor)"
t_equal "push pull" "$(complete schedrec corpus pu)"
t_equal "--dry-run" "$(complete schedrec corpus push --dr)"
t_match 'database' <(complete schedrec corpus push --program data)
t_ok

t_case "generate into a directory that is not there"
error_line 3 'nowhere.*No such file' "$SCHEDREC" generate --dir "$T/nowhere"
t_ok

t_done
