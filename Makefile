# SPDX-License-Identifier: GPL-2.0-or-later
# make            the program, at ./schedrec
# make SAN=address,undefined    the same beside it, under build/san/

CC      ?= cc
PREFIX  ?= /usr/local
CFLAGS  ?= -O2 -g
SAN     ?=

comma := ,
B := $(if $(SAN),build/san,build)
PROGRAM := $(if $(SAN),$(B)/schedrec,schedrec)

PKGS := libtracefs libtraceevent zlib sqlite3 hwloc nettle
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lRmath -lm -lpthread

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wno-unused-parameter
ALL_CFLAGS := -std=gnu11 -D_GNU_SOURCE $(WARN) $(CFLAGS) $(PKG_CFLAGS) -I. -pthread $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)

LIB_SRC := $(filter-out $(wildcard */cmd_*.c),$(wildcard formats/*.c record/*.c replay/*.c analyze/*.c corpus/*.c))
CMD_SRC := schedrec.c $(wildcard formats/cmd_*.c record/cmd_*.c replay/cmd_*.c analyze/cmd_*.c corpus/cmd_*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
CMD_OBJ := $(CMD_SRC:%.c=$(B)/%.o)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/unit/%)

V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' $(1) $(2);)

all: $(PROGRAM)

$(PROGRAM): $(CMD_OBJ) $(B)/libschedrec.a
	$(call say,LINK,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/libschedrec.a: $(LIB_OBJ)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/tests/unit/%: tests/unit/%.c $(B)/libschedrec.a
	@mkdir -p $(@D)
	$(call say,TEST,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -o $@ $< $(B)/libschedrec.a -lcmocka $(LIBS)

unit: $(UNIT)

clean:
	rm -rf build schedrec

-include $(LIB_OBJ:.o=.d) $(CMD_OBJ:.o=.d)
.PHONY: all unit clean
