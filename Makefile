# What there is to do here: `make help`. Every target works as root and as a user with sudo.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Where `setup` keeps what no package manager keeps: DynamoDB Local, the SAM command line, the Lambda emulator.
export MILKRUN_TOOLS ?= $(HOME)/.cache/milkrun
# In CI the lock file is what is tested.
LOCKED := $(if $(CI),--locked)

-include deploy.mk

help: ## This list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  %-15s %s\n", $$1, $$2 }'

setup: ## Install what is missing to build, test and deploy (quick when nothing is)
	@scripts/setup.sh build test aws

setup-build: ## Install what is missing to build, a C compiler at most
	@scripts/setup.sh build

fmt: ## Format the code
	cargo fmt --all

fmt-check:
	cargo fmt --all -- --check

lint: ## Clippy over everything, warnings are errors
	cargo clippy $(LOCKED) --all-targets -- -D warnings

tls: ## Check that one TLS stack comes in, and no second one
	@scripts/check-tls.sh

forbid: ## Check that no loose end is left in the source
	@scripts/check-loose-ends.sh

test: setup ## All tests, on real servers: MariaDB, PostgreSQL, SQLite, DynamoDB Local, three of S3, the Lambda emulator
	RUST_BACKTRACE=0 cargo test $(LOCKED) -- --skip chaos::

chaos: setup ## The regimen once: lease and commit under a model checker, the engine in a simulation, faults of every kind
	cargo test $(LOCKED) --features failpoints --test it -- chaos:: purged:: --nocapture --test-threads=2

SECS ?= 3600
soak: setup ## The regimen again and again for SECS seconds (3600), with fresh seeds and hundreds of kills; adds up what was done
	@scripts/soak.sh "$(SECS)"

# Each step of `ci`, in order, with how long it took.
STEPS := setup fmt-check lint tls forbid test chaos template-lint
ci: ## What CI runs
	@for step in $(STEPS); do \
	  printf '\n== %s\n' "$$step"; started=$$SECONDS; $(MAKE) "$$step"; \
	  printf '== %s took %s s\n' "$$step" "$$((SECONDS - started))"; \
	done

full: export MILKRUN_FULL := 1
full: ## As ci, with every slow test at its full length (all the kills, 1.5 million orders, 10 million keys), and all demos
	@$(MAKE) ci STEPS='$(STEPS) demos'

demo: setup-build ## See it work in a minute: a shop's closed orders become history. Needs no server and no AWS
	@scripts/demo.sh

demo-files: setup ## Files move into a local S3, rows follow, and everything is put back: 5,000 profiles. Needs no AWS
	@scripts/demo-files.sh

demo-objects: setup ## A bucket is copied into another one of a local S3, by runs that are killed on the way: 20,000 objects. Needs no AWS
	@scripts/demo-objects.sh

# Against a folder of its own: DEMO_DIR says where, and is demo/ otherwise.
demos: setup
	@scripts/check-demos.sh

ONLY ?=
bench: setup ## Side by side with INSERT … SELECT, pt-archiver, pgloader, COPY, rclone and s5cmd: rates, processor time, memory; ONLY=copy for one part
	@scripts/setup.sh bench
	cargo bench $(LOCKED) --bench speed -- $(ONLY)

clean: ## Remove what was built and the demo's folder; tools and servers stay
	cargo clean
	rm -rf demo dist .aws-sam

.PHONY: help setup setup-build fmt fmt-check lint tls forbid test chaos soak ci full demo demo-files demo-objects demos bench clean template-lint demo-aws
