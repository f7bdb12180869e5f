"""A real HTTP server that plays an ESP, for the demo, the tests and staging.

It takes a campaign's requests in whatever shape they have, goes wrong as it is told to, posts
callbacks back, and counts. In a test:

    async with SimulatedEsp(EspSettings(), Behaviour()) as esp:
        ...  # send to esp.url
        assert esp.counts()["messages"]["accepted"] == 1
"""

from entrypoints.simulated_esp.behaviour import Behaviour, BehaviourError, Callbacks, Faults, Span
from entrypoints.simulated_esp.server import SimulatedEsp
from entrypoints.simulated_esp.settings import EspSettings
from entrypoints.simulated_esp.sink import Sink

__all__ = [
    "Behaviour",
    "BehaviourError",
    "Callbacks",
    "EspSettings",
    "Faults",
    "SimulatedEsp",
    "Sink",
    "Span",
]
