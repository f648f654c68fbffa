# SPDX-License-Identifier: Apache-2.0
.DEFAULT_GOAL := help
.PHONY: help setup build web run demo test test-debian test-kubernetes test-cluster test-runtimes test-page test-chart test-faults test-attack test-replicas soak-replicas test-valgrind soak coverage fuzz docs site release release-again images test-images test-arm64 lint-chart lint-workflows bench lint format clean

help: ## this list
	@echo 'Pulltrace: every container image pull, live. Targets:'
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-22s %s\n", $$1, $$2 }'

setup: ## install from Debian 12 or 13 what is missing for all of this (up to 5 min; 1 s when nothing is)
	@scripts/setup test

web: ## build the page into web/dist when its sources changed (1 min)
	@scripts/build-web

build: ## set up, build the page, build/pulltrace-agent and build/pulltrace-server (3 min at first)
	@scripts/setup build
	@scripts/build

run: ## agent and server on this machine's containerd, until Ctrl-C; needs root
	@scripts/setup build
	@scripts/run --check
	@scripts/build
	@scripts/run

demo: ## one command: a private containerd and registry, pulls in a loop, live page, until Ctrl-C; REPLICAS=3; needs root
	@scripts/setup demo
	@scripts/fetch-tools
	@scripts/build
	@REPLICAS=$(REPLICAS) /usr/bin/python3 -m lab.demo

test: ## the tests that have no target of their own, with sanitizers; the last line is 'N passed, N failed' (10 min); needs root
	@scripts/setup test
	@scripts/test $(SUITES)

test-debian: ## what the README says in a bare Debian made by debootstrap: RELEASE=12 or 13 (30 min); needs root
	@scripts/test-debian $(or $(RELEASE),13)

test-kubernetes: ## the server against a real kube-apiserver with etcd (10 min at first); needs Go
	@scripts/setup test
	@scripts/test-kubernetes

test-cluster: ## a real Kubernetes of one node, kubelet and all (15 min, 10 more at first); needs root, Go
	@scripts/setup test
	@scripts/test-cluster

test-runtimes: ## on real snapshotters, containerds, slow and odd registries (15 min, 10 more at first; LONG=1: half-hour pulls); needs root, Go
	@scripts/setup test
	@scripts/test-runtimes $(if $(LONG),--long)

test-page: ## every state of the page at five sizes, dark and light, by axe; Firefox on real pulls (8 min); needs root
	@scripts/setup page
	@scripts/test page

test-faults: ## 50 seeded rounds of kills, bad links, full disk, clock jumps; FAULT_SEED=N repeats one (25 min); needs root, Go
	@scripts/setup test
	@scripts/test-faults

test-attack: ## crowds: 5,000 half-open of each kind, slow readers, 100,000 nodes and pods (6 min); needs root
	@scripts/setup test
	@scripts/test-attack

test-replicas: ## three servers on one Valkey, killed, stopped, cut off under load: nothing lost or doubled (5 min); SHARE_SERVER=valkey; needs root
	@scripts/setup test
	@scripts/test-replicas

soak-replicas: ## the same with 5,000 nodes and 300 readers (15 min); NODES= and READERS= for fewer; needs root
	@scripts/setup test
	@scripts/test-replicas --long

soak: ## an hour of mixed load: what is held and what it costs stays as it is; SOAK_MINUTES=5 for less; needs root
	@scripts/setup test
	@scripts/soak

docs: ## the docs site in dist/site, strict and without any other host (30 s, 3 min at first); needs npm, PyPI
	@scripts/setup docs
	@scripts/build
	@scripts/docs

site: ## dist/pages: the docs and the Helm repository, as one site, after make docs; CHARTS=FOLDER has older charts; needs Go
	@scripts/site $(CHARTS)

release: ## every file of a release in dist/release, from a clean tree: VERSION=0.1.0 (6 min); needs root, npm, PyPI, Go
	@scripts/release "$(VERSION)"

release-again: ## the same once more from a clone elsewhere: the same bits, after make release VERSION=0.1.0 (8 min)
	@scripts/release "$(VERSION)" --again

images: ## container images of both programs for amd64 and arm64 in dist/, without an engine (3 min); needs root
	@scripts/images

test-images: ## what dist/ holds, and that it runs (10 s), after make images; needs root
	@/usr/bin/python3 -m unittest -v tests.images.test_images

test-arm64: ## the arm64 images on an emulated arm64 machine (3 min), after make images; needs root
	@scripts/setup test
	@scripts/test-arm64

test-valgrind: ## agent and server under Valgrind while one class of integration tests runs (5 min); needs root
	@scripts/setup test
	@scripts/test-valgrind

coverage: ## which lines the tests reach, by folder, and whether 90 % are (5 min); needs root
	@scripts/setup test
	@scripts/coverage

fuzz: ## libFuzzer on every parser of foreign bytes, 10 CPU minutes each, 5 h in all (FUZZ_SECONDS=)
	@scripts/setup test
	@scripts/fuzz --seconds $(or $(FUZZ_SECONDS),600)

lint-chart: ## the Helm chart without a cluster: helm, unit tests, schemas, alerts (15 s, 5 min at first); needs Go
	@scripts/setup test
	@scripts/lint-chart

test-chart: ## the Helm chart installed in a real Kubernetes with a network of pods (8 min, 20 more at first); needs root, Go
	@scripts/setup test
	@scripts/test-chart

lint-workflows: ## GitHub's workflows: actionlint, zizmor, pinned actions (1 s, 1 min at first); needs PyPI, Go
	@scripts/setup docs
	@scripts/lint-workflows

bench: build ## figures for docs/performance.md (20 min or more, 11 of them the agent's); needs root
	@scripts/setup test
	@scripts/fetch-tools
	@scripts/bench

lint: ## compilers' warnings as errors, formatting, static analysis of all code (10 min)
	@scripts/setup test
	@scripts/lint

format: ## format the C sources in place (10 s)
	@find src tests \( -name '*.c' -o -name '*.h' \) -exec clang-format -i {} +

clean: ## remove what was built (.tools/ and web/node_modules/ stay)
	rm -rf build build-* web/dist dist
