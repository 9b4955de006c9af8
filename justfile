# Lists the recipes.
default:
    @just --list

# Starts a daemon, for example `just serve --stream-dialect ndjson`
[group('run')]
serve *ARGS:
    cargo run --release --bin boxd -- serve {{ARGS}}

# Runs all tests
[group('check')]
test *ARGS:
    cargo test {{ARGS}}

# Replays the fixtures whose names contain NAME, all without it
[group('check')]
replay NAME='':
    cargo test --test replay -- {{NAME}}

# Prints which operations and statuses of the API the fixtures reach, for example `just coverage --require`
[group('check')]
coverage *ARGS:
    cargo run -q -p boxd-harness -- coverage {{ARGS}}

# Writes the snapshots of the fixtures whose names contain NAME anew; read the difference before you commit it
[group('check')]
accept NAME:
    INSTA_UPDATE=always cargo test --test replay -- {{NAME}}
    git diff --stat -- snapshots

# Runs each case against a boxd of its own, and one behind a script; holds the runs to every profile; the pages are in target/clean
[group('check')]
conformance:
    harness/clean/run
    harness/clean/run_restarted

# Holds the fixtures to their JSON Schema as editors do
[group('check')]
schema:
    harness/schema/run

# Formats the code, then checks it for what clippy and rustdoc find
[group('check')]
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# Makes the static binary and what uses it (target/package), and checks that it runs where nothing else is
[group('run')]
package:
    packaging/build
    packaging/test

# Holds the packaged binary to the cases about limits under control groups of version 2, in a virtual machine (needs a Debian's apt)
[group('check')]
cgroup2:
    packaging/build
    cargo build -p boxd-harness
    packaging/test-cgroup2

# Runs the official SDKs against boxd
[group('check')]
sdk:
    cargo build --bin boxd && harness/sdk/run

# Sends boxd requests that nobody would send, for example `just fuzz --seed 7 --time 600`
[group('check')]
fuzz *ARGS:
    cargo build && target/debug/boxd-harness fuzz --bin target/debug/boxd --out target/fuzz {{ARGS}}

# Asks boxd what schemathesis makes of its OpenAPI document
[group('check')]
schemathesis:
    cargo build --bin boxd && harness/schemathesis/run
# Reads boxd's SSE streams with parsers that others wrote, and compares what they see
[group('check')]
sse:
    cargo build --workspace && harness/sse/run

# Looks at the terminal's page in a headless Chromium; screenshots are in target/terminal
[group('check')]
terminal:
    cargo build --bin boxd && harness/terminal/run

# Does what CI does
[group('check')]
ci:
    CI=true .ci/run

# Prints the table of figures: how fast and how small, beside what the machine does without a daemon
[group('measure')]
bench *ARGS:
    cargo build --release --workspace && ./target/release/boxd-harness bench {{ARGS}}

# Breaks a daemon on purpose, many times, and prints what was lost, for example `just faults --long --only worker`
[group('measure')]
faults *ARGS:
    cargo build --bin boxd && cargo build --release --workspace && ./target/release/boxd-harness faults {{ARGS}}
