# What a developer types; `make` alone lists it. Needs Python 3.11 or later with its venv module, and nothing else: the
# first target that wants an environment makes one in .venv-make, as pyproject.toml says.
#
#   make test PYTHON=python3.13            another interpreter (the environment is made anew)
#   make demo ARGS='--format json'         options of the demo

VENV := .venv-make
run := $(VENV)/bin/python -m

# The pure core wants every branch tested. A new module belongs to it until it is named here.
pure_core := --include='orderbook/*' \
	--omit='orderbook/cli/*,orderbook/ui/*,orderbook/feed/*,orderbook/simulator/*,orderbook/testing/*,orderbook/__main__.py'

# These say nothing about the branches of the core that the others do not say, and would take minutes while traced: the
# live part on real sockets and in virtual time, the long campaigns, and what only reads the source.
untraced := $(wildcard $(patsubst %,tests/test_%.py,any_bytes audit_turns book_machine budget canvas capture* catalogue cli* cold_start damage demo effort feed* \
	fetch* fuzzing* histogram host* house_rules layering link links log_redaction long_days mass_resync merger \
	metrics mutants own_simulator own_world pacing packaging prometheus read_streams readme recorder* replay* \
	reset_worlds seams seeded_market silence simulat* small_world stream testing* threaded_feed transport* \
	twin_traces ui* watch_screen websocket workloads)) examples

# These try the tools that other tests are made of: they tell nothing of the library, and `make test` leaves them out.
tools := $(wildcard $(patsubst %,tests/test_%.py,mutants simulation_commands simulation_freshness simulation_oracle \
	simulation_planted simulation_readers simulation_shadow simulation_shrinking simulation_strikes workloads))

# These read the source: the same whatever the interpreter and the twin.
sources := $(wildcard $(patsubst %,tests/test_%.py,catalogue house_rules layering packaging seams))

# And these know nothing of a book: the same whatever the twin.
bookless := $(wildcard $(patsubst %,tests/test_%.py,budget* canvas capture capture_blocks capture_damage fetch_clock \
	fetch_sharing histogram log_redaction pacing read_streams recorder_listeners simulator_account* simulator_fault_* \
	simulator_limits simulator_market simulator_order_list simulator_rest simulator_spelling simulator_stream* stream \
	streams* testing_laws transport ui*))

# Which twin of the core is used.
off := ORDERBOOK_ACCELERATOR=off
require := ORDERBOOK_ACCELERATOR=require
is_built = $(require) $(VENV)/bin/python -c 'import orderbook' 2>/dev/null

# Neighbours stay together, so that what they share is made once, until a process has nothing left to do.
parallel := --numprocesses=auto --dist=worksteal

# Tests on real sockets, and of other processes, wait for a part of their time.
one_more = $(shell expr $$(nproc) + 1)

.PHONY: help demo test rest coverage campaigns simulation fuzz fuzz-sanitized mutation bench instructions faults \
	schedule cold-start long-days awaits crashes soak lint test-suite interpreter clean anew
.DELETE_ON_ERROR:

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.runtime $(VENV)/.native ## Watch books being kept from a local KuCoin; ARGS='...' for its options
	@$(VENV)/bin/orderbook demo $(ARGS)

test: lint ## Lint, then the tests, with every branch of the pure core covered by both twins together
	@$(VENV)/bin/orderbook info
	@$(off) $(run) pytest $(parallel) --cov --cov-report= $(untraced:%=--ignore=%) tests
	@if $(is_built); then $(require) $(run) pytest $(parallel) --cov --cov-append --cov-report= $(untraced:%=--ignore=%) tests; \
	else echo "There is no compiled twin here, so the branches that need it are not counted."; fi
	@echo "Branch coverage of the pure core (must be 100%):" && \
	$(run) coverage report --fail-under=$$($(is_built) && echo 100 || echo 98) $(pure_core)
	@$(run) pytest $(parallel) --numprocesses=$(one_more) $(filter-out $(tools),$(untraced))

rest: $(VENV)/.dev ## What `make test` leaves out: tests of its tools, and with the pure twin what it runs with one twin
	@$(run) pytest $(parallel) --numprocesses=$(one_more) $(tools)
	@$(off) $(run) pytest $(parallel) --numprocesses=$(one_more) --hypothesis-profile=brief $(filter-out $(tools) $(sources) $(bookless),$(untraced))

coverage: $(VENV)/.dev ## Branch coverage of everything, by all tests; takes several times as long
	@$(run) pytest $(parallel) --cov --cov-report=
	@$(run) coverage report

campaigns: $(VENV)/.dev ## Load, recovery, horizon, leaks and bad lines of the live client; about six minutes
	@$(run) benchmarks.live && $(run) benchmarks.live recovery && $(run) benchmarks.live blackhole
	@$(run) benchmarks.live keyless && $(run) benchmarks.leaks && $(run) benchmarks.proxy

faults: $(VENV)/.dev ## The faults at which other clients were measured, 100 runs each
	@$(run) benchmarks.faults --runs 100

schedule: $(VENV)/.dev ## One book lost, and 300 at once, within a budget; virtual time
	@$(run) benchmarks.virtual recovery && $(run) benchmarks.virtual mass

cold-start: $(VENV)/.dev ## 400 books from a cold start, in virtual time and on real sockets; CPU and memory under load
	@$(run) benchmarks.cold_start && $(run) benchmarks.cold_start --sockets

long-days: $(VENV)/.dev ## 30 days of expiring tokens, and of quiet symbols; virtual time, some 15 minutes
	@$(run) benchmarks.long_days tokens && $(run) benchmarks.long_days quiet

awaits: $(VENV)/.dev ## Every await of a feed is cancelled, and fails
	@$(run) tests.simulation.awaits

crashes: $(VENV)/.dev ## A recorder killed 1,000 times, and a disk that fails at every operation; half an hour
	@$(run) benchmarks.crashes kills --kills 1000 && $(run) benchmarks.crashes writes --seeds 5

soak: $(VENV)/.dev ## 300 symbols on real sockets for 15 minutes: memory, tasks, descriptors
	@$(run) benchmarks.soak

simulation: $(VENV)/.dev ## The next window of simulated seeds, into the ledger; ARGS='--window 500' for more
	@$(run) tests.simulation campaign $(ARGS)

fuzz: $(VENV)/.dev ## Hostile inputs for the compiled twin, compared with the pure one; into a ledger; ARGS='--until 20000000'
	@$(run) tests.fuzzing $(ARGS)

fuzz-sanitized: $(VENV)/.dev ## The same under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(run) tests.fuzzing --sanitized $(ARGS)

mutation: $(VENV)/.dev ## Do the tests notice small mistakes in the core? Half an hour or more; goes on where it was stopped
	@nice -n 19 $(run) benchmarks.mutation $(ARGS)

bench: $(VENV)/.dev ## This library and others side by side, and docs/performance.md; an hour; ARGS='...', see --help
	@$(run) benchmarks.peers --page docs/performance.md $(ARGS)

instructions: $(VENV)/.dev ## Machine instructions a frame, against what is committed; needs valgrind
	@$(run) benchmarks.instructions $(ARGS)

lint: $(VENV)/.dev ## Style, format and types
	@$(run) ruff check .
	@$(run) ruff format --check .
	@$(run) mypy

test-suite: $(VENV)/.dev ## Every test, nothing else; ARGS='...' for pytest, ORDERBOOK_ACCELERATOR=off for the pure twin
	@$(VENV)/bin/orderbook info
	@$(run) pytest $(parallel) $(ARGS)

interpreter: $(VENV)/.dev ## What another interpreter may change, with fewer examples; ORDERBOOK_ACCELERATOR=off for the pure twin
	@$(VENV)/bin/orderbook info
	@$(run) pytest $(parallel) --numprocesses=$(one_more) --hypothesis-profile=brief \
		$(patsubst %,--ignore=%,$(tools) $(sources) $(if $(filter off,$(ORDERBOOK_ACCELERATOR)),$(bookless)))

clean: ## Remove whatever the other targets made
	@rm -rf $(VENV) build dist *.egg-info orderbook/compiled/*.c orderbook/compiled/*.so .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find orderbook snapshots tests benchmarks -name __pycache__ -prune -exec rm -rf {} +


# ---- The environment ----------------------------------------------------------------------------------------------

# Says which interpreter it is run by, or fails: too old, or without what `python -m venv` needs.
probe := import sys, venv, ensurepip; sys.version_info < (3, 11) and sys.exit(1); \
	print(*sys.version_info[:3], sys.base_prefix)

ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c '$(probe)' >/dev/null 2>&1 && echo "$$python" && exit; done; echo python3)
endif

# If none will do: what is wrong with it, and the package that mends it.
needs := but Python 3.11 or later is needed; install it with: apt-get install
why_False = $(PYTHON) is too old, $(needs) python3.11-venv
why_True = $(PYTHON) has no venv module; install it with: apt-get install $(package)
why_ = $(PYTHON) cannot be run, $(needs) $(package)
package = $(or $(filter python3.%,$(notdir $(PYTHON))),python3)-venv
why = $(why_$(shell "$(PYTHON)" -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null))

# An environment serves one interpreter in one place. Copied, moved, or left behind by an upgrade of Python, it would run
# something else than it seems to, so its stamp says what it was made for. The stamp is written last: an environment
# without one was interrupted half-made.
interpreter := $(shell "$(PYTHON)" -c '$(probe)' 2>/dev/null)
export made_for := $(interpreter) $(CURDIR)
ifneq ($(shell cat $(VENV)/.runtime 2>/dev/null),$(made_for))
$(VENV)/.runtime: anew
endif

pip := $(run) pip --quiet --disable-pip-version-check

$(VENV)/.runtime: pyproject.toml setup.py
	$(if $(interpreter),,$(error $(why)))
	@echo "Making the environment $(VENV), once ..." >&2
	@"$(PYTHON)" -m venv --clear $(VENV)
	@echo "Installing what it needs and building the compiled twin: a minute or so ..." >&2
	@$(pip) install --editable .
	@touch $(VENV)/.native
	@echo "$$made_for" >$@

# The compiled twin follows its sources.
$(VENV)/.native: $(wildcard orderbook/compiled/*.pyx orderbook/compiled/*.pxd) | $(VENV)/.runtime
	@echo "Building the compiled twin ..." >&2
	@$(pip) install --editable .
	@touch $@

# Debian 12's own pip does not know --group.
$(VENV)/.dev: $(VENV)/.runtime $(VENV)/.native
	@echo "Adding the development tools to $(VENV), once ..." >&2
	@rm $<
	@$(pip) install --upgrade 'pip>=25.1'
	@$(pip) install --group dev
	@echo "$$made_for" >$<
	@echo "$$made_for" >$@
