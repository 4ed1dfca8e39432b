# Everything that a person does twice. `make` alone lists the targets.
PYTHON ?= python3
PORT ?= 7860
# Another environment: `make test VENV=.venv-312 PYTHON=python3.12`. Names like .venv* are ignored by git.
VENV := .venv
BIN := $(VENV)/bin
# Processes that run the tests, each on one thread.
TEST_JOBS ?= 2
# pip shows its progress bars to a person and says little to a CI log.
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install $(if $(CI),--quiet)
# `make app CPU=1` installs PyTorch for processors alone, without the 4 GB of NVIDIA's libraries that pip takes on Linux.
PIP += $(if $(CPU),--extra-index-url https://download.pytorch.org/whl/cpu)

# Browser tests need some Chromium: the system's, or the one of `playwright install chromium`.
CHROMIUM ?= $(firstword $(shell command -v chromium || command -v chromium-browser || command -v google-chrome) \
	$(wildcard $(HOME)/.cache/ms-playwright/chromium-* $(HOME)/Library/Caches/ms-playwright/chromium-*))
# In CI they are never left out: without a browser they fail there.
BROWSER_FILTER := $(if $(or $(CI),$(CHROMIUM)),,-m "not browser")

.DEFAULT_GOAL := help
.PHONY: help install app test test-lowest bench load torture audit docs figures screenshots model wheel release clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(VENV)/.installed ## make the environment .venv and install Glimpse into it

app: install ## open the app on http://127.0.0.1:7860 (PORT=8000: another port; CPU=1: install PyTorch without CUDA)
	$(BIN)/vqa ui --host 127.0.0.1 --port $(PORT)

test: $(VENV)/.developed ## lint, check the types and run every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/oxlint --deny-warnings ui tests/ui
	@$(if $(BROWSER_FILTER),echo 'No Chromium found: the browser tests are left out.',:)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_JOBS) --dist worksteal $(BROWSER_FILTER) $(PYTEST_ARGS)

# The environment is apart, .venv-lowest. uv resolves only our direct dependencies; pip adds what they and the tests need.
LOWEST := .venv-lowest
test-lowest: ## run every test with the lowest versions that pyproject.toml allows
	@$(PYTHON) -m venv --clear $(LOWEST)
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(LOWEST)/bin/python -m pip install --quiet uv
	$(LOWEST)/bin/uv pip compile pyproject.toml --quiet --no-header --no-deps --resolution lowest-direct \
		--output-file $(LOWEST)/constraints.txt
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(LOWEST)/bin/python -m pip install --quiet \
		--constraint $(LOWEST)/constraints.txt --editable '.[train,tables,onnx,test]'
	$(LOWEST)/bin/python -m pytest $(BROWSER_FILTER) $(PYTEST_ARGS)

bench: $(VENV)/.developed ## measure speed on this machine
	$(BIN)/python -m tools.benchmark

load: $(VENV)/.developed ## let 64 clients ask the app at the same time, for a minute
	$(BIN)/python -m tools.load_test --clients 64 --seconds 60

torture: $(VENV)/.developed ## damage files, ask nonsense, call the app badly and kill runs (minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m tools.torture $(TORTURE_ARGS)

audit: $(VENV)/.developed ## search the code and the installed packages for known weaknesses (asks PyPI)
	@$(PIP) --quiet bandit pip-audit
	$(BIN)/bandit --quiet --recursive --severity-level medium --confidence-level medium --skip B610,B615,B704 vqa ui train tools
	$(BIN)/pip-audit --skip-editable

docs: $(VENV)/.developed ## build the documentation into site/ (open site/index.html)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

figures: $(VENV)/.developed ## write the measured figures into README.md and docs/figures.md
	$(BIN)/python -m tools.figures

screenshots: $(VENV)/.developed ## take the screenshots in assets/screenshots (requires Chromium)
	$(BIN)/python -m tools.screenshots

# What `make model` does, from data in ../shared/data, which is not part of the project: questions from boxes and captions;
# the grids of all photos by the image encoder of the model that was bundled before (revision PREVIOUS), also mirrored; two
# runs that go on from that model over these grids, and the mean of their weights (about 75 minutes on two CPU cores
# without bf16); from there a run that also trains the later stages of the image encoder, whose earlier ones are computed
# once (90 minutes); two runs over the grids of that encoder (60 minutes); a mean of weights, in which a run that is named
# four times counts four times, and from which yes is lowered for questions for presence; and the captioner that was
# bundled before, which learns to read the new grids (20 minutes), and then from the scores of its captions (30 minutes).
DATA := ../shared/data
PREVIOUS := 3fb8c86
SEEDS := 1 2
TRAIN = $(BIN)/python -m train.fit --config train/configs/$(1).yaml --output $(@D:/best=) \
	$(if $(wildcard $(@D:/best=)/last),--resume)
EXTRACT = $(BIN)/python -m train.extract_features --output $(@D) --images $(DATA)/coco/photos \
	$(if $(findstring mirrored,$@),--mirrored) --pretrained
AVERAGE = --teachers '[]' --average '[$(subst $(empty) $(empty),$(comma),$(filter runs/%,$(+:/results.json=)))]'
comma := ,
empty :=
model: runs/bundled/best/results.json runs/rewarded/best/results.json ## train the bundled model anew (hours; goes on where it was; -j2: two runs at once)

.PRECIOUS: runs/first%/best/results.json runs/mean/best/results.json runs/last%/best/results.json

runs/previous/config.json runs/previous-caption/config.json:
	@mkdir -p $(@D)
	git archive $(PREVIOUS) assets/$(if $(findstring caption,$@),caption,model) | tar -x -C $(@D) --strip-components 2
	@touch $@

runs/caption_questions.jsonl: | $(VENV)/.developed
	$(BIN)/python -m train.caption_questions --captions $(DATA)/coco/captions_train.jsonl --varied --output $@

runs/box_questions.jsonl: | $(VENV)/.developed
	$(BIN)/python -m train.box_questions --boxes $(DATA)/coco/boxes_train.jsonl --output $@

features/seen/.done features/seen-mirrored/.done: runs/previous/config.json
	$(EXTRACT) runs/previous
	@touch $@

features/stages/.done features/stages-mirrored/.done: runs/previous/config.json
	$(EXTRACT) runs/previous --stages 6 --bits 16
	@touch $@

runs/first%/best/results.json: features/seen/.done features/seen-mirrored/.done runs/caption_questions.jsonl \
		runs/box_questions.jsonl
	$(call TRAIN,coco) --seed $*

runs/mean/best/results.json: $(SEEDS:%=runs/first%/best/results.json)
	$(call TRAIN,coco) $(AVERAGE)

runs/boxes/best/results.json: runs/mean/best/results.json features/stages/.done features/stages-mirrored/.done
	$(call TRAIN,coco_boxes)

features/boxes/.done features/boxes-mirrored/.done: runs/boxes/best/results.json
	$(EXTRACT) runs/boxes/best
	@touch $@

runs/last%/best/results.json: features/boxes/.done features/boxes-mirrored/.done
	$(call TRAIN,coco_last) --seed $*

runs/bundled/best/results.json: $(foreach _,1 2 3 4,runs/boxes/best/results.json) $(SEEDS:%=runs/last%/best/results.json)
	$(call TRAIN,coco_last) $(AVERAGE) --optim.presence_offset 0.3

# A run of the captioner that goes on from another one.
CAPTION = $(BIN)/python -m train.caption --output $(@D:/best=) $(if $(wildcard $(@D:/best=)/last),--resume) \
	--model runs/boxes/best --average 0.998 \
	--captions $(DATA)/coco/captions_train.jsonl $(DATA)/flickr8k/captions_train.jsonl \
	--images $(DATA)/coco/photos $(DATA)/flickr8k/photos --features features/boxes features/boxes \
	--measure $(DATA)/flickr8k/captions_val.jsonl --measure-features features/boxes

runs/caption/best/results.json: runs/boxes/best/results.json runs/previous-caption/config.json
	$(CAPTION) --start runs/previous-caption --epochs 1 --batch 32 --rate 5e-4

runs/rewarded/best/results.json: runs/caption/best/results.json
	$(CAPTION) --start runs/caption/best --reward --epochs 2 --batch 16 --rate 2e-4

wheel: $(VENV)/.developed ## build dist/*.whl, bundled model included
	@test -f assets/model/model.safetensors || { echo 'assets/model is missing: a wheel without it cannot answer.'; exit 1; }
	$(BIN)/python -m build --wheel --no-isolation

release: $(VENV)/.developed ## build wheel and sdist for upload, check them, and try the wheel in an empty environment
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*
	@$(PYTHON) -m venv --clear .venv-release
	@PIP_DISABLE_PIP_VERSION_CHECK=1 .venv-release/bin/python -m pip install --quiet dist/*.whl \
		$(if $(CPU),--extra-index-url https://download.pytorch.org/whl/cpu)
	cd dist && ../.venv-release/bin/vqa ask ../ui/static/examples/chelsea.webp "what animal is this?"
	@echo 'Ready for upload: twine upload dist/*'

clean: ## remove caches
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .gradio *.egg-info
	find . -path './.venv*' -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove the environment and built wheels too
	rm -rf $(VENV) build dist site

# A half-made environment would pass for a whole one the next time.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Glimpse needs Python 3.11 or newer, and $(PYTHON) is none: name one, as PYTHON=python3.12'; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The stamps: installed again only when pyproject.toml has changed (the install is editable).
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo 'Installing Glimpse into $(VENV): PyTorch is large, the first time takes minutes.'
	@$(PIP) --editable .
	@touch $@

$(VENV)/.developed: pyproject.toml | $(BIN)/python
	@echo 'Installing Glimpse and its tools into $(VENV): PyTorch is large, the first time takes minutes.'
	@$(PIP) --editable '.[train,tables,onnx,docs,scale,test]'
	@$(PIP) --no-deps lmms-eval==0.7.3
	@touch $(VENV)/.installed $@
