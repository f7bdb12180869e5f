"""A real HTTP server that plays an ESP, for the demo, the tests and staging.

It takes a campaign's requests in whatever shape they have, goes wrong as it is told to, posts
callbacks back, and counts. In a test:

    async with SimulatedEsp(EspSettings(), Behaviour()) as esp:
        ...  # send to esp.url
        assert esp.counts()["messages"]["accepted"] == 1
"""

from importlib import import_module
from typing import TYPE_CHECKING

from entrypoints.simulated_esp.behaviour import Behaviour, BehaviourError, Callbacks, Faults, Span
from entrypoints.simulated_esp.settings import EspSettings

if TYPE_CHECKING:
    from entrypoints.simulated_esp.server import SimulatedEsp
    from entrypoints.simulated_esp.sink import Sink
else:
    # Whoever only wants to know the flags, as the Tab key does, should not wait for aiohttp.
    _SERVERS = {"SimulatedEsp": "server", "Sink": "sink"}

    def __getattr__(name: str) -> type:
        if name not in _SERVERS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_SERVERS[name]}"), name)


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
