"""`python -m entrypoints.simulated_esp`: the simulator without the rest of the service."""

import typer

from entrypoints.simulated_esp.command import simulate_esp

if __name__ == "__main__":
    typer.run(simulate_esp)
