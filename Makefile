# Two commands matter: `make demo` and `make test`. Both make .venv first if it is absent.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo demo-synthetic test test-all check format bench bench-ingest bench-extract \
	eval-ingest eval-views bench-encode ablation eval-compact eval-distillation bench-export \
	eval-robustness eval-generation bench-generate bench-page fuzz clean

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
	@$(BIN)/python -m pytest -m "not long" -n 2 --dist loadfile

test-all: check ## check, then every test, the long ones too
	@$(BIN)/python -m pytest

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
	@$(BIN)/python tests/bench/bench_encode.py --home .stillhouse

ablation: $(READY) ## what the distiller's parts are worth: each rung in equal minutes (about 70)
	@$(BIN)/python tests/bench/ablation.py

eval-compact: $(READY) ## bytes of one code for all cameras beside codes of each and video encoders
	@$(BIN)/python tests/bench/eval_compact.py --home .stillhouse

eval-distillation: $(READY) ## manifolds, students, annealing, coresets: each beside its peers (hours)
	@$(BIN)/python tests/bench/eval_manifold.py --home .stillhouse
	@$(BIN)/python tests/bench/eval_digits.py
	@$(BIN)/python tests/bench/eval_student.py
	@$(BIN)/python tests/bench/eval_annealing.py --home .stillhouse
	@$(BIN)/python tests/bench/eval_coreset.py --home .stillhouse

eval-generation: $(READY) ## new video beside its baselines, session by session (an hour)
	@$(BIN)/python tests/bench/eval_superresolution.py --home .stillhouse
	@$(BIN)/python tests/bench/eval_editing.py --assets .stillhouse/assets --home .stillhouse
	@$(BIN)/python tests/bench/eval_synthesis.py --home .stillhouse
	@$(BIN)/python tests/bench/eval_style.py --home .stillhouse
	@$(BIN)/python tests/bench/eval_actions.py --home .stillhouse
	@$(BIN)/python tests/bench/eval_search.py --home .stillhouse --joint

bench-generate: $(READY) ## milliseconds a frame, stages beside each other, workers, memory; searching
	@$(BIN)/python tests/bench/bench_generate.py
	@$(BIN)/python tests/bench/bench_search.py

bench-page: $(READY) ## the page over a million clips at 20 requests a second
	@$(BIN)/python tests/bench/bench_page.py

bench-export: $(READY) ## exported models: milliseconds, size, what int8 loses, beside the teacher
	@$(BIN)/python tests/bench/bench_export.py --home .stillhouse

eval-robustness: $(READY) ## what damage costs the demo's newest models: the core set (about 10)
	@$(BIN)/stillhouse --home .stillhouse evaluate --model super-resolution --robustness core
	@$(BIN)/stillhouse --home .stillhouse evaluate --model distiller --robustness core

fuzz: $(READY) ## damage small recordings in hundreds of ways, hold every outcome against the law
	@$(BIN)/python tests/fuzz/fuzz_scan.py --count 560

clean: ## remove the demo's home and caches, keep .venv
	rm -rf .stillhouse .stillhouse-synthetic .stillhouse-ablation .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
