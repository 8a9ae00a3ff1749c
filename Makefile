# The whole vocabulary of this repository. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

# Outside the clone, so that clones and worktrees share what they built.
CARGO_TARGET_DIR ?= $(HOME)/.cache/gproxy/target
export CARGO_TARGET_DIR

# Where Rust's own installer puts it.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

CARGO ?= cargo
HOST ?=
PORT ?=
GATEWAY := $(CARGO_TARGET_DIR)/release/gproxy

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- use it ----

.PHONY: run
run: tools ## Build the gateway and serve on 127.0.0.1:8787 (HOST=, PORT=, ARGS=)
	@echo "building; the first time takes some minutes"
	@$(CARGO) build --release --locked --bin gproxy
	@if [ -f gproxy.toml ]; then echo "configuration: gproxy.toml"; else echo "no gproxy.toml here: serving the built-in demo provider"; fi
	@exec "$(GATEWAY)" $(if $(HOST),--host "$(HOST)") $(if $(PORT),--port "$(PORT)") $(ARGS)

.PHONY: demo
demo: tools ## The same with the demo provider alone; leaves nothing behind
	@$(CARGO) build --release --locked --bin gproxy
	@scripts/demo.sh "$(GATEWAY)" "$(or $(HOST),127.0.0.1)" "$(or $(PORT),8787)"

# ---- change it ----

.PHONY: check
check: tools ## Compile everything, quickly
	@$(CARGO) check --locked --all-targets --features bench

.PHONY: fmt
fmt: tools ## Format the code
	@$(CARGO) fmt

.PHONY: lint
lint: testing ## Formatting, lints (native and edge features), scripts
	@$(CARGO) fmt --check
	@$(CARGO) clippy --locked --all-targets --features bench -- -D warnings
	@$(CARGO) clippy --locked --lib --no-default-features --features edge -- -D warnings
	@scripts/lint.sh

.PHONY: test
test: testing ## All tests: Rust, documentation, the real SDKs
	@services="$$(scripts/services.sh)"; eval "$$services"; \
	if $(CARGO) nextest --version >/dev/null 2>&1; then $(CARGO) nextest run --locked --status-level fail --final-status-level fail; \
	else echo "cargo-nextest is not installed: using cargo test"; $(CARGO) test --locked --lib --bins --tests; fi
	@$(CARGO) test --locked --doc
	@$(MAKE) sdk

SDK_ARGS ?=

.PHONY: sdk
sdk: testing ## The real OpenAI, Anthropic, Google and Vercel SDKs against the gateway
	@$(CARGO) build --locked --bin gproxy
	@python="$$(scripts/venv.sh)"; "$$python" -m pytest -q tests/sdk $(SDK_ARGS)

.PHONY: golden
golden: tools ## Write the goldens of the conversions anew; read the difference before you keep it
	@UPDATE_GOLDEN=1 $(CARGO) test --locked --test transform
	@git status --short tests/fixtures/golden docs/losses.md | head -n 40

.PHONY: services
services: ## Start the databases that the tests want, where they are missing, and say how to reach them
	@scripts/services.sh

.PHONY: evidence
evidence: testing ## Tests over recorded traffic; fails where one is skipped
	@GPROXY_EVIDENCE=1 $(CARGO) test --locked --test evidence -- --nocapture

SECONDS ?= 600

.PHONY: fuzz
fuzz: tools ## Fuzz each decoder for SECONDS (600; `make fuzz SECONDS=60`)
	@scripts/fuzz.sh $(SECONDS)

.PHONY: dist
dist: tools ## Build what is measured and shipped, guided by a profile of its own work
	@scripts/dist.sh

.PHONY: bench
bench: dist ## Measure against a bare forwarder (`make bench ARGS=--help`)
	@python3 bench/run.py --no-build $(ARGS)

.PHONY: lab
lab: tools ## Play the sixteen provider faults against the gateway (`make lab ARGS="--fast --crossed"`)
	@$(CARGO) build --release --locked --bin gproxy
	@"$(GATEWAY)" lab run $(ARGS)

.PHONY: faults
faults: testing ## Faults of the surroundings, each with its figure: kill -9, database, Redis, disk, clock, drain, renewal, bad clients (ARGS=--quick)
	@$(CARGO) build --release --locked --bin gproxy
	@python3 bench/faults.py --gateway "$(GATEWAY)" $(ARGS)

MINUTES ?= 60

.PHONY: chaos
chaos: tools ## Everything goes wrong at once for MINUTES (60), and most calls still get their answer
	@$(CARGO) build --release --locked --bin gproxy
	@"$(GATEWAY)" lab chaos --minutes $(MINUTES) $(ARGS)

.PHONY: edge
edge: tools ## Compile the library for wasm and print its size
	@scripts/wasm.sh

.PHONY: deny
deny: tools ## Licences, bans and sources of the dependencies
	@python3 scripts/deny.py
	@if ! command -v cargo-deny >/dev/null; then echo "deny: cargo-deny is not installed: duplicate versions and advisories were not checked"; \
	else $(CARGO) deny --locked check licenses bans sources; \
	  $(CARGO) deny --locked check advisories || echo "deny: advisories were not checked, or have something to say (see above)"; fi

.PHONY: docs
docs: tools ## Write the generated pages anew, and the API documentation
	@UPDATE_DOCS=1 $(CARGO) test --locked --test docs
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --lib
	@echo "$(CARGO_TARGET_DIR)/doc/gproxy/index.html"

.PHONY: ci
ci: lint test deny edge ## Exactly what is checked before a merge

# Set up where they are missing.
.PHONY: tools
tools:
	@CARGO="$(CARGO)" scripts/tools.sh

.PHONY: testing
testing:
	@CARGO="$(CARGO)" scripts/tools.sh tests
