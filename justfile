# What one does with this project. `./justw` makes the environment that this runs in; `./justw --list` lists it all.

set positional-arguments

export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

# List the recipes
default:
    @just --list --unsorted

# Start broker, controller and agent on this machine; takes what `osapi start` takes
start *arguments:
    @osapi start "$@"

# Run the tests; takes what pytest takes
test *arguments:
    pytest "$@"

# Run every check that a change must pass
check: lint types imports sizes docs-check test

# Check style and format
lint:
    ruff check
    ruff format --check

# Put style and format right where that can be done by itself
fix:
    ruff check --fix
    ruff format

# Check types
types:
    mypy

# Check who imports whom
imports:
    lint-imports

# Check that modules and functions are small
sizes:
    python tests/sizes.py

# Write the reference pages anew
docs:
    python docs/generate.py

# Check that the reference pages are those of the declarations
docs-check:
    python docs/generate.py --check

# Measure; takes what the benchmark takes
bench *arguments:
    python bench/run.py "$@"

# Write requirements.lock anew from pyproject.toml; `just lock --upgrade` takes newer versions
lock *arguments:
    uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --quiet --output-file requirements.lock "$@"

# Make a release's section of CHANGELOG.md of the fragments in changelog/
changelog version:
    towncrier build --version "$1"
