"""Runs every benchmark: `make bench`."""

from tests.benchmarks import accept, render

if __name__ == "__main__":
    render.main()
    accept.main()
