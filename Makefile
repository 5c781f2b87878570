# pith: build, test, measure. `make help` lists the targets.
#
# FLOORS is the one list: build order, lint of the layering, and the single-file build.
FLOORS := base file kernel graph arch text model session task api
# ISAS_machine is the list of its kernel folders, in the order in which they overlay one another.
ISAS_x86_64  := scalar avx2 avx512 bf16 amx
ISAS_aarch64 := scalar neon dotprod i8mm

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

COMMA   := ,
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
WARNCXX := -Wall -Wextra -Wpedantic -Wshadow -Wconversion
OPT     ?= -O2
WERROR  ?=
SAN     ?=
DEBUG   ?= $(if $(SAN),-g)
CFLAGS  := -std=c11 $(OPT) $(DEBUG) -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno \
           -D_GNU_SOURCE -DPITH_BUILD -Iinclude -Ilib $(WARN) $(WERROR) $(SAN)
LDLIBS  := -lm -pthread
SHAREDFLAGS = -shared -Wl,-soname,$(SONAME) -Wl,--version-script=lib/api/pith.map \
              -Wl,-z,relro,-z,now -Wl,-z,noexecstack

# Recipes print a short line; `make V=1` prints the commands.
ifdef V
QUIET = $(1)
else
QUIET = @echo '  $(firstword $(1)) $@' && $(1)
endif

# What each kernel folder may use; nothing else is ever compiled with these.
ISA_scalar :=
ISA_arch   := -Wno-missing-field-initializers # sparse tables
ISA_avx2   := -mavx2 -mfma -mf16c
ISA_avx512 := $(ISA_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vbmi -mavx512bitalg -mavx512vnni
ISA_bf16   := $(ISA_avx512) -mavx512bf16
ISA_amx    := $(ISA_bf16)
ISA_neon   :=
ISA_dotprod := -march=armv8.2-a+dotprod
ISA_i8mm   := $(ISA_dotprod)+i8mm
MACHINE := $(shell $(CC) -dumpmachine | cut -d- -f1)
ISAS    := $(or $(ISAS_$(MACHINE)),scalar)
ISAS_ALL := $(ISAS_x86_64) $(filter-out scalar,$(ISAS_aarch64))

sources = $(foreach f,$(FLOORS),$(sort $(wildcard lib/$(f)/*.c)) \
            $(if $(filter kernel,$(f)),$(foreach i,$(1),$(sort $(wildcard lib/kernel/$(i)/*.c)))))
SOURCES := $(call sources,$(ISAS))
SOURCES_ONE := $(call sources,$(ISAS_ALL))
ifdef ONE
OBJECTS := $(BUILD)/pith.o
else
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
endif
TESTED  ?= $(FLOORS)
TESTS   := $(foreach f,$(filter-out kernel,$(TESTED)),$(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/$(f)/*.c))))
# Tests that run the AMX tier with its tiles in plain C; on processors with AVX512-BF16.
EMULATED := $(patsubst %.c,$(BUILD)/emulated/%.o,$(wildcard lib/kernel/amx/*.c) lib/base/cpu.c)
EMULATED_TESTS := $(if $(filter amx,$(if $(ONE),,$(ISAS))),$(patsubst %,$(BUILD)/emulated/tests/%,\
                    $(if $(filter kernel,$(TESTED)),kernel/kernel) \
                    $(if $(filter graph,$(TESTED)),graph/experts) $(if $(filter session,$(TESTED)),session/golden)))
KERNEL_TEST := $(if $(filter kernel,$(TESTED)),$(BUILD)/tests/kernel/kernel)
EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))
TESTFLAGS := -std=c11 $(OPT) $(DEBUG) -D_GNU_SOURCE -Iinclude -Ilib -Itests -DSHARED='"$(SHARED)"' $(WARN) $(WERROR) $(SAN)
MODEL   ?= examples/models/pith-tiny.gguf

.PHONY: all run test check bench arm asan ubsan tsan hostile soak fuzz lint format one examples bindings \
        install explain walk help clean

all: $(BUILD)/libpith.a $(BUILD)/libpith.so $(BUILD)/pith ## the library, static and shared, and the command

$(BUILD)/lib/%.o: lib/%.c Makefile
	@mkdir -p $(@D)
	$(call QUIET,$(CC) $(CFLAGS) $(ISA_$(notdir $(patsubst %/,%,$(dir $<)))) -MMD -MP -c $< -o $@)

$(BUILD)/emulated/lib/%.o: lib/%.c Makefile
	@mkdir -p $(@D)
	$(call QUIET,$(CC) $(CFLAGS) -DPITH_AMX_EMULATE $(ISA_$(notdir $(patsubst %/,%,$(dir $<)))) -MMD -MP -c $< -o $@)

$(BUILD)/pith.o: $(BUILD)/pith.c
	$(call QUIET,$(CC) $(CFLAGS) -I$(BUILD) -Wno-missing-field-initializers -c $< -o $@)

$(BUILD)/libpith.a: $(OBJECTS)
	@rm -f $@
	$(call QUIET,$(AR) rcs $@ $^)

$(BUILD)/libpith.so: $(OBJECTS) lib/api/pith.map
	$(call QUIET,$(CC) $(SHAREDFLAGS) $(SAN) $(OBJECTS) -o $@ $(LDLIBS))
	@ln -sf libpith.so $(@D)/$(SONAME)

$(BUILD)/pith: $(wildcard examples/cli/*.[ch]) $(BUILD)/libpith.a
	$(call QUIET,$(CC) $(TESTFLAGS) $(filter %.c,$^) $(BUILD)/libpith.a -o $@ $(LDLIBS))

$(BUILD)/examples/%: examples/%.c $(BUILD)/libpith.a
	@mkdir -p $(@D)
	$(call QUIET,$(CC) $(TESTFLAGS) $< $(BUILD)/libpith.a -o $@ $(LDLIBS))

$(TESTS): $(BUILD)/%: %.c $(wildcard tests/*.h tests/golden/*.h tests/golden/*.inc tests/text/*.h) $(BUILD)/libpith.a
	@mkdir -p $(@D)
	$(call QUIET,$(CC) $(TESTFLAGS) $< $(BUILD)/libpith.a -o $@ $(LDLIBS))

$(KERNEL_TEST): $(wildcard tests/kernel/*.c tests/kernel/*.h) tests/check.h $(BUILD)/libpith.a
	@mkdir -p $(@D)
	$(call QUIET,$(CC) $(TESTFLAGS) $(filter tests/kernel/%.c,$^) $(BUILD)/libpith.a -o $@ $(LDLIBS))

$(BUILD)/emulated/tests/kernel/kernel: $(wildcard tests/kernel/*.c tests/kernel/*.h) tests/check.h
$(BUILD)/emulated/tests/graph/experts: tests/graph/experts.c $(wildcard tests/*.h)
$(BUILD)/emulated/tests/session/golden: tests/session/golden.c $(wildcard tests/*.h)
$(EMULATED_TESTS): $(EMULATED) $(BUILD)/libpith.a
	@mkdir -p $(@D)
	$(call QUIET,$(CC) $(TESTFLAGS) -DPITH_AMX_EMULATE $(filter %.c,$^) $(EMULATED) $(BUILD)/libpith.a -o $@ $(LDLIBS))

$(BUILD)/tests/api/hpp: tests/api/hpp.cpp include/pith.hpp include/pith.h $(BUILD)/libpith.a
	@mkdir -p $(@D)
	$(call QUIET,$(CXX) -std=c++17 $(OPT) $(DEBUG) -Iinclude -Itests $(WARNCXX) $(WERROR) $(SAN) $< $(BUILD)/libpith.a -o $@ $(LDLIBS))

run: $(BUILD)/pith ## see a real model write and classify
	@echo '$$ pith generate $(MODEL) -p "Once upon a time" --echo -n 300 --temp 0.7 --seed 7 --precision exact'
	@$(BUILD)/pith generate $(MODEL) -p "Once upon a time" --echo -n 300 --temp 0.7 --seed 7 --precision exact
	@echo
	@echo '$$ pith classify $(MODEL) --labels positive,negative ...'
	@$(BUILD)/pith classify $(MODEL) --labels positive,negative --precision exact \
	    "A wonderful film, I enjoyed every minute." "The food was cold and the service rude." \
	    "Works great, highly recommended!" "It broke after two days, total waste of money."
	@echo
	@echo '$$ pith classify $(MODEL) --labels spam,ham ...'
	@$(BUILD)/pith classify $(MODEL) --labels spam,ham --precision exact \
	    "URGENT! You have won a free cruise, call now to claim your prize" \
	    "Ok, see you at seven then, I will bring the bread"

.PHONY: tests
tests: $(TESTS) $(KERNEL_TEST) $(EMULATED_TESTS) $(BUILD)/tests/api/hpp

test: all $(TESTS) $(KERNEL_TEST) $(EMULATED_TESTS) $(BUILD)/tests/api/hpp ## all tests, lowest floor first
	@BUILD=$(BUILD) SHARED=$(SHARED) CC="$(CC)" CXX="$(CXX)" PYTHON="$(PYTHON)" sh tests/run.sh \
	    $(filter $(BUILD)/tests/base/% $(BUILD)/tests/file/%,$(TESTS)) $(KERNEL_TEST) $(EMULATED_TESTS) \
	    $(filter-out $(BUILD)/tests/base/% $(BUILD)/tests/file/%,$(TESTS)) $(BUILD)/tests/api/hpp

check: $(KERNEL_TEST) $(filter %/kernel,$(EMULATED_TESTS)) ## every kernel of every tier against plain C
	$(KERNEL_TEST)
	$(filter %/kernel,$(EMULATED_TESTS))

bench: $(BUILD)/pith $(KERNEL_TEST) $(BUILD)/tests/bench/model $(BUILD)/tests/bench/encoder ## speed of kernels and models, as shares of this machine's ceilings
	$(KERNEL_TEST) --bench
	sh tests/bench/bench.sh $(BUILD)

$(BUILD)/tests/bench/%: tests/bench/%.c tests/bench/noise.h $(BUILD)/libpith.a
	@mkdir -p $(@D)
	$(call QUIET,$(CC) $(TESTFLAGS) $< $(BUILD)/libpith.a -o $@ $(LDLIBS))

# ARM_CPUS: with everything, with SDOT only, with neither.
ARM      ?= aarch64-linux-gnu-
ARM_CPUS ?= max neoverse-n1 cortex-a57
ARM_TESTS := build/arm/tests/kernel/kernel build/arm/tests/session/golden
arm: ## the library and its tests built for Arm, run under qemu-user; needs aarch64-linux-gnu-gcc and qemu-aarch64-static
	$(MAKE) CC=$(ARM)gcc AR=$(ARM)ar BUILD=build/arm LDLIBS="-static -lm -pthread" $(ARM_TESTS)
	@for cpu in $(ARM_CPUS); do for test in $(ARM_TESTS); do \
	    echo "$$cpu:"; qemu-aarch64-static -cpu $$cpu $$test || exit 1; done; done

ASAN := BUILD=build/asan OPT=-O1 SAN="-fsanitize=address$(COMMA)undefined -fno-sanitize-recover=all"
asan: ## the tests under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer
	$(MAKE) $(ASAN) test

# Golden files hold hashes of 100,000 texts of which `make test` goes through the first.
soak: $(BUILD)/tests/text/tokenizer $(BUILD)/tests/text/split ## every tokenizer on all texts that golden files have hashes of
	SOAK=1 $(BUILD)/tests/text/split
	SOAK=1 $(BUILD)/tests/text/tokenizer

fuzz: ## mutated models, texts and formulas under the same sanitizers; RUNS=4000 of each
	$(MAKE) $(ASAN) build/asan/tests/fuzz/driver
	sh tests/fuzz/fuzz.sh build/asan

$(BUILD)/tests/fuzz/driver: $(wildcard tests/fuzz/*.[ch] tests/*.h) $(BUILD)/libpith.a
	@mkdir -p $(@D)
	$(call QUIET,$(CC) $(TESTFLAGS) $(filter %.c,$^) $(BUILD)/libpith.a -o $@ $(LDLIBS))

ubsan: ## the tests under UndefinedBehaviorSanitizer
	$(MAKE) BUILD=build/ubsan OPT=-O1 SAN="-fsanitize=undefined -fno-sanitize-recover=all" test

tsan: ## the tests of what threads share, under ThreadSanitizer
	$(MAKE) BUILD=build/tsan OPT=-O1 SAN="-fsanitize=thread" TESTED="base model session task api" test

lint: ## the laws of the house: floors, names, lengths, banned calls
	@CC="$(CC)" sh tests/lint.sh "$(FLOORS)"

format: ## clang-format for all but tables
	clang-format -i $(filter-out lib/arch/%,$(filter %.c,$(SOURCES))) $(filter-out lib/graph/recipe.h,$(wildcard lib/*/*.h)) $(wildcard examples/*.c)

one: $(BUILD)/one/pith.c ## the whole library as one source file, and its tests
	$(MAKE) BUILD=$(BUILD)/one ONE=1 test

$(BUILD)/one/pith.c: $(SOURCES_ONE) $(wildcard lib/*/*.h lib/*/*/*.h lib/graph/ops.def) include/pith.h tests/amalgam.awk
	@mkdir -p $(@D)
	awk -f tests/amalgam.awk $(SOURCES_ONE) > $@
	cp include/pith.h include/pith.hpp $(@D)/

examples: $(EXAMPLES) $(BUILD)/pith ## the small programs of examples/

bindings: $(BUILD)/libpith.so ## tests of the language bindings
	cd bindings/python && PITH_LIBRARY=$(CURDIR)/$(BUILD)/libpith.so $(PYTHON) -m tests

install: all ## into $(DESTDIR)$(PREFIX), with pkg-config and CMake files
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/lib/cmake/pith
	install -m 755 $(BUILD)/pith $(DESTDIR)$(PREFIX)/bin/
	install -m 644 include/pith.h include/pith.hpp $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(BUILD)/libpith.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(BUILD)/libpith.so $(DESTDIR)$(PREFIX)/lib/libpith.so.$(VERSION)
	ln -sf libpith.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/libpith.so
	@sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' lib/api/pith.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/pith.pc
	install -m 644 lib/api/pith-config.cmake $(DESTDIR)$(PREFIX)/lib/cmake/pith/
	@sed 's|@VERSION@|$(VERSION)|' lib/api/pith-config-version.cmake.in > $(DESTDIR)$(PREFIX)/lib/cmake/pith/pith-config-version.cmake

explain: $(BUILD)/pith ## print the program of a model: make explain M=file
	@$(BUILD)/pith explain $(M)

WALK := examples/generate.c include/pith.h lib/api/pith.c lib/model/model.c lib/file/gguf.c \
        lib/arch/llama.c lib/graph/ops.def lib/graph/recipe.h lib/graph/link.c lib/graph/run.c \
        lib/graph/op_linear.c lib/kernel/kernel.h lib/kernel/scalar/dot.c lib/session/session.c \
        lib/session/sample.c lib/task/generate.c tests/kernel/dot.c
walk: ## the files to read in an afternoon, and their length
	@wc -l $(WALK)

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

clean: ## remove what was built
	rm -rf build

$(filter $(BUILD)/tests/api/%,$(TESTS)): tests/api/api.h

-include $(OBJECTS:.o=.d) $(EMULATED:.o=.d)
