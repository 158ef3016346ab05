# The commands that people type. Whatever a command needs and is missing is installed first (Debian
# packages, a venv in .venv). Nothing that is installed already is changed.
#
#   make demo    the main job on a real image, with a picture of the result
#   make test    all tests, with counts
#   make lint    formatting, clang-tidy, ruff, mypy
#   make bench   speed, as ratios to a floor measured in the same run
#   make benchmarks  the figures and plots of docs/BENCHMARKS.md, beside daisy and dask (ten minutes)
#   make bench-python  the Python package compared with daisy 1.2.3 and 2.0.0 from PyPI, in one run
#   make asan    all C++ tests under AddressSanitizer and UBSan;  make tsan: under ThreadSanitizer
#   make sim     the simulator on SEEDS seeds from seed FROM on (docs/SIMULATOR.md)
#   make mutations  deliberate bugs in the scheduler, one at a time, and which tests notice them
#   make coverage   lines and branches of broker/schedule and broker/core that the tests reach
#   make chaos   real processes killed, stopped, cut off and starved for CHAOS_S=60 s (docs/CHAOS.md)
#   make attack  all attacks: other users, floods, garbage, damage, fuzzing and chaos, ATTACK_S=60 s
#   make soak    SOAK_BLOCKS=10000000 blocks, SOAK_WORKERS=200 workers that come and go: what leaks
#   make fuzz    libFuzzer on each parser (FUZZ_S=60 seconds each)

SHELL := /bin/bash
JOBS ?= $(shell nproc)
FUZZ_S ?= 60
CHAOS_S ?= 60
ATTACK_S ?= 60
CHAOS_SEED ?= $(shell echo $$RANDOM)
SOAK_BLOCKS ?= 10000000
SOAK_WORKERS ?= 200
SEEDS ?= 100000
FROM ?= 1
BIN := build/release/bin
# The Python package is built in another folder from the same sources; ccache then shares the objects.
export CCACHE_NOHASHDIR := 1

.PHONY: all setup build demo test lint bench benchmarks bench-python chaos attack soak sim asan tsan fuzz mutations coverage format clean

all: build

setup:
	@scripts/setup

build: setup
	@cmake --preset release -Wno-dev > /dev/null
	@cmake --build build/release -j $(JOBS)

demo: build
	@scripts/demo

test: build
	@scripts/setup-languages
	@scripts/test build/release

asan: setup
	@cmake --preset asan -Wno-dev > /dev/null
	@cmake --build build/asan -j $(JOBS)
	@LSAN_OPTIONS="suppressions=$(CURDIR)/tests/lsan.supp" scripts/ctest build/asan

tsan: setup
	@cmake --preset tsan -Wno-dev > /dev/null
	@cmake --build build/tsan -j $(JOBS)
	@TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp halt_on_error=1" scripts/ctest build/tsan

coverage: setup
	@scripts/coverage

mutations: setup
	@cmake --preset mutations -Wno-dev > /dev/null
	@cmake --build build/mutations -j $(JOBS) --target schedule_test core_test simulate
	@scripts/mutations build/mutations $(SEEDS)

lint: build
	@scripts/lint

format: setup
	@git ls-files '*.h' '*.cc' | xargs clang-format -i
	@.venv/bin/ruff format client tests examples scripts

bench: build
	@scripts/bench $(BIN)

benchmarks: build
	@scripts/benchmarks

bench-python: build
	@scripts/bench-python

sim: setup
	@cmake --preset release -Wno-dev > /dev/null
	@cmake --build build/release -j $(JOBS) --target simulate
	@$(BIN)/simulate --seeds $(SEEDS) --from $(FROM) --jobs $(JOBS)

chaos: build
	@.venv/bin/python -m tests.chaos --seconds $(CHAOS_S) --seed $(CHAOS_SEED)

attack: build
	@scripts/attack build/release $(ATTACK_S) $(CHAOS_SEED)

soak: build
	@.venv/bin/python -m tests.soak --blocks $(SOAK_BLOCKS) --workers $(SOAK_WORKERS)

fuzz: setup
	@scripts/fuzz $(FUZZ_S)

clean:
	rm -rf build
