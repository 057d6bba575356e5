# Recipes for working on agentpr. `just` alone lists them.

# List the recipes
default:
    @just --list

# Format, lint and check the house rules: what to run before a commit
check: fmt lint tidy

# Format the code, imports included
fmt:
    cargo xfmt

# Exactly what CI demands of the code (see .ci/run)
lint:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings

# Check the house rules: layers, purity, file sizes, documents
tidy:
    cargo test --test tidy

# Run every test
test:
    cargo test

# Run every test with nextest, and go on after a failure
test-fast:
    cargo nextest run --no-fail-fast

# Install the real agents for the tests, under target/agents
agents:
    .ci/agents/install

# Run the whole of CI
ci:
    .ci/run

# Do the main job for real on an embedded default
demo:
    cargo run --release -- demo

# The same at a GitHub of its own on loopback
demo-github:
    cargo build --release
    target/release/agentpr demo --forge fake-github

# Check licences, sources and advisories of the crates (needs cargo-deny)
deny:
    cargo deny check

# Build the documentation of the library
doc:
    cargo doc --no-deps --open

# Build what is shipped
dist:
    cargo build --profile dist --locked
