# Every target prepares what it needs in .venv, on a machine that has Python 3.11 or newer, make and a way to the
# package registries. Another interpreter: make test PYTHON=python3.12

PYTHON ?= python3

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

panel_sources := $(shell find labextension/src labextension/style labextension/schema -type f)

.PHONY: help demo lab test lowest coverage check cluster bench clean
.NOTPARALLEL: # two pips in one .venv would spoil it

help: ## List the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1	\2/p' $(MAKEFILE_LIST)

demo: .venv/.extra-quickstart ## Train on this machine: run notebooks/quickstart.ipynb, print its logs and accuracy
	@.venv/bin/python notebooks/demo.py

lab: .venv/.extra-notebooks .venv/.panel ## Open the notebooks in JupyterLab on 127.0.0.1
	.venv/bin/jupyter lab --ip=127.0.0.1 --ServerApp.root_dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

test: .venv/.extra-test .venv/.extra-notebooks .venv/.panel ## Run all tests
	.venv/bin/pytest -n 3 --dist worksteal
	cd labextension && jlpm test

# Where each dependency is used: models, the database, the server, the client, the notebook, the cluster's API. Old
# versions warn of one another.
lowest: .lowest/.installed ## Run some of the tests with the lowest versions of the dependencies that are allowed
	.lowest/bin/pytest -n 3 --dist worksteal -W default tests/models tests/kernel/spec tests/wire tests/store/lists tests/store/tables \
		tests/store/sqlite/test_migrations.py tests/server/test_document.py tests/server/test_bodies.py \
		tests/kernel/client tests/kernel/magics tests/targets/kubernetes/api/test_transport.py

# What the processes of the tests themselves reach; servers and supervisors are others.
coverage: .venv/.extra-test .venv/.extra-notebooks .venv/.panel ## Run the Python tests, print which branches they reach
	.venv/bin/pytest -n 3 --dist worksteal --cov --cov-report=term

check: .venv/.extra-lint .venv/.extra-test ## Lint, check formats, types and the direction of imports
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	@if grep -n '://' labextension/yarn.lock; then echo 'labextension/yarn.lock must not name a host'; exit 1; fi

cluster: .venv/.extra-test ## Start a real Kubernetes on this machine, for tests; tests/cluster/README.md tells more
	.venv/bin/python -m tests.cluster up

bench: .venv/.extra-test .venv/.extra-quickstart ## Print the benchmarks, each beside its peer
	.venv/bin/python -m tests.benchmarks

clean: ## Remove everything the other targets made
	rm -rf .venv .lowest .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	rm -rf submarine_jupyter/labextension submarine_jupyter/_version.py
	cd labextension && rm -rf node_modules .yarn lib coverage junit.xml tsconfig.tsbuildinfo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The last file that venv writes: an interrupted run does not count.
.venv/bin/activate:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

# The dependencies of the tests themselves are the newest ones; pip cannot choose the lowest.
.lowest/.installed: pyproject.toml
	$(PYTHON) -m venv .lowest
	.lowest/bin/pip install --quiet 'uv>=0.5'
	.lowest/bin/uv pip compile --quiet --python .lowest/bin/python --resolution lowest-direct pyproject.toml \
		--output-file .lowest/lowest.txt > /dev/null
	mkdir -p submarine_jupyter/labextension
	SKIP_JUPYTER_BUILDER=1 .lowest/bin/uv pip install --quiet --python .lowest/bin/python \
		--constraint .lowest/lowest.txt --editable '.[test]'
	@touch $@

# Without the panel, which has its own rule below: demo and check need no JavaScript.
.venv/.installed: .venv/bin/activate pyproject.toml
	mkdir -p submarine_jupyter/labextension
	SKIP_JUPYTER_BUILDER=1 .venv/bin/pip install --quiet --editable .
	@touch $@

.venv/.extra-%: .venv/.installed
	.venv/bin/pip install --quiet 'submarine_jupyter[$*]'
	@touch $@

.venv/.node_modules: .venv/.extra-labextension labextension/package.json labextension/yarn.lock
	cd labextension && jlpm install --immutable
	@touch $@

# A link in place of a copy, so that `jlpm watch` reaches the browser.
.venv/.panel: .venv/.node_modules $(panel_sources) labextension/tsconfig.json
	cd labextension && jlpm build:prod
	.venv/bin/jupyter-builder develop . --overwrite
	@touch $@
