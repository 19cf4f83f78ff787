# Two commands matter: `make demo` and `make test`. Both make .venv first if it is absent.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

# What is measured over a home: the demo's, or one with more footage and a distiller of its own.
EVAL_HOME ?= .stillhouse
EVAL_DISTILLER ?= models:/distiller@champion

.DEFAULT_GOAL := help
.PHONY: help install demo demo-synthetic test test-all test-services check format bench bench-ingest bench-extract \
	eval-ingest eval-views bench-encode ablation eval-compact eval-distillation bench-export \
	eval-robustness eval-generation bench-generate bench-page bench-planner bench-services audit sbom fuzz docs clean

help: ## show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Stillhouse needs Python 3.11 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (about 2 minutes, 2.7 GB) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	@touch $(READY)

install: $(READY) ## make .venv and install the exact tested set

demo: $(READY) ## from real footage to a promoted model and new video
	@$(BIN)/stillhouse demo

demo-synthetic: $(READY) ## the same road over a generated archive with known truth
	@$(BIN)/stillhouse --home .stillhouse-synthetic demo --synthetic

check: $(READY) ## lint, format, types, the arrow between the rooms
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache

test: check ## check, then the tests (minutes)
	@$(BIN)/python -m pytest -m "not long and not services" -n 2 --dist loadfile

test-all: check ## check, then every test, the long ones too
	@$(BIN)/python -m pytest -m "not services"

test-services: $(READY) ## the road over Postgres, Prefect, MLflow, S3, two Ray nodes; the page in a browser
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[dev,services,browser]' -c constraints.txt
	@$(BIN)/python -m pytest -m services -n 2 --dist loadfile tests/services tests/flows/page

format: $(READY) ## put the code into the house format
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

bench: $(READY) ## measured ratios: decoding against ffmpeg, the road's busy share, start-up, memory
	@$(BIN)/python tests/bench/bench_decode.py
	@$(BIN)/python tests/bench/bench_road.py

bench-ingest: $(READY) ## the sampling job beside PyAV, Ray Data, Daft, ffmpeg; hashing; listings
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[bench]' -c constraints.txt
	@$(BIN)/python tests/bench/bench_ingest.py
	@$(BIN)/python tests/bench/bench_listing.py

bench-extract: $(READY) ## extraction: CPU by stage, scaling, memory, storage, windows, look-ups
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[bench]' -c constraints.txt
	@$(BIN)/python tests/bench/bench_extract.py
	@$(BIN)/python tests/bench/bench_lookup.py

eval-ingest: $(READY) ## how well shots, clocks and duplicates are found, beside their peers
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[bench]' -c constraints.txt
	@$(BIN)/python tests/bench/eval_shots.py
	@$(BIN)/python tests/bench/eval_sync.py
	@$(BIN)/python tests/bench/eval_duplicates.py

eval-views: $(READY) ## how right flow, outlines, joints, tracks and depth are, beside plain peers
	@$(BIN)/python tests/bench/eval_flow.py
	@$(BIN)/python tests/bench/eval_pose.py
	@$(BIN)/python tests/bench/eval_depth.py

bench-encode: $(READY) ## encoding in Ray beside the bare loop, over the demo's home
	@$(BIN)/python tests/bench/bench_encode.py --home $(EVAL_HOME)

ablation: $(READY) ## what the distiller's parts are worth: each rung in equal minutes (about 70)
	@$(BIN)/python tests/bench/ablation.py

eval-compact: $(READY) ## bytes of one code for all cameras beside codes of each and video encoders
	@$(BIN)/python tests/bench/eval_compact.py --home $(EVAL_HOME)

eval-distillation: $(READY) ## manifolds, students, annealing, coresets: each beside its peers (hours)
	@$(BIN)/python tests/bench/eval_manifold.py --home $(EVAL_HOME)
	@$(BIN)/python tests/bench/eval_digits.py
	@$(BIN)/python tests/bench/eval_student.py --home $(EVAL_HOME)
	@$(BIN)/python tests/bench/eval_annealing.py --home $(EVAL_HOME) --model $(EVAL_DISTILLER) --seeds 0
	@$(BIN)/python tests/bench/eval_coreset.py --home $(EVAL_HOME) --model $(EVAL_DISTILLER)

eval-generation: $(READY) ## new video beside its baselines, session by session (half an hour)
	@$(BIN)/python tests/bench/eval_superresolution.py --home $(EVAL_HOME)
	@$(BIN)/python tests/bench/eval_editing.py --assets $(EVAL_HOME)/assets --home $(EVAL_HOME)
	@$(BIN)/python tests/bench/eval_synthesis.py --home $(EVAL_HOME)
	@$(BIN)/python tests/bench/eval_style.py --home $(EVAL_HOME)
	@$(BIN)/python tests/bench/eval_actions.py --home $(EVAL_HOME)
	@$(BIN)/python tests/bench/eval_search.py --home $(EVAL_HOME) --joint

bench-generate: $(READY) ## milliseconds a frame, stages beside each other, workers, memory; searching
	@$(BIN)/python tests/bench/bench_generate.py
	@$(BIN)/python tests/bench/bench_search.py

bench-page: $(READY) ## the page over a million clips at 20 requests a second
	@$(BIN)/python tests/bench/bench_page.py

bench-planner: $(READY) ## the plan of a reindex of ten million clips (4 minutes, 2 GB of disk)
	@$(BIN)/python tests/bench/bench_planner.py

bench-services: $(READY) ## a Prefect server of its own: deploying everything, starting flows
	@$(BIN)/python tests/bench/bench_services.py

# Tools in an environment of their own: what they need must not change what they look at.
AUDIT := .venv-audit
$(AUDIT)/.installed:
	@$(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/pip install -qq --disable-pip-version-check 'pip-audit>=2.10,<3' 'cyclonedx-bom>=7,<8'
	@touch $@

audit: $(READY) $(AUDIT)/.installed ## licences of what runs, and its known vulnerabilities (online)
	@$(BIN)/python tests/audit/licences.py
	@$(AUDIT)/bin/pip-audit -r constraints.txt --no-deps --disable-pip --progress-spinner off

sbom: $(READY) $(AUDIT)/.installed ## what is installed, as CycloneDX JSON: sbom.json (half a minute)
	@$(AUDIT)/bin/cyclonedx-py environment --of JSON -o sbom.json $(BIN)/python

bench-export: $(READY) ## exported models: milliseconds, size, what int8 loses, beside the teacher
	@$(BIN)/python tests/bench/bench_export.py --home $(EVAL_HOME)

eval-robustness: $(READY) ## what damage costs the demo's newest models: the core set (about 10)
	@$(BIN)/stillhouse --home $(EVAL_HOME) evaluate --model super-resolution --robustness core
	@$(BIN)/stillhouse --home $(EVAL_HOME) evaluate --model distiller --robustness core

docs: $(READY) ## the documentation as a site, build/docs/site; every link and anchor checked
	@$(BIN)/python docs/build.py

fuzz: $(READY) ## damage small recordings in hundreds of ways, hold every outcome against the law
	@$(BIN)/python tests/fuzz/fuzz_scan.py --count 560

clean: ## remove the demo's home and caches, keep .venv
	rm -rf .stillhouse .stillhouse-synthetic .stillhouse-ablation .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
