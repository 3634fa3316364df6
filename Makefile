# The commands of the project. `make demo` and `make test` need Python 3.11 to 3.14 and make, and nothing else.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.14 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && echo $$p && exit; \
	done; echo python3)
RUN := .venv/bin/python -m
SUDO := $(shell test $$(id -u) = 0 || echo sudo)
# The programs that `make helm` installs come first.
export PATH := $(CURDIR)/.local/bin:$(PATH)
# Workers and hundreds of processes read the same modules: they are compiled once, however this machine is set.
export PYTHONDONTWRITEBYTECODE :=
BY ?= 1d
# More than there are processors: tests often wait, for a process to start or for a time to pass.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 2 + 2)))
PORT ?= 8080
# What carries the events: kafka (KafkaSources), dapr-kafka or dapr-redis (docs/dapr.md).
BROKER ?= kafka
SBOM ?= .local/sbom.cdx.json

# The version of an image or a chart that is built here. A release sets its own; the manifests name this one.
VERSION ?= 0.1.0
IMAGE ?= taskmaster-functions:$(VERSION)
BUILD ?= $(shell for b in docker podman buildah; do command -v $$b >/dev/null && $$b info >/dev/null 2>&1 && echo $$b && exit; done)
LABELS = --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
NAMESPACE ?=
MINUTES ?= 60
DIGEST ?=
DIGEST_FILE ?= .local/digest
VALUES ?=
URL ?=
# What happened, and who is to be told.
export TEXT ?=
export NOTIFY_URL ?=
# The registry of charts, and the signer that an image must have: the address of the workflow that built it.
CHARTS ?=
SIGNER ?=
SIGNERS ?= https://token.actions.githubusercontent.com

SECONDS ?= 90
COMMANDS ?= 0
SEED ?=
ONLY ?=
# What carries the events in make chaos, as BROKER has it for make up.
TRANSPORT ?= kafka

.DEFAULT_GOAL := help
.PHONY: help demo up venv travel token link check test test-thorough test-kafka test-dapr test-compose test-browser test-assistants test-jaeger jaeger promtool screenshots film chromium chaos attack bench image push sign attest verify chart deploy manifests helm \
	notify pgbouncer kind test-cluster test-cluster-dapr demo-cluster idle-cluster backing documents asyncapi types fuzz fuzz-http workflows lint format lock sbom licences \
	audit secrets clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .demo ## Show the whole system at work on this machine, from zero and back, with each claim checked
	@$(RUN) knative.demo --broker $(BROKER)

up: .demo ## Run everything on http://localhost:8080 until Ctrl-C: make up BROKER=dapr-redis (kafka, dapr-kafka)
	@$(RUN) knative.local up --port $(PORT) --broker $(BROKER)

venv: .demo ## Make the virtual environment .venv, with the command line .venv/bin/taskmaster

travel: .demo ## Move business time of what `make up` runs: make travel BY=31d
	@$(RUN) knative.local travel $(BY) --port $(PORT)

token: .demo ## Print a token for what `make up` runs: make token USER=ada
	@$(RUN) knative.local token $(USER)

link: .demo ## Print a link to the page of what `make up` runs that signs in: make link USER=ada
	@$(RUN) knative.local link $(USER)

check: lint ## Check style, types and imports, and run the unit tests: the inner loop
	@$(RUN) pytest -n $(WORKERS) --dist worksteal -q tests/unit $(ARGS)

test: .dev ## Run unit, contract and integration tests on a real PostgreSQL and broker
	@$(RUN) pytest -n $(WORKERS) --dist worksteal -q $(ARGS)

test-thorough: .dev ## Run the tests that do less in `make test`, at their full size
	@THOROUGH=1 $(RUN) pytest -n $(WORKERS) --dist worksteal -q -m thorough --timeout 900 $(ARGS)

test-kafka: .dev ## Run the tests that use a broker on an Apache Kafka with SASL, TLS and ACLs (needs Java, Maven)
	@$(RUN) pytest -n 2 --dist worksteal -q --broker=kafka --timeout 300 tests/contract tests/integration tests/platform tests/programs/apache_kafka $(ARGS)

test-dapr: .dev ## Run the tests on a real daprd, scheduler and Redis: those that are not on the PATH are skipped (docs/dapr.md)
	@$(RUN) pytest -n 2 --dist worksteal -q -m dapr tests/dapr $(ARGS)

test-compose: .dev ## Run the same tests on a Redpanda in Docker (tests/compose.yaml)
	@docker compose version >/dev/null 2>&1 || { echo "make test-compose: needs Docker with its compose plugin; make test and make test-kafka do without" >&2; exit 1; }
	@docker compose --file tests/compose.yaml up --wait
	@set -a; . tests/compose.env; set +a; \
		$(RUN) pytest -q --broker=given --timeout 300 tests/contract tests/integration tests/platform $(ARGS); \
		status=$$?; docker compose --file tests/compose.yaml down --volumes; exit $$status

test-browser: .browser ## Try the page in Chromium: journeys, keyboard, accessibility, offline (needs chromium)
	@$(RUN) pytest -q tests/browser $(ARGS)

test-assistants: .dev ## Try POST /mcp with the official clients of MCP, both majors, each in an environment of its own
	@for major in 1 2; do $(PYTHON) -m venv .local/mcp-$$major && .local/mcp-$$major/bin/python -m pip install -q \
		--disable-pip-version-check --require-hashes -r tests/programs/assistants/requirements-$$major.txt || exit 1; done
	@$(RUN) pytest -q tests/programs/assistants $(ARGS)

test-jaeger: .dev jaeger ## Export the story of a recurring task to Jaeger, and read it back there (needs Go)
	@$(RUN) pytest -q --override-ini norecursedirs=.git tests/programs/jaeger $(ARGS)

screenshots: .browser ## Make the pictures of the page in docs/images again (needs chromium)
	@$(RUN) tests.browser.screenshots

film: .browser ## Make docs/demo.webm, the page and the pack at work, each caption checked (needs chromium, ffmpeg)
	@$(RUN) tests.programs.film

chromium: ## Install Chromium, for its tests: a browser comes in no wheel (Debian, Ubuntu)
	@command -v chromium >/dev/null || { $(SUDO) apt-get update -qq && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; }

chaos: .dev ## Kill every part at random, then check every promise: make chaos SECONDS=600 COMMANDS=10000 SEED=7 (needs Java, Maven)
	@$(RUN) tests.programs.chaos run --seconds $(SECONDS) --commands $(COMMANDS) --transport $(TRANSPORT) $(if $(SEED),--seed $(SEED)) $(ARGS)

attack: .dev ## Measure what a hostile user, receiver or client costs another user: make attack SECONDS=60 ONLY=full-speed SEED=7
	@$(RUN) tests.programs.attack --seconds $(SECONDS) $(foreach name,$(ONLY),--only $(name)) $(if $(SEED),--seed $(SEED)) $(ARGS)

bench: .bench .browser ## Measure every figure of docs/benchmarks.md, and write that page (needs chromium): make bench ONLY=creates WITH=rounds=2
	@$(RUN) tests.programs.bench $(ONLY) $(if $(WITH),--with $(WITH)) $(ARGS)

manifests: .dev ## Render the chart into knative/ and eventing/, and write its README, after a change of the chart (needs helm)
	@$(RUN) helm.manifests

helm: ## Install helm into .local/bin, in the tested version (needs Go)
	@GOBIN=$(CURDIR)/.local/bin go install helm.sh/helm/v3/cmd/helm@$$(sed -n 's/^VERSION = "\(.*\)"/\1/p' helm/command.py)

promtool: ## Install promtool into .local/bin, for the test of the alerts (needs Go, minutes)
	@GOBIN=$(CURDIR)/.local/bin go install github.com/prometheus/prometheus/cmd/promtool@v0.316.0

jaeger: ## Install Jaeger into .local/bin, in the tested version, for its test (needs Go, minutes)
	@cd tests/programs/jaeger && go build -o $(CURDIR)/.local/bin/jaeger github.com/jaegertracing/jaeger/cmd/all-in-one

pgbouncer: ## Install PgBouncer, for its test: no Python wheel has it (Debian, Ubuntu)
	@command -v pgbouncer >/dev/null || { $(SUDO) apt-get update -qq && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends pgbouncer >/dev/null; }

image: ## Build the image of all functions: make image IMAGE=registry.example.com/taskmaster:1.0
	@test -n "$(BUILD)" || { echo "make image: needs docker, podman or buildah, and one that runs (BUILD=...)" >&2; exit 1; }
	$(BUILD) build --tag $(IMAGE) $(LABELS) $(ARGS) .

push: ## Build and push for both processors, with SBOM and provenance: make push IMAGE= VERSION= DIGEST_FILE= (needs docker)
	@mkdir -p $(dir $(DIGEST_FILE))
	docker buildx build --platform linux/amd64,linux/arm64 --sbom=true --provenance=mode=max --tag $(IMAGE) \
		$(LABELS) --metadata-file $(DIGEST_FILE).json --push $(ARGS) .
	@sed -n 's/.*"containerimage.digest": *"\([^"]*\)".*/\1/p' $(DIGEST_FILE).json > $(DIGEST_FILE)
	@test -s $(DIGEST_FILE)

sign: ## Sign an image or a chart with the identity of the workflow: make sign IMAGE= DIGEST= (needs cosign)
	@cosign sign --yes "$(IMAGE)@$(DIGEST)"

attest: ## Attach a signed SBOM to an image: make attest IMAGE= DIGEST= SBOM=FILE (needs cosign)
	@cosign attest --yes --type cyclonedx --predicate $(SBOM) "$(IMAGE)@$(DIGEST)"

verify: ## Check that an image has the right signer: make verify IMAGE= DIGEST= SIGNER=https://.../release.yaml@refs/tags/v1.2.3 (needs cosign)
	@cosign verify "$(IMAGE)@$(DIGEST)" --certificate-identity "$(SIGNER)" --certificate-oidc-issuer $(SIGNERS) >/dev/null

chart: ## Package and push the chart: make chart CHARTS=registry.example.com/charts VERSION= DIGEST_FILE= (needs helm)
	@mkdir -p .local $(dir $(DIGEST_FILE))
	helm package helm/taskmaster --version $(VERSION) --app-version $(VERSION) --destination .local
	@helm push .local/taskmaster-$(VERSION).tgz oci://$(CHARTS) >$(DIGEST_FILE).txt 2>&1; status=$$?; cat $(DIGEST_FILE).txt; exit $$status
	@sed -n 's/^Digest: *//p' $(DIGEST_FILE).txt > $(DIGEST_FILE)
	@test -s $(DIGEST_FILE)

deploy: .dev ## Deploy an image by its digest, test it, roll back if the test fails: make deploy NAMESPACE= IMAGE= DIGEST= VALUES= URL=
	@$(RUN) helm.deploy --namespace "$(NAMESPACE)" --image "$(IMAGE)" --digest "$(DIGEST)" \
		$(foreach file,$(VALUES),--values $(file)) $(if $(URL),--url $(URL)) $(ARGS)

notify: ## Print a sentence, and send it to an incoming webhook as Slack has them: make notify TEXT= NOTIFY_URL= (needs curl)
	@printf '%s\n' "$$TEXT"
	@test -z "$$NOTIFY_URL" || curl --fail --silent --show-error --max-time 10 \
		--json "$$(python3 -c 'import json, os; print(json.dumps({"text": os.environ["TEXT"]}))')" "$$NOTIFY_URL" >/dev/null

kind: ## Make a kind cluster with Knative and a domain, and print how its pods reach this machine (needs Docker, kind)
	@knative/platform/kind.sh

test-cluster: .dev ## Install the chart on the cluster that kubectl points at, run the tests there, delete it
	@$(RUN) pytest -v -x -p no:cacheprovider tests/cluster/test_story.py $(ARGS)

test-cluster-dapr: .dev ## The same with Dapr, on Kafka and on Redis, with the daprd and redis-server that are on the PATH
	@$(RUN) pytest -v -x -p no:cacheprovider tests/cluster/test_dapr.py $(ARGS)

demo-cluster: .demo ## Show how the functions of a cluster start from zero and stop again: make demo-cluster NAMESPACE=taskmaster
	@$(RUN) knative.cluster.demo $(if $(NAMESPACE),--namespace $(NAMESPACE)) $(ARGS)

idle-cluster: .demo ## Count the pod-seconds of the functions while nobody calls them: make idle-cluster MINUTES=60
	@$(RUN) knative.cluster.idle --minutes $(MINUTES) $(if $(NAMESPACE),--namespace $(NAMESPACE)) $(ARGS)

backing: .demo ## Run a temporary PostgreSQL and broker on this machine for a cluster: make backing HOST=172.18.0.1
	@$(RUN) knative.cluster.backing $(if $(HOST),--host $(HOST)) $(ARGS)

documents: .dev ## Write the OpenAPI and AsyncAPI documents and the schemas of the events from the code
	@PYTHONPATH=functions $(RUN) tests.programs.specifications $(ARGS)

asyncapi: ## Check the AsyncAPI document with its reference parser (needs Node.js)
	@npm --prefix tests/programs/specifications/parser ci --ignore-scripts --no-audit --no-fund --silent
	@node tests/programs/specifications/parser/check.js eventing/schemas/asyncapi.yaml

types: ## Check the types of the page's modules, which their comments say, by TypeScript (needs Node.js)
	@npm --prefix tests/browser/types ci --ignore-scripts --no-audit --no-fund --silent
	@tests/browser/types/node_modules/.bin/tsc --project tests/browser/types

fuzz: .fuzz ## Search for bytes that break a decoder, with a fuzzer: make fuzz SECONDS=600
	@PYTHONPATH=functions $(RUN) tests.programs.fuzz $(SECONDS)

fuzz-http: .dev ## Search for calls that break the OpenAPI document, with schemathesis: make fuzz-http SECONDS=600
	@FUZZ_SECONDS=$(SECONDS) $(RUN) pytest -q tests/contract/test_openapi.py -k schemathesis $(ARGS)

workflows: ## Check the workflows of .github with actionlint (needs Go)
	@go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.8

lint: .dev ## Check style, types and the layers of imports
	@$(RUN) ruff check .
	@$(RUN) ruff format --check --quiet .
	@$(RUN) mypy functions knative helm tests
	@.venv/bin/lint-imports --no-cache | tail -n 4
	@.venv/bin/hadolint Dockerfile tests/cluster/hello/Dockerfile
	@.venv/bin/shellcheck .ci/run knative/platform/*.sh

format: .dev ## Format the code, and fix what ruff can fix
	@$(RUN) ruff check --fix-only --quiet .
	@$(RUN) ruff format --quiet .

lock: .dev ## Write the lock files anew from pyproject.toml
	@$(RUN) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml --extra dev -o tests/requirements.txt $(ARGS)
	@$(RUN) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml --extra demo -c tests/requirements.txt -o knative/local/requirements.txt
	@$(RUN) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--group fuzz -o tests/programs/fuzz/requirements.txt
	@$(RUN) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--group browser -c tests/requirements.txt -o tests/browser/requirements.txt
	@$(RUN) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--group bench -c tests/requirements.txt -o tests/programs/bench/requirements.txt
	@$(RUN) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml -c tests/requirements.txt -o functions/requirements.txt
	@for major in 1 2; do $(RUN) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--group mcp-$$major -o tests/programs/assistants/requirements-$$major.txt || exit 1; done
	@$(RUN) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml --extra telemetry -c tests/requirements.txt -o functions/requirements-telemetry.txt
	@$(RUN) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml --extra apprise -c tests/requirements.txt -o functions/requirements-apprise.txt
	@$(RUN) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml --extra redis -c tests/requirements.txt -o functions/requirements-redis.txt
	@$(RUN) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--group supply-chain -c tests/requirements.txt -o tests/programs/supply_chain/requirements.txt

sbom: .supply-chain ## Write the SBOM of the image, in CycloneDX: make sbom SBOM=FILE
	@mkdir -p $(dir $(SBOM))
	@$(RUN) cyclonedx_py requirements functions/requirements.txt --pyproject pyproject.toml \
		--mc-type application --output-reproducible --output-format JSON --output-file $(SBOM) 2>/dev/null
	@echo "$(SBOM)"

licences: .dev ## Check the licences of the packages in the image
	@$(RUN) tests.programs.supply_chain.licences

audit: .supply-chain ## Search every lock file for packages with known vulnerabilities (asks a service)
	@$(RUN) tests.programs.supply_chain.audit

secrets: ## Search the files and the git history for secrets (needs Go)
	@$(PYTHON) -m tests.programs.supply_chain.secrets

clean: ## Delete the virtual environment and the local database
	@rm -rf .venv .local

.PHONY: .demo .dev .supply-chain .fuzz .browser .bench
.demo:
	@$(PYTHON) knative/local/install.py demo
.dev:
	@$(PYTHON) knative/local/install.py dev
.supply-chain: .dev
	@$(PYTHON) knative/local/install.py supply-chain
.browser: .dev
	@$(PYTHON) knative/local/install.py browser
.fuzz: .dev
	@$(PYTHON) knative/local/install.py fuzz
.bench: .dev
	@$(PYTHON) knative/local/install.py bench
