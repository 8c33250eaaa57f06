# SPDX-License-Identifier: Apache-2.0
#
# Trivy v0.74.0 needs encoding/json/v2, which Go 1.26 has behind an experiment.
export GOEXPERIMENT := jsonv2
export GOTOOLCHAIN  ?= local

STATICCHECK := v0.8.2
ACTIONLINT  := v1.7.12

BIN  := bin/ocigate
DEMO := bin/demo

.PHONY: help build demo test lint bench profile clean

help: ## show the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

build: ## build bin/ocigate (the first time it takes about five minutes)
	@if [ ! -x $(BIN) ]; then echo "building ocigate: the first build compiles Trivy and takes about five minutes" >&2; fi
	@mkdir -p bin
	go build -ldflags='-s -w' -o $(BIN) ./cmd/ocigate

demo: build ## gate two example images, offline: one fails, one passes
	@./examples/demo/run.sh $(BIN) $(DEMO)

test: ## run the whole test suite
	go test -count=1 -timeout 30m ./...
	cd bench && go test -count=1 -timeout 30m ./...

lint: ## gofmt, go vet, staticcheck, actionlint, tidy modules
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these files" >&2; exit 1; }
	go vet ./...
	cd bench && go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK) ./...
	go run github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT) .github/workflows/*.yml examples/github-actions/*.yml
	go mod tidy -diff
	cd bench && go mod tidy -diff
	cd .github/release/roots && go vet . && go mod tidy -diff
	cd bench/trivy && go mod tidy -diff

bench: build ## measure ocigate beside the Trivy CLI of the same version, and beside cosign's
	cd bench && go run ./cmd/compare -ocigate ../$(BIN)
	.ci/cosign-clients
	cd bench && go run ./cmd/signatures -ocigate ../$(BIN)

profile: build ## say where the CPU goes in a cold scan of the large image
	cd bench && go run ./cmd/profile -ocigate ../$(BIN)

clean: ## remove what was built
	rm -rf bin
