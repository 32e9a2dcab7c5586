# Russet: the two commands are `make run` and `make test`.

SHELL := /bin/bash
CARGO ?= cargo
DATA ?= dev-data
DEVICE_LISTEN ?= 127.0.0.1:8443
OPERATOR_LISTEN ?= 127.0.0.1:8444
# What a fresh Debian or Ubuntu lacks besides Rust, git and a C compiler.
PACKAGES := libssl-dev pkg-config make
# What some tests drive; they show as ignored without it.
BROWSER := chromium chromium-driver

.PHONY: help run test test-long fuzz-api check fmt bench deps needed clean

help:
	@echo 'make run        see it work: a development server, and ten simulated devices that enroll'
	@echo 'make test       all tests that need no external server'
	@echo 'make test-long  the long fault tests too (200 rounds of kill -9; 10,000 pushes undelivered)'
	@echo 'make fuzz-api   an independent validator and fuzzer against the operator API, for four minutes (needs python3 and PyPI)'
	@echo 'make check      formatting, lints and documentation, with warnings as errors'
	@echo 'make bench      measures the server with the simulator as its load'
	@echo 'make deps       installs what is missing on Debian or Ubuntu, and the browser that tests drive'

deps: needed
	@scripts/deps.sh $(BROWSER)

needed:
	@scripts/deps.sh $(PACKAGES)

run: needed
	$(CARGO) build --release --workspace --bins
	@DATA='$(DATA)' DEVICE_LISTEN='$(DEVICE_LISTEN)' OPERATOR_LISTEN='$(OPERATOR_LISTEN)' scripts/run.sh

# Fault tests drive the real binary, so it is built first.
test: needed
	$(CARGO) build --workspace --bins
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --workspace && $(CARGO) test --workspace --doc -q; \
	else \
		$(CARGO) test --workspace; \
	fi

test-long: needed
	$(CARGO) build --workspace --bins
	RUSSET_KILL_ROUNDS=200 $(CARGO) test --test integration kill:: -- --nocapture
	RUSSET_UNDELIVERED=10000 $(CARGO) test --test integration push::process::f13 -- --nocapture

fuzz-api: needed
	$(CARGO) build --workspace --bins
	scripts/fuzz-api.sh

check: needed
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps

fmt:
	$(CARGO) fmt --all

bench: needed
	$(CARGO) build --release --workspace --bins
	scripts/bench.sh
	$(CARGO) bench --bench console
	$(CARGO) bench --bench push
	$(CARGO) bench --bench ade_sync

clean:
	$(CARGO) clean
