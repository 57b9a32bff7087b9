#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FORMAT.md is enough: a reader written from it alone finds in every golden file what schedrec finds
# shellcheck source=tests/lib.sh
. tests/lib.sh

G=tests/golden
R=$G/reader.py

t_case "the same events in every golden file"
if t_need python3; then
	for f in "$G"/*.srz "$G"/*.srz.part "$G"/released/*.srz; do
		case $f in */reject-*) continue ;; esac
		t_status 0 "$SCHEDREC" dump --no-names "$f"
		t_true "schedrec shows nothing of $f" test -s "$T/out"
		mv "$T/out" "$T/want"
		t_status 0 python3 $R --dump "$f"
		t_true "the two readers differ on $f" cmp -s "$T/want" "$T/out"
	done
fi
t_ok

t_case "it says where an incomplete file ends"
t_need python3 && t_status 0 python3 $R $G/incomplete.srz.part && t_match 'incomplete, [0-9]+ bytes are left' "$T/err"
t_ok

t_case "every file that must be rejected is, and with status 4"
if t_need python3; then
	t_status 0 python3 $R --check "$G"/reject-*.srz
	t_equal "$(printf '%s\n' "$G"/reject-*.srz | wc -l)" "$(wc -l <"$T/out")"
	t_no_match ': good$' "$T/out"
	t_status 4 python3 $R $G/reject-section-sum.srz
fi
t_ok

t_case "attributes, all that are there"
if t_need python3; then
	t_status 0 python3 $R --attributes $G/attributes.srz
	t_true "other attributes: $(cat "$T/out")" cmp -s $G/attributes.txt "$T/out"
fi
t_ok

t_case "the numbers of schedrec's own dump, with streams and times as they are stored"
if t_need python3; then
	t_status 0 python3 $R $G/two-streams.srz
	t_equal "0 1" "$(cut -d' ' -f2 "$T/out" | sort -u | xargs)"
	t_equal "$(wc -l <$G/two-streams.dump)" "$(wc -l <"$T/out")"
fi
t_ok

t_done
