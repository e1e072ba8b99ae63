PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
POINTS ?= 50

.PHONY: install demo test torture check format quality clean

install: $(VENV)/.installed

$(VENV)/.installed: setup.py constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/nightrounds demo --folder $(DEMO)

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# What is killed, nights at once, and planted values through all models; long, on a machine that
# does nothing else.
HALF := $(shell expr \( $(POINTS) + 1 \) / 2)
TENTH := $(shell expr \( $(POINTS) + 9 \) / 10)
torture: install
	rm -rf torture && mkdir torture
	printf '%s\n' \
	  'pytest -q tests/privacy/test_planted.py' \
	  'tests.torture.kill torture/night-1 --seed 1 --points $(HALF) && @ tests.torture.together torture/night-1' \
	  'tests.torture.kill torture/night-2 --seed 2 --points $(HALF) && @ tests.torture.kill_train torture/night-2 --points $(TENTH)' \
	  'tests.torture.kill_ingest torture/ingest --points $(HALF)' \
	  'tests.torture.kill_ingest torture/store --points $(TENTH) --pairs 3 --object-store' \
	  | sed 's:@:$(BIN)/python -m:' | NIGHTROUNDS_PLANTED_MODELS=all xargs -P 2 -I{} sh -c '$(BIN)/python -m {}'

# One training in two and in four processes, one of them killed.
.PHONY: distributed
distributed: install
	NIGHTROUNDS_TRAINING_WORKERS='2 4' $(BIN)/python -m pytest -q tests/pipelines/test_distributed.py

# A released Flink, and Beam's job server for it: what the tests on a cluster need beside Java and Maven.
FLINK := build/flink
FLINK_VERSION := 1.19.3
.PHONY: flink-artefacts flink
flink-artefacts: $(FLINK)/.fetched

# The verbs on a cluster over FLINK_INPUTS (`--fhir P… --dicom P…`); without them a simulated hospital.
flink: flink-artefacts
	rm -rf $(FLINK)/run && $(BIN)/python -m tests.flink.run $(FLINK)/run $(FLINK_INPUTS)

$(FLINK)/.fetched: tests/flink/pom.xml | install
	rm -rf $(FLINK) && mkdir -p $(FLINK)
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest $(FLINK) \
	  apache-flink-libraries==$(FLINK_VERSION)
	tar xzf $(FLINK)/apache-flink-libraries-$(FLINK_VERSION).tar.gz -C $(FLINK)
	mv $(FLINK)/apache-flink-libraries-$(FLINK_VERSION)/deps $(FLINK)/cluster
	rm -r $(FLINK)/apache-flink-libraries-$(FLINK_VERSION)*
	mvn --batch-mode --quiet --file tests/flink/pom.xml -Ddirectory=$(abspath $(FLINK))/beam package
	touch $@

# The server of the tests on an object store and a shared catalog; Debian's package, as root.
.PHONY: postgresql
postgresql:
	ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || command -v initdb > /dev/null || \
	  { apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends postgresql; }

# The public sets, one folder for each model: see docs/QUALITY.md.
quality: install
	@test -d "$(QUALITY_DATA)" || { echo "give QUALITY_DATA=FOLDER, the folder of the public sets"; exit 2; }
	$(BIN)/python -m bench.quality $(QUALITY_DATA)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker/compose.yaml
	$(BIN)/check-jsonschema --quiet --schemafile docker/dataflow/metadata.schema.json docker/dataflow/metadata.json
	$(BIN)/kubernetes-validate --quiet --strict --kubernetes-version 1.33.0 docker/kubernetes/nightly-cronjob.yaml
	@if command -v hadolint; then hadolint docker/Dockerfile; else echo "hadolint: skipped, not on the path"; fi
	$(BIN)/python -m bench.dependencies licences
	$(BIN)/python -m bench.dependencies audit

# The Dockerfile's own steps without a container engine: root, debootstrap, some minutes.
.PHONY: docker-verify
docker-verify: install
	mkdir -p build && rm -rf build/docker && PYTHON=$(BIN)/python docker/verify.sh build/docker

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(DEMO) torture build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Long runs of the readers on damaged input. FUZZ_FHIR and FUZZ_DICOM: folders of files to begin with.
FUZZ_SECONDS ?= 600
.PHONY: fuzz
fuzz: install
	@test -d "$(FUZZ_FHIR)" -a -d "$(FUZZ_DICOM)" || { echo "give FUZZ_FHIR=FOLDER FUZZ_DICOM=FOLDER"; exit 2; }
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,fuzz]'
	for run in fhir_json:$(FUZZ_FHIR) fhir_lines:$(FUZZ_FHIR) dicom_header:$(FUZZ_DICOM) dicom_pixels:$(FUZZ_DICOM); do \
	  target=$${run%%:*}; corpus=$${run#*:}; for mode in guided blind; do \
	    $(BIN)/python -m tests.fuzz.run $$target --mode $$mode --corpus $$corpus \
	      --folder build/fuzz/$$target-$$mode --seconds $(FUZZ_SECONDS) || exit 1; \
	    corpus=build/fuzz/$$target-guided/corpus; done; done
