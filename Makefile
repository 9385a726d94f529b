# Two commands to begin with: `make demo` and `make test`. Each makes the virtual environment it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_ROWS ?= 400000
DEMO_CONFIG := samples/configs/dbmtl_on_livestream.config
DEMO_DIR := model_dir/demo
JOBS ?= 2
GOLDEN ?= tests/data/easyrec_golden
MARK := not slow
PYTEST := $(BIN)/python -m pytest -n $(JOBS)
DEMO := --pipeline_config $(DEMO_CONFIG) --set model_dir=$(DEMO_DIR)

.PHONY: help setup demo merlin test test-slow test-all test-cost zoo accuracy bench old-tensorflow paper parity faults fuzz mutate lint format proto docs docs-site wheel clean

help:  ## Show the targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(BIN)/.installed  ## Make the virtual environment and install the package with its tools.

$(BIN)/.installed: setup.py pyproject.toml $(wildcard protos/*.proto)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else "easymtl needs Python 3.10 to 3.13, this is %d.%d; name another: make PYTHON=python3.12 ..." % v)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: setup  ## Make data, train, evaluate, export and score: the whole way, in a few minutes.
	@rm -rf $(DEMO_DIR)
	$(BIN)/easymtl synth livestream --rows $(DEMO_ROWS)
	$(BIN)/easymtl check $(DEMO)
	$(BIN)/easymtl train $(DEMO)
	$(BIN)/easymtl eval $(DEMO)
	$(BIN)/easymtl export $(DEMO)
	$(BIN)/easymtl predict $(DEMO) --input samples/data/livestream/eval.parquet \
	  --output $(DEMO_DIR)/scores.parquet --keep user_id,anchor_id
	@echo
	@echo 'What there is now:'
	@echo '  samples/data/livestream/       training and evaluation data, with the true probabilities'
	@echo '  $(DEMO_DIR)/checkpoints/   the trained model; eval_result.json beside it has its metrics'
	@echo '  $(DEMO_DIR)/export/final/  a SavedModel for a model server, checked against the checkpoint'
	@echo '  $(DEMO_DIR)/scores.parquet the scores of the evaluation rows'
	@echo 'What to try next:'
	@echo '  $(BIN)/easymtl report $(DEMO_DIR)   (writes report.html: curves, plots, segments)'
	@echo '  $(BIN)/easymtl board $(DEMO_DIR)   (TensorBoard)'
	@echo '  $(BIN)/easymtl check --network --pipeline_config $(DEMO_CONFIG)'
	@echo '  $(BIN)/easymtl train $(DEMO) --set data_config.num_epochs=4   (goes on from here)'
	@echo '  docs/config.md, and the other configs in samples/configs/'

merlin: setup  ## Run docs/guides/from-merlin.md: Merlin's multi-task notebook, as configs, in a few minutes.
	PATH="$(abspath $(BIN)):$$PATH" sh samples/merlin.sh

test: setup  ## Run the tests that are not slow; JOBS=4 runs four at a time, here and below.
	$(PYTEST) -m '$(MARK)'
	@[ '$(MARK)' != 'not slow' ] || echo 'Left out were the tests marked slow: make test-slow runs those, make test-all everything.'

test-slow: setup  ## Run the tests that `make test` leaves out.
	$(PYTEST) -m slow

test-all: setup  ## Run all tests.
	$(PYTEST)

test-cost: setup  ## Run all tests, and tell their processor time, the dearest files, and those with the largest processes.
	$(BIN)/python -m benchmarks.cost $(PYTEST)

zoo: setup  ## Train, export and reload every sample config, and tell what none of them uses; CONFIGS= names some.
	$(BIN)/python -m benchmarks.zoo $(CONFIGS)

accuracy: setup  ## Train sample configs and hold their metrics against benchmarks/expected.json; CONFIGS= names some.
	$(BIN)/python -m benchmarks.accuracy $(CONFIGS)

bench: setup  ## Measure speed beside the processor's limit and other libraries (20 minutes); ARGS= passes options.
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks.speed --peers .peers $(ARGS)
	$(BIN)/python -m benchmarks.plot

old-tensorflow: setup  ## Load and score exports in TensorFlow 2.12, 2.16 and 2.18, which are installed below build/; ARGS= passes options.
	$(BIN)/python -m benchmarks.old_tensorflow $(ARGS)

paper: setup  ## The MMoE paper's experiment in its short form: 3 seeds, fewer rows, an upper bound on the errors.
	@rm -f model_dir/mmoe_paper.csv
	$(BIN)/python -m benchmarks.mmoe_paper --seeds 3 --rows 20000 --rates 0.01 --cosines 0.5 1 --at_most 0.1 \
	  --results model_dir/mmoe_paper.csv

parity: setup  ## Hold every golden case against EasyRec's own numbers; GOLDEN=DIR names other cases.
	$(BIN)/python -m tests.parity $(GOLDEN)

faults: setup  ## Break trainings and exports in 400 ways and tell what is lost (hours; goes on where it stopped): ARGS="--kinds kill_file --share 0.1" (docs/faults.md).
	$(BIN)/python tests/faults/run.py $(ARGS)

fuzz: setup  ## Fuzz what reads untrusted bytes, a minute each; needs the extra "fuzz": ARGS="--target csv --minutes 10" (docs/security.md).
	$(BIN)/python -m tests.fuzz $(ARGS)

mutate: setup  ## Put small faults into the package and tell which of them no test notices (30 minutes); ARGS= passes other options.
	$(BIN)/python -m tests.mutation $(or $(ARGS),--minutes 30)

lint: setup  ## Check style, types and that the generated documents are current (docs/errors.md is checked by tests).
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m easymtl.config.reference --out docs/config.md --check
	$(BIN)/python -m easymtl.config.coverage --out docs/easyrec_fields.md --check
	$(BIN)/python -m easymtl.data.type_table --out docs/guides/data.md --check

format: setup  ## Put the code into the common format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: setup  ## Compile protos/*.proto into easymtl/protos.
	$(BIN)/python setup.py --quiet build_protos

docs: setup  ## Write what is generated: fields from the protos, errors.md from what the commands say.
	$(BIN)/python -m easymtl.config.reference --out docs/config.md
	$(BIN)/python -m easymtl.config.coverage --out docs/easyrec_fields.md
	$(BIN)/python -m tests.errors.document --out docs/errors.md
	$(BIN)/python -m easymtl.data.type_table --out docs/guides/data.md

docs-site: setup  ## Build the documentation as a site below site/; a link that leads nowhere fails.
	$(BIN)/python -m mkdocs build --strict --quiet

wheel: setup  ## Build the source distribution and the wheel below dist/, look into them, and try the wheel where there is no compiler.
	$(BIN)/python -m tests.shipping.wheel

clean:  ## Remove what the other targets made, the virtual environment included.
	rm -rf $(VENV) build dist site *.egg-info model_dir samples/data/livestream easymtl/protos/*_pb2.py easymtl/protos/*_pb2.pyi
