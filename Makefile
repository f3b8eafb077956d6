# make demo and make test need Go, git and make, and nothing else.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS  = -s -w -X main.version=$(VERSION)
# The race detector needs cgo, and cgo a C compiler. It leaves alone what computes and starts nothing: SQLite, which was C and takes
# three times as long under it, and those who read pictures and sheets.
PLAIN    = modernc.org/sqlite/lib modernc.org/libc github.com/makiuchi-d/gozxing/... github.com/xuri/...
RACE     = $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race $(PLAIN:%=-gcflags=%=-race=false))
FUZZTIME ?= 10s

.PHONY: build demo test e2e check bench fuzz faults soak cross clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o . ./cmd/gated ./cmd/gated-demo

# A gate at work, until Ctrl-C; its page and metrics on loopback, everything in ./demo-state.
demo: build
	./gated-demo --scenes

# What takes longest comes first, so that nothing runs on alone at the end.
test:
	@test -n "$(RACE)" || echo "make test: no C compiler, so without the race detector: apt install gcc"
	$(GO) test $(RACE) -vet=off -timeout 25m ./ledger ./cmd/gated ./...

# What takes long because it opens a browser again and again: each look of the page, in each language and screen size.
e2e:
	E2E=all $(GO) test $(RACE) -count=1 -timeout 25m -run '^TestLooks$$' ./console

check:
	@out=$$(gofmt -l .); test -z "$$out" || { echo "gofmt would change:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# The last step prints one table, with goals and peers; BENCH_DIR names the disk, BENCH_ENTRIES the size (docs/performance.md).
bench:
	$(GO) test -run '^$$' -bench . -benchtime 1s ./credential/... ./scanner ./policy ./roster
	$(GO) test -run '^$$' -bench '^BenchmarkIdle$$' -benchtime 1x ./cmd/gated
	cd bench && $(GO) run .

# Every fuzz test for FUZZTIME, one after the other. Go's fuzzer at times takes the end of its own time for a failure, so
# each gets a second run: an input that really fails lies in testdata by then, and fails again.
fuzz:
	@set -e; for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$f"; \
			run="$(GO) test -run ^$$ -fuzz ^$$f$$ -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg"; $$run || $$run; \
		done; \
	done

# What a disk can do to the ledger: kill -9, power cuts, and every call to the disk failing in every way (as root, with
# strace; half an hour). And whatever else make test tries a sample of.
SAMPLED = ^Test(Crash|Fault|Kill|NoByte|CloseLoses|Rebuilding|TheStateAfter|TheRegisterIs|ALargeErasure|ThePython|Tessera|EverySwitching|ALedgerIsRead|Shipped|StatedNever|ColouredRows|Pictures)
faults:
	FAULTS=all $(GO) test $(RACE) -count=1 -v -timeout 3h -run '$(SAMPLED)' ./...
	$(GO) test -count=1 ./scanner/qr # which tries a sample under the race detector

# A gate under full load whose hardware fails all the time, for SOAK; then its ledger is verified, whatever came before.
SOAK ?= 10m
soak: build
	rm -rf gated-soak
	played=0; ./gated-demo --dir gated-soak --faults --fast --for $(SOAK) || played=$$?; \
		./gated ledger verify --state gated-soak && exit $$played

cross:
	@mkdir -p dist
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64         $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/gated-linux-amd64 ./cmd/gated
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64         $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/gated-linux-arm64 ./cmd/gated
	CGO_ENABLED=0 GOOS=linux GOARCH=arm   GOARM=7 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/gated-linux-armv7 ./cmd/gated
	@ls -l dist

clean:
	rm -rf gated gated-demo dist demo-state gated-soak
