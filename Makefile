# pith: build, test, measure. `make help` lists the targets.
#
# FLOORS is the one list: build order, lint of the layering, and the single-file build.
FLOORS := base file kernel graph arch text model session task api
ISAS   := scalar avx2 avx512

CC      ?= gcc
CXX     ?= g++
PYTHON  ?= python3
AR      ?= ar
PREFIX  ?= /usr/local
DESTDIR ?=
SHARED  ?= ../shared
BUILD   ?= build

VERSION := $(shell awk '/define PITH_VERSION_(MAJOR|MINOR|PATCH)/ {v = v d $$3; d = "."} END {print v}' include/pith.h)
SONAME  := libpith.so.$(firstword $(subst ., ,$(VERSION)))

WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
WARNCXX := -Wall -Wextra -Wpedantic -Wshadow -Wconversion
OPT     ?= -O2
WERROR  ?=
SAN     ?=
CFLAGS  := -std=c11 $(OPT) -g -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno \
           -D_GNU_SOURCE -DPITH_BUILD -Iinclude -Ilib $(WARN) $(WERROR) $(SAN)
LDLIBS  := -lm -pthread

# What each kernel folder may use; nothing else is ever compiled with these.
ISA_scalar :=
ISA_arch   := -Wno-missing-field-initializers # sparse tables
ISA_avx2   := -mavx2 -mfma -mf16c
ISA_avx512 := $(ISA_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vbmi -mavx512vnni
MACHINE := $(shell $(CC) -dumpmachine | cut -d- -f1)
ifneq ($(MACHINE),x86_64)
ISAS := scalar
endif

SOURCES := $(foreach f,$(FLOORS),$(sort $(wildcard lib/$(f)/*.c)) \
             $(if $(filter kernel,$(f)),$(foreach i,$(ISAS),$(sort $(wildcard lib/kernel/$(i)/*.c)))))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
TESTS   := $(foreach f,$(filter-out kernel,$(FLOORS)),$(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/$(f)/*.c))))
KERNEL_TEST := $(BUILD)/tests/kernel/kernel
EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%,$(filter-out examples/cli.c,$(wildcard examples/*.c)))
TESTFLAGS := -std=c11 $(OPT) -g -D_GNU_SOURCE -Iinclude -Ilib -Itests -DSHARED='"$(SHARED)"' $(WARN) $(WERROR) $(SAN)
MODEL   ?= examples/models/pith-tiny.gguf

.PHONY: all run test check bench asan ubsan tsan hostile fuzz lint format one examples bindings \
        install explain walk help clean

all: $(BUILD)/libpith.a $(BUILD)/libpith.so $(BUILD)/pith ## the library, static and shared, and the command

$(BUILD)/lib/%.o: lib/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ISA_$(notdir $(patsubst %/,%,$(dir $<)))) -MMD -MP -c $< -o $@

$(BUILD)/libpith.a: $(OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/libpith.so: $(OBJECTS) lib/api/pith.map
	$(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=lib/api/pith.map -Wl,-z,relro,-z,now \
	      -Wl,-z,noexecstack $(SAN) $(OBJECTS) -o $@ $(LDLIBS)

$(BUILD)/pith: examples/cli.c $(BUILD)/libpith.a
	$(CC) $(TESTFLAGS) $< $(BUILD)/libpith.a -o $@ $(LDLIBS)

$(BUILD)/examples/%: examples/%.c $(BUILD)/libpith.a
	@mkdir -p $(@D)
	$(CC) $(TESTFLAGS) $< $(BUILD)/libpith.a -o $@ $(LDLIBS)

$(TESTS): $(BUILD)/%: %.c tests/check.h $(BUILD)/libpith.a
	@mkdir -p $(@D)
	$(CC) $(TESTFLAGS) $< $(BUILD)/libpith.a -o $@ $(LDLIBS)

$(KERNEL_TEST): $(wildcard tests/kernel/*.c tests/kernel/*.h) tests/check.h $(BUILD)/libpith.a
	@mkdir -p $(@D)
	$(CC) $(TESTFLAGS) $(filter tests/kernel/%.c,$^) $(BUILD)/libpith.a -o $@ $(LDLIBS)

-include $(OBJECTS:.o=.d)
