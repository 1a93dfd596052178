# All that one does with the gateway, from a fresh clone on. Each step says what it does, installs what it needs, and
# is skipped when it is done.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test audit bench browser faults fmt lint docs tests web cargo compiler postgres faketime node

# Arguments for the gateway: make run ARGS="--listen 127.0.0.1:9090"
ARGS ?=

help: ## Shows this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: cargo compiler postgres web ## Builds and starts everything on this machine: Postgres, sample data, gateway
	@$(call say,building the gateway: the first time some ten minutes on two cores)
	@exec cargo run --release --locked -- run $(ARGS)

test: fmt lint docs tests ## Checks everything: format, lints, documentation, tests
	@$(call say,all is well)

audit: cargo compiler ## Checks licences, bans and sources of all dependencies (installs cargo-deny, which takes minutes)
	@command -v cargo-deny >/dev/null || { $(call say,installing cargo-deny); cargo install --locked cargo-deny; }
	@$(call say,auditing the dependencies)
	@cargo deny --locked check bans licenses sources

bench: cargo compiler postgres ## Measures the gateway against hand-written SQL
	@$(call say,measuring)
	@cargo bench --locked --bench gateway $(if $(ARGS),-- $(ARGS))
	@$(call say,measuring how soon breaches arrive)
	@cargo bench --locked --bench feed

browser: web ## Tries the web page and README's client in Chromium, on a gateway that runs (GATEWAY_URL; installs chromium)
	@command -v $${CHROMIUM:-chromium} >/dev/null || { $(call say,installing Chromium); $(call install,chromium,--cask chromium); }
	@$(call say,trying the web page)
	@cd web && CHROMIUM="$$(command -v "$${CHROMIUM:-chromium}")" $(with_node) npm test

faults: cargo compiler postgres faketime ## Kills and crashes everything while breaches are recorded, in some ten minutes (installs libfaketime)
	@$(call say,faults)
	@rm -f "$(faults_table)"
	@cargo test --locked --test gateway faults:: -- --ignored --nocapture --test-threads 1
	@$(call say,what was done and what was seen)
	@echo "| fault | times | due | recorded | lost | twice | early | late: p50 / p99 / max | seen | lost | twice | out of order | resumed | took |"
	@echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
	@cat "$(faults_table)"

fmt: cargo ## Part of test: the format of the code
	@$(call say,format)
	@cargo fmt --check

lint: cargo compiler ## Part of test: the compiler's and clippy's warnings, as errors
	@$(call say,lints)
	@cargo clippy --locked --all-targets -- -D warnings

docs: cargo compiler ## Part of test: the documentation, without broken links
	@$(call say,documentation)
	@# It is for those who work on the gateway, so it shows, and may link to, what is private.
	@RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --no-deps --document-private-items

tests: cargo compiler postgres ## Part of test: the tests, against a private Postgres (schema, migrations and all)
	@$(call say,tests)
	@cargo test --locked

# --- the web page

web: web/dist/index.html ## Builds the web page (GraphiQL), where it changed

web/dist/index.html: web/node_modules/.package-lock.json $(wildcard web/*.html web/*.ts web/*.json) \
		$(shell find web/src web/public -type f)
	@$(call say,building the web page)
	@cd web && $(with_node) npm run build
	@# The page is part of the binary, and cargo does not notice files that are new.
	@touch src/lib.rs

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	@$(MAKE) --no-print-directory node
	@$(call say,fetching what the web page is made of)
	@cd web && $(with_node) npm ci --no-progress
	@touch $@

# --- what must be installed

cargo:
	@command -v cargo >/dev/null || { echo "Rust is missing: install it from https://rustup.rs" >&2; exit 1; }

compiler:
	@command -v cc >/dev/null || { $(call say,installing a C compiler); $(call install,gcc libc6-dev,gcc); }

# The server's programs alone are wanted: the cluster that Debian would create and start with them is held back.
held_back := /etc/postgresql-common/createcluster.d/sla-gateway.conf

postgres:
	@found() { PATH="$$PATH:$$(pg_config --bindir 2>/dev/null)" command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb \
		/opt/homebrew/opt/postgresql*/bin/initdb /usr/local/opt/postgresql*/bin/initdb 2>/dev/null | grep .; } >/dev/null; \
	found || { $(call say,installing Postgres); \
		if command -v apt-get >/dev/null; then \
			$(call may_install,postgresql); \
			trap '$(sudo) rm -f $(held_back)' EXIT; trap 'exit 130' INT TERM; \
			$(sudo) mkdir -p $(dir $(held_back)); \
			echo "create_main_cluster = false" | $(sudo) tee $(held_back) >/dev/null; fi; \
		$(call install,postgresql,postgresql); }

# Vite needs a newer Node than some systems have; then one is put into target/, for this build alone.
own_node := $(CURDIR)/target/node
is_new_enough := const [a, b] = process.versions.node.split("."); process.exit(a > 20 || a == 20 && b >= 19 ? 0 : 1)
with_node := PATH="$(own_node)/node_modules/.bin:$$PATH"

node:
	@new_enough() { $(with_node) node -e '$(is_new_enough)' 2>/dev/null; }; \
	command -v npm >/dev/null || { $(call say,installing Node); $(call install,nodejs npm,node); }; \
	new_enough || { $(call say,installing a newer Node into target/); mkdir -p "$(own_node)"; \
		npm install --prefix "$(own_node)" --no-audit --no-fund --no-progress --loglevel=error node@22; }; \
	new_enough || { echo "Node 20.19 or newer is needed to build the web page" >&2; exit 1; }

faketime:
	@ls /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib/faketime/libfaketimeMT.so.1 2>/dev/null | grep -q . || \
		{ $(call say,installing libfaketime); $(call install,faketime,libfaketime); }

# --- words used above

# Each fault adds its row.
faults_table := $(or $(CARGO_TARGET_DIR),target)/tmp/faults.md

say = printf '\n\033[1m== %s\033[0m\n' "$(1)"
sudo := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
may_install = [ -z "$(sudo)" ] || command -v sudo >/dev/null || { echo "root or sudo is needed to install: $(1)" >&2; exit 1; }
# install,packages of Debian,packages of Homebrew. A system that has just been started may be installing something itself.
install = if command -v apt-get >/dev/null; then $(call may_install,$(1)); \
		$(sudo) apt-get -qq update && $(sudo) env DEBIAN_FRONTEND=noninteractive \
			apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends $(1) >/dev/null; \
	elif command -v brew >/dev/null; then brew install -q $(2); \
	else echo "please install: $(1)" >&2; false; fi
