# Vecmill. `make` lists the targets; `make demo` is the place to begin.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules --no-print-directory

GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BUILDFLAGS = -trimpath -ldflags '-s -w -X main.version=$(VERSION)$(if $(ICEBERG), $(ONEFLIGHT))'

# What is fetched or built for development lives in the user's cache, as in tools/fetch-*.sh.
export VECMILL_CACHE ?= $(if $(value XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/vecmill
GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(VECMILL_CACHE)/golangci-lint/$(GOLANGCI_VERSION)/golangci-lint
CYCLONEDX_VERSION := v1.10.0
CYCLONEDX := $(VECMILL_CACHE)/cyclonedx-gomod/$(CYCLONEDX_VERSION)/cyclonedx-gomod
GORELEASER_VERSION := v2.15.4
GORELEASER := $(VECMILL_CACHE)/goreleaser/$(GORELEASER_VERSION)/goreleaser
GOVULNCHECK_VERSION := v1.1.4
GOVULNCHECK := $(VECMILL_CACHE)/govulncheck/$(GOVULNCHECK_VERSION)/govulncheck
HELM_VERSION := v3.22.0
HELM := $(VECMILL_CACHE)/helm/$(HELM_VERSION)/helm
KUBECONFORM_VERSION := v0.8.0
KUBECONFORM := $(VECMILL_CACHE)/kubeconform/$(KUBECONFORM_VERSION)/kubeconform

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null || grep -h '^[a-z0-9-]*:.*## ' $(MAKEFILE_LIST)

## ---- build and run

.PHONY: ort
ort: ## fetch the pinned ONNX Runtime library into the user cache
	@tools/fetch-ort.sh

# make build ICEBERG=1 has Iceberg tables (docs/adr/20261128-iceberg.md).
ICEBERG ?=
ONEFLIGHT := -X google.golang.org/protobuf/reflect/protoregistry.conflictPolicy=ignore
ICEBERGFLAGS = $(if $(ICEBERG),-tags iceberg -modfile "$$(GO=$(GO) tools/iceberg-modfile.sh)")

.PHONY: build
build: ## build bin/worker and bin/backfill
	@mkdir -p bin
	$(GO) build $(BUILDFLAGS) $(ICEBERGFLAGS) -o bin/ ./cmd/worker ./cmd/backfill

STAY ?=
.PHONY: demo
demo: ort build ## run the whole line in one process on the bundled models and samples; with STAY=1 it goes on and serves the live page
	bin/worker demo$(if $(STAY), --stay)

.PHONY: clean
clean: ## remove what was built here; the user cache stays
	rm -rf bin demo-out dist

## ---- prove

.PHONY: test
test: ort ## run every test that needs no external service
	$(GO) test -timeout 15m ./...

# Where goroutines share something. With -short, tests play fewer seeds, and those of one goroutine that take long under the detector are left out. A test in internal/archtest finds what is missing here.
RACE ?= ./stream/... ./embed ./embed/embedtest ./embed/encoder ./embed/ortsession ./internal/audit ./internal/backfill/... ./internal/budget ./internal/demo ./internal/dlq ./internal/kafkaauth ./internal/pace ./internal/page ./internal/progress ./internal/publish ./internal/resident ./internal/status ./internal/telemetry ./internal/waiting ./internal/wire ./model ./model/hub ./sinks ./sinks/avrorow ./sinks/deliver ./sinks/feastsink ./sinks/flightsink ./sinks/jsonlsink ./sinks/kafkaletters ./sinks/kafkasink ./sinks/milvussink ./sinks/opensearchsink ./sinks/parquetsink ./sinks/pgvectorsink ./sinks/qdrantsink ./sinks/redissink ./sinks/s3store ./sinks/sinktest ./sinks/webhooksink

# These have many long tests of one goroutine, which computes numbers or plays a world again, and some in which several run.
RACESOME := ./embed/audio ./embed/image ./embed/image/turbojpeg ./embed/text ./internal/simulate ./sinks/icebergsink
RACETESTS := AtOnce|Concurrent|ManyGoroutines|DoNotDisturbEachOther|EverySeed|UnderCrashes|LosesARace

# Whole numbers as a processor with AVX2 and without VNNI computes them: on a newer one, whose CPUID is answered for it (flag cpuid_fault in /proc/cpuinfo), libraries choose the same kernels.
.PHONY: test-avx2
test-avx2: ort bin/hidecpu ## the tests of whole numbers with the kernels of processors with AVX2 alone; Linux on amd64, where CPUID can be made to fault
	VECMILL_AVX2=true $(GO) test -count=1 -exec "$(CURDIR)/bin/hidecpu" -run 'WholeNumbers|OtherPrecisions|DoNotCount' ./embed/golden

.PHONY: bin/hidecpu
bin/hidecpu:
	@mkdir -p bin
	$(GO) build -o bin/hidecpu ./tools/hidecpu

# What they print says nothing of how fast anything is.
.PHONY: docs-benches
docs-benches: ort ## every benchmark that a document or a target here names, once and as short as it goes: it runs to its end; those on servers are of docs-benches-servers
	$(GO) test -tags integration -count=1 -timeout 40m -run '^TestBenchmarksRun$$' ./docs

.PHONY: docs-benches-servers
docs-benches-servers: integration-deps ## the same of those on real servers, and beside decoders of Python; for the night
	@tools/fetch-decode-peers.sh >/dev/null
	$(GO) test -tags integration -count=1 -timeout 90m -run '^TestBenchmarksOnServersRun$$' ./docs

# pip takes what is there already.
.PHONY: docs-tools
docs-tools: ort build ## the commands in Python that documents name, on what is small, and a step of the bundled models' training; fetches torch, twice, and TensorFlow (16 GB, once)
	@python=$$(tools/exports/venv.sh); "$$python" -m pip install --quiet -r tools/golden/requirements.txt -r tools/demo-models/requirements.txt -r tools/exports/requirements-optimum.txt
	python=$$(tools/exports/venv.sh) && tensorflow=$$(tools/exports/venv.sh tf tools/golden/requirements-tf.txt) && lm=$$(tools/exports/venv.sh lm tools/golden/requirements-lm.txt) && \
	$(GO) test -tags integration -v -count=1 -timeout 60m -run '^TestToolsInPythonRun$$' ./docs -python "$$python" -tensorflow "$$tensorflow" -lm "$$lm"

.PHONY: race
race: ort ## the tests of the packages where goroutines share something, under the race detector; needs a C compiler
	$(GO) test -race -short -timeout 20m $(RACE)
	$(GO) test -race -short -timeout 15m -run '$(RACETESTS)' $(RACESOME)

# A night: make fuzz FUZZTIME=10m. FUZZBUDGET, such as 30m, bounds the whole, and each target gets its share if FUZZTIME is more.
FUZZTIME ?= 60s
FUZZBUDGET ?= 0

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (60s), two at a time; a failing input is printed and kept in testdata/fuzz
	GO=$(GO) tools/fuzz.sh $(FUZZTIME) $(FUZZBUDGET)

.PHONY: check
check: check-shell check-tidy check-nocgo check-arm64 vet lint check-generate ## vet, lint, format, generate-is-clean, tidy-is-clean

# Tools that are modules of their own: ./... does not reach them. They are vetted and formatted; golangci-lint looks through all that they depend on first, for minutes each.
MODULES := $(patsubst %/go.mod,%,$(wildcard tools/*/go.mod))

.PHONY: vet
vet: ## go vet, integration tests included
	$(GO) vet -tags integration,spark ./...
	$(GO) vet -tags integration,iceberg ./sinks/icebergcatalog ./internal/audit ./internal/wire ./integration/iceberg
	for m in $(MODULES); do $(GO) -C "$$m" vet ./...; done

.PHONY: lint
lint: $(GOLANGCI) ## golangci-lint and gofumpt as .golangci.yml says
	$(GOLANGCI) fmt --diff
	$(GOLANGCI) run
	$(GOLANGCI) run --build-tags integration,iceberg ./sinks/icebergcatalog ./internal/audit ./internal/wire ./integration/iceberg

.PHONY: fmt
fmt: $(GOLANGCI) ## format the Go files in place
	$(GOLANGCI) fmt

.PHONY: check-shell
check-shell: ## every shell script parses
	@git ls-files -co --exclude-standard '*.sh' .ci/run | xargs -n1 bash -n

.PHONY: check-tidy
check-tidy: ## go.mod and go.sum are what go mod tidy makes
	$(GO) mod tidy -diff
	for m in $(MODULES); do $(GO) -C "$$m" mod tidy -diff; done

.PHONY: check-nocgo
check-nocgo: ## everything builds without a C compiler
	CGO_ENABLED=0 $(GO) build -o /dev/null ./...

# The library that users import, and all that ships. What calls C takes a compiler for arm64.
CC_ARM64 ?= aarch64-linux-gnu-gcc

.PHONY: check-arm64
check-arm64: ## both programs and the library compile for arm64; embed/ortsession, which calls C, too, where CC_ARM64 (aarch64-linux-gnu-gcc) is there
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/... ./embed/... ./model/... ./schemas/...
	@if command -v $(CC_ARM64) >/dev/null; then set -x; GOOS=linux GOARCH=arm64 CGO_ENABLED=1 CC=$(CC_ARM64) $(GO) build -o /dev/null ./embed/ortsession; \
	elif [ "$${CI:-}" = true ]; then echo '$(CC_ARM64) not found: embed/ortsession was not compiled for arm64' >&2; exit 1; \
	else echo 'not done: embed/ortsession for arm64 needs $(CC_ARM64)'; fi

# The tree is compared before and after, so that uncommitted work elsewhere does not matter.
snapshot = git ls-files -co --exclude-standard -z | sort -z | xargs -0 -r sha256sum 2>/dev/null || true

.PHONY: check-generate
check-generate: ## make generate changes nothing
	@before=$$($(snapshot)); $(MAKE) generate; after=$$($(snapshot)); \
	diff <(printf '%s\n' "$$before") <(printf '%s\n' "$$after") || \
	{ echo 'generated files are stale: run make generate and commit the result' >&2; exit 1; }

.PHONY: generate
generate: ## write the generated files again
	$(GO) generate ./...

.PHONY: integration-deps
integration-deps: ort ## fetch the servers and readers of the integration tests into the user cache
	@tools/fetch-kafka.sh >/dev/null
	@tools/fetch-versitygw.sh >/dev/null
	@tools/fetch-readers.sh >/dev/null
	@tools/fetch-readers.sh integration/sinks >/dev/null
	@tools/fetch-readers.sh integration/producers >/dev/null
	@tools/fetch-readers.sh integration/feast >/dev/null
	@tools/fetch-opensearch.sh >/dev/null
	@tools/fetch-postgres.sh >/dev/null
	@tools/fetch-redisearch.sh >/dev/null
	@tools/fetch-debezium.sh >/dev/null
	@tools/fetch-iceberg.sh >/dev/null

.PHONY: integration
integration: integration-bench integration-servers ## test against a real Kafka, a real S3 server and real Parquet readers

.PHONY: integration-bench
integration-bench: integration-deps ## those of them that measure: gates of ratios, and plans' times; nothing else should compute meanwhile
	$(GO) test -tags integration -count=1 -timeout 20m -run '^Test(RatiosHold|GraphsHold|APlansTimeIsWhatItsRunTakes)$$' ./integration/bench

.PHONY: integration-servers
integration-servers: integration-deps ## the others, which wait for servers and clocks most of the time
	$(GO) test -tags integration -count=1 -p 1 -timeout 40m -skip '^Test(RatiosHold|GraphsHold|APlansTimeIsWhatItsRunTakes)$$' ./integration/...
	$(GO) test -tags integration,iceberg -trimpath -ldflags '$(ONEFLIGHT)' -modfile "$$(GO=$(GO) tools/iceberg-modfile.sh)" -count=1 -p 1 -timeout 30m ./sinks/icebergcatalog ./integration/iceberg
	$(GO) test -tags iceberg -trimpath -ldflags '$(ONEFLIGHT)' -modfile "$$(GO=$(GO) tools/iceberg-modfile.sh)" -count=1 -run Iceberg ./internal/wire

# What a night plays: make sim SEEDS=100000. FIRST is the first seed, SOURCE scripted or kafka.
SEEDS ?= 10000
FIRST ?= 0
SOURCE ?= scripted

.PHONY: sim
sim: build ## play SEEDS seeds of the whole worker in virtual time, some twice, and a fifth as many schedules of crashes of the outputs alone
	bin/worker simulate --seed $(FIRST) --seeds $(SEEDS) --source $(SOURCE)
	$(GO) test -count=1 -timeout 0 -run 'TestASeedRepeatsItself|TestTheOracleCatchesEveryMutant' ./internal/simulate -first $(FIRST) -replays $$(($(SEEDS) / 50)) -commands 20
	$(GO) test -count=1 -timeout 0 -run UnderCrashes ./sinks/parquetsink ./sinks/icebergsink -schedules $$(($(SEEDS) / 5))

.PHONY: scale
scale: ## a million references of 10,000 partitions in flight, in virtual time: memory and commits stay bounded; 3 GB and half a minute of CPU
	$(GO) test -v -count=1 -timeout 15m -run TestManyPartitionsAndReferencesInFlight ./stream -references 1000000

.PHONY: crash
crash: export VECMILL_CRASH_POINTS ?= 200
crash: export VECMILL_CRASH_ROUNDS ?= 3
crash: export VECMILL_CRASH_ACTS ?= 40
crash: integration-deps ## the long version of the kills, pauses, outages and bad wires against the real servers; half an hour
	$(GO) test -tags integration -count=1 -v -timeout 120m ./integration/crash/...

.PHONY: backfill
backfill: export VECMILL_BACKFILL_OBJECTS ?= 200000
backfill: export VECMILL_BACKFILL_TIMES ?= 10
backfill: export VECMILL_BACKFILL_KILLS ?= 20
backfill: integration-deps ## the long version of the backfill: 200,000 small objects on the real store, killed 20 times, and the other tests with kills with ten times their objects and 20 kills each
	$(GO) test -tags integration -count=1 -v -timeout 180m ./integration/backfill/...

.PHONY: soak
soak: export SOAK_MINUTES ?= 30
soak: integration-deps ## one worker under an adversarial mix for SOAK_MINUTES, with its memory watched
	$(GO) test -tags integration -count=1 -v -timeout 0 ./integration/soak/...

.PHONY: bench
bench: bench-pipeline bench-decode bench-sinks ## the pipeline beside the bare session, decoding beside Python's, and every output to its real server

.PHONY: bench-pipeline
bench-pipeline: ort ## pipeline items per CPU-second over the bare session's, for each modality
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./integration/bench

.PHONY: bench-profile
bench-profile: ort ## profiles of the pipeline bench, CPU, allocations and blocking, in bin/profile, and their heads
	@mkdir -p bin/profile
	$(GO) test -run '^$$' -bench '^Benchmark(Text|Audio|Images)$$' -benchtime 1x -timeout 30m -o bin/profile/bench.test -cpuprofile bin/profile/cpu.out -memprofile bin/profile/mem.out -blockprofile bin/profile/block.out ./integration/bench
	for kind in cpu mem block; do $(GO) tool pprof -top -nodecount 25 $$([ $$kind != mem ] || echo -sample_index=alloc_space) bin/profile/bench.test bin/profile/$$kind.out; done

.PHONY: bench-avx2
bench-avx2: ort bin/hidecpu ## whole numbers against fp32 with the kernels of processors with AVX2 alone; see make test-avx2
	$(GO) test -exec "$(CURDIR)/bin/hidecpu" -run '^$$' -bench Precision -benchtime 1x -timeout 30m ./integration/bench

.PHONY: bench-latency
bench-latency: ort ## single live items beside a backfill: offered load against p50 and p99, with a target of latency and without
	$(GO) test -run '^$$' -bench Latency -benchtime 1x -v -timeout 60m ./integration/bench

.PHONY: bench-memory
bench-memory: ort ## what batches make a session's arena hold, against what is predicted; each modality in a process of its own
	$(GO) test -run '^$$' -bench Memory/text -benchtime 1x -v -timeout 30m ./integration/bench
	$(GO) test -run '^$$' -bench Memory/audio -benchtime 1x -v -timeout 30m ./integration/bench
	$(GO) test -run '^$$' -bench Memory/images -benchtime 1x -v -timeout 30m ./integration/bench
	$(GO) test -run '^$$' -bench BytesOfRecordings -benchtime 1x -v -timeout 30m ./integration/bench

.PHONY: bench-backfill
bench-backfill: integration-deps ## listing of a bucket by ranges against minio-go's ListObjects: keys a second, on the real store and on an index in memory, with a time added to every request
	$(GO) test -tags integration -run '^$$' -bench Listing -benchtime 1x -count=3 -timeout 60m ./integration/backfill

.PHONY: bench-ledger
bench-ledger: ## what outputs have of 100 million objects, and of 100 million contents, is held in a process of less than 2 GB, each in one of its own; eight minutes
	$(GO) test -run '^$$' -bench '^BenchmarkSet$$' -benchtime 1x -timeout 60m ./internal/backfill/ledger -objects 100000000
	$(GO) test -run '^$$' -bench '^BenchmarkContents$$' -benchtime 1x -timeout 60m ./internal/backfill/ledger -objects 100000000

.PHONY: bench-sinks
bench-sinks: integration-deps ## rows of 768 numbers through each output to its real server, and by the server's own tool: rows and megabytes a second, and the worker's CPU time for a row
	$(GO) test -tags integration -run '^$$' -bench . -benchtime 1x -count=3 -timeout 30m ./integration/sinks ./integration/feast ./integration/postgres
	$(GO) test -tags integration,iceberg -trimpath -ldflags '$(ONEFLIGHT)' -modfile "$$(GO=$(GO) tools/iceberg-modfile.sh)" -run '^$$' -bench . -benchtime 1x -count=3 -timeout 30m ./integration/iceberg

.PHONY: bench-graphs
bench-graphs: ort ## our graphs against torch.onnx.export's of the same class: the ratio of their CPU time
	@GO=$(GO) tools/exports/bench.sh

.PHONY: export-structures
export-structures: ## what make integration compares our graphs with, anew: torch's exports of its small models, without their weights; fetches torch (7 GB, once)
	$(GO) test -tags integration -count=1 -run TestStructures ./integration/bench -structures "$$(tools/exports/venv.sh)"

.PHONY: bench-decode
bench-decode: ## recordings, pictures and tokens against soundfile and soxr, Pillow and tokenizers, side by side on one core; fetches these
	@tools/fetch-decode-peers.sh >/dev/null
	$(GO) test -run '^$$' -bench . -benchtime 1x -v -timeout 30m ./integration/bench/decode

# The peers need a Python with torch and packages beside it, both in the user cache.
peers = python=$$(tools/exports/venv.sh); packages=$$(PYTHON=$$python tools/fetch-readers.sh integration/bench/peers); \
	VECMILL_BENCH_PEERS=$$python PYTHONPATH=$$packages $(GO) test -run '^$$' -benchtime 1x -v -timeout 0 ./integration/bench -bench

.PHONY: bench-peers
bench-peers: ort ## the worker's CPU time against the same line in Python: onnxruntime, Bytewax, Daft, Ray Data, transformers and torch; fetches these (8 GB, once)
	$(peers) Peers

.PHONY: bench-backfill-peers
bench-backfill-peers: ort ## backfill from a bucket to Parquet against boto3 with onnxruntime or transformers, and Ray Data: CPU time and memory; fetches these
	$(peers) Backfill

PROVIDER ?= cuda

.PHONY: gpu-check
gpu-check: ## every reference case, bare sessions and the worker on a GPU, with a report in gpu-check.md; without a GPU it says so and fails, PROVIDER=cpu is a dry run
	GO=$(GO) tools/gpu-check.sh --provider $(PROVIDER)

.PHONY: bench-compile
bench-compile: ## compiling a checkpoint of base size, as a share of reading its file twice
	$(GO) test -run '^$$' -bench Compile -benchtime 10x ./model

## ---- make what is committed

.PHONY: demo-models
demo-models: ## train the bundled models again (see docs/demo-models.md)
	tools/demo-models/train.sh

.PHONY: helm-check
helm-check: $(HELM) $(KUBECONFORM) build ## lint the chart, and hold what it renders against the real types and schemas of Kubernetes, KEDA and the Prometheus operator
	HELM=$(HELM) KUBECONFORM=$(KUBECONFORM) GO=$(GO) tools/helm-check.sh

LICENCES ?= docs/licences.md

.PHONY: licences
licences: ## write docs/licences.md, the licences of what is linked; fails where one may not be
	cd tools/licences && $(GO) run . -dir ../.. >../../$(LICENCES)

.PHONY: licences-check
licences-check: ## no licence of what is linked is one that may not be, and make licences changes nothing
	$(GO) -C tools/licences test .
	@mkdir -p bin
	@$(MAKE) licences LICENCES=bin/licences.md
	@diff docs/licences.md bin/licences.md || { echo 'docs/licences.md is stale: run make licences and commit the result' >&2; exit 1; }

.PHONY: licence-texts
licence-texts: ## write the texts of these licences, and of what is bundled, to bin/licences, for images and archives; of builds with ICEBERG=1 if that is given
	@rm -rf bin/licences
	cd tools/licences && $(GO) run . -dir ../.. -texts ../../bin/licences$(if $(ICEBERG), -iceberg)

.PHONY: sbom
sbom: $(CYCLONEDX) ## write the bills of materials of both programs, for CPUs and with CUDA, without Iceberg tables and with them, CycloneDX in bin/
	CYCLONEDX=$(CYCLONEDX) GO=$(GO) tools/sbom.sh

.PHONY: sbom-check
sbom-check: $(CYCLONEDX) ## what the bills of materials list is what docs/licences.md lists
	CYCLONEDX=$(CYCLONEDX) GO=$(GO) tools/sbom.sh --check

.PHONY: vulnerabilities
vulnerabilities: $(GOVULNCHECK) ## known vulnerabilities in what is called, by builds with Iceberg tables, too; needs the network, for the database of vulnerabilities
	GOVULNCHECK=$(GOVULNCHECK) tools/vulnerabilities.sh

.PHONY: vulnerabilities-check
vulnerabilities-check: $(GOVULNCHECK) ## a database that is not reached is no clean bill, and builds with Iceberg tables are looked at, too
	@said=$$(GOVULNDB= GOVULNCHECK=echo tools/vulnerabilities.sh); [ "$$said" = '-tags iceberg ./...' ] || { echo "tools/vulnerabilities.sh has $$said looked at" >&2; exit 1; }
	@rc=0; said=$$(GOVULNDB=file:///nowhere GOVULNCHECK=$(GOVULNCHECK) tools/vulnerabilities.sh ./schemas 2>&1) || rc=$$?; \
	[ "$$rc" -eq 4 ] && grep -qF 'the database file:///nowhere was not reached, so nothing was checked' <<<"$$said" || \
		{ printf '%s\n' "$$said" "tools/vulnerabilities.sh ended with $$rc without a database, wanted 4 and a sentence that says so" >&2; exit 1; }

.PHONY: spark-check
spark-check: ## Spark reads our Parquet files without being told their columns; fetches Spark (470 MB)
	@tools/fetch-readers.sh integration/spark >/dev/null
	$(GO) test -tags integration,spark -count=1 -timeout 15m ./integration/spark

.PHONY: compose-check
compose-check: ## deploy/compose.yaml against the Compose Specification; no engine is needed
	cd tools/composecheck && $(GO) run . ../../deploy/compose.yaml

.PHONY: image-check
image-check: ## lint the Dockerfiles; versions of the distribution's packages, as digests of base images, are the builder's to pin (DL3008)
	@packages=$$(tools/fetch-readers.sh tools/imagecheck); "$$packages/bin/hadolint" --ignore DL3008 --failure-threshold warning deploy/Dockerfile deploy/Dockerfile.cuda

.PHONY: image-steps
image-steps: ## take the steps of deploy/Dockerfile in chroots, without an engine, and run what comes out as its user on a read-only root; needs root, buildah and mmdebstrap
	GO=$(GO) tools/image-steps.sh deploy/Dockerfile

.PHONY: image-steps-mutants
image-steps-mutants: ## image-steps, and that it notices a Dockerfile that is wrong
	GO=$(GO) tools/image-steps.sh --mutants deploy/Dockerfile

.PHONY: image-steps-cuda
image-steps-cuda: ## the same for deploy/Dockerfile.cuda: 1.9 GB of wheels and 20 GB of room
	GO=$(GO) tools/image-steps.sh deploy/Dockerfile.cuda

.PHONY: release-check
release-check: $(GORELEASER) ## .goreleaser.yaml is one that goreleaser takes
	@work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; cp .goreleaser.yaml "$$work"; cd "$$work"; \
	git init --quiet; git remote add origin https://example.org/vecmill/vecmill.git; $(GORELEASER) check

.PHONY: reproducible
reproducible: ## build HEAD twice, in two places with empty caches, and compare the bytes; takes minutes
	GO=$(GO) tools/reproducible.sh

.PHONY: reproducible-check
reproducible-check: ## the same for what is ours: dependencies come from the build cache, our packages are compiled anew in another place
	GO=$(GO) tools/reproducible.sh --ours

.PHONY: alerts-check
alerts-check: ## the alerts of deploy/prometheus against their tests, and the dashboard's expressions, by promtool, which is taken out of Debian's package if it is not there
	promtool=$$(tools/fetch-promtool.sh); "$$promtool" check rules deploy/prometheus/alerts.yaml; "$$promtool" test rules deploy/prometheus/alerts_test.yaml; PROMTOOL=$$promtool tools/dashboard-check.sh deploy/grafana/vecmill.json

.PHONY: deploy-check
deploy-check: helm-check compose-check image-check alerts-check licences-check sbom-check release-check vulnerabilities-check ## everything in helm/ and deploy/ that can be checked without an engine and a cluster

# golangci-lint takes about 100 s of CPU to build, once.
$(GOLANGCI):
	@mkdir -p $(@D)
	GOFLAGS=-buildvcs=false GOBIN=$(@D) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

$(CYCLONEDX):
	@mkdir -p $(@D)
	GOFLAGS=-buildvcs=false GOBIN=$(@D) $(GO) install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)

$(GORELEASER):
	@mkdir -p $(@D)
	GOFLAGS=-buildvcs=false GOBIN=$(@D) $(GO) install github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION)

$(GOVULNCHECK):
	@mkdir -p $(@D)
	GOFLAGS=-buildvcs=false GOBIN=$(@D) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

$(HELM):
	@mkdir -p $(@D)
	GOFLAGS=-buildvcs=false GOBIN=$(@D) $(GO) install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

$(KUBECONFORM):
	@mkdir -p $(@D)
	GOFLAGS=-buildvcs=false GOBIN=$(@D) $(GO) install github.com/yannh/kubeconform/cmd/kubeconform@$(KUBECONFORM_VERSION)
