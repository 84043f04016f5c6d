# What one does with this project. `./justw` makes the environment that this runs in; `./justw --list` lists it all.

set positional-arguments

# List the recipes
default:
    @.venv/bin/just --list --unsorted

# Start broker, controller and agent on this machine; takes what `osapi start` takes
start *arguments:
    @exec .venv/bin/osapi start "$@"

# Run the tests; takes what pytest takes
test *arguments:
    @exec .venv/bin/pytest "$@"

# Run the system tests, on hosts that are booted for it; as root, takes what pytest takes
system *arguments:
    @exec .venv/bin/pytest tests/system "$@"

# Run every check that a change must pass
check: lint types imports sizes docs-check test

# Check style and format
lint:
    .venv/bin/ruff check
    .venv/bin/ruff format --check

# Put style and format right where that can be done by itself
fix:
    .venv/bin/ruff check --fix
    .venv/bin/ruff format

# Check types
types:
    .venv/bin/mypy

# Check who imports whom
imports:
    .venv/bin/lint-imports

# Check that modules and functions are small
sizes:
    .venv/bin/python tests/sizes.py

# Write the reference pages anew
docs:
    .venv/bin/python docs/generate.py

# Check that the reference pages are those of the declarations
docs-check:
    .venv/bin/python docs/generate.py --check

# Measure; `--short` for the form that takes a minute
bench *arguments:
    @exec .venv/bin/python bench/run.py "$@"

# Write requirements.lock anew from pyproject.toml; `just lock --upgrade` takes newer versions
lock *arguments:
    .venv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --quiet --output-file requirements.lock "$@"

# Make a package for Debian in dist/; takes what `python -m osapi.install.deb` takes
deb *arguments:
    @exec .venv/bin/python -m osapi.install.deb "$@"

# Make a release's section of CHANGELOG.md of the fragments in changelog/
changelog version:
    .venv/bin/towncrier build --version "$1"
