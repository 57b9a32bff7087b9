#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The fuzz targets as plain programs: what once was found, and the golden files, are without a finding.
# shellcheck source=tests/lib.sh
. tests/lib.sh

t_case "the .srz reader copes with its corpus"
t_status 0 "$BUILD/tests/fuzz/fuzz_srz" tests/fuzz/corpus/*.srz tests/golden/*.srz
t_match '^[0-9]{3} inputs, no finding' "$T/out"
t_ok

t_case "a model is built of each recording, or refused, and plays to its end"
t_status 0 "$BUILD/tests/fuzz/fuzz_model" tests/fuzz/corpus-model/* tests/golden/*.srz
t_match '^[0-9]{3} inputs, no finding' "$T/out"
t_ok

t_case "the decoder of sub-buffers copes with its corpus"
t_status 0 "$BUILD/tests/fuzz/fuzz_page" tests/fuzz/corpus-page/*
t_match '^[0-9]{2} inputs, no finding' "$T/out"
t_ok

t_case "the reader of hwloc's XML copes with its corpus"
t_status 0 "$BUILD/tests/fuzz/fuzz_machine" tests/fuzz/corpus-machine/*
t_match '^[0-9]+ inputs, no finding' "$T/out"
t_ok

t_done
