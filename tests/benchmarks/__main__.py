"""Runs every benchmark: `make bench`."""

from tests.benchmarks import render

if __name__ == "__main__":
    render.main()
