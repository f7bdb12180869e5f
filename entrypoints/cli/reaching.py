"""Waiting for a service that is just starting, as where a script starts it beside this command."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc
import typer

PATIENCE: Final = 10.0
"""Seconds until it must listen: `espalier serve` takes two, on a busy machine several more."""

# Seconds after which it is said what is waited for, since the address may be mistyped.
_SILENCE: Final = 1.0


async def reach(channel: grpc.aio.Channel, address: str, patience: float) -> None:
    """Wait until the service listens, at most `patience` seconds.

    A service that stays away is no error here: the call that follows fails at once, and says why.
    """
    if await _listens(channel, min(_SILENCE, patience)) or patience <= _SILENCE:
        return
    _tell(address, patience)
    await _listens(channel, patience - _SILENCE)


def reach_blocking(channel: grpc.Channel, address: str, patience: float) -> None:
    """Do what `reach` does, for gRPC's synchronous client."""
    ready = grpc.channel_ready_future(channel)
    try:
        if _comes(ready, min(_SILENCE, patience)) or patience <= _SILENCE:
            return
        _tell(address, patience)
        _comes(ready, patience - _SILENCE)
    finally:
        ready.cancel()


async def _listens(channel: grpc.aio.Channel, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            await channel.channel_ready()
    except TimeoutError:
        return False
    return True


def _comes(ready: grpc.Future[Any], within: float) -> bool:
    try:
        ready.result(timeout=within)
    except grpc.FutureTimeoutError:
        return False
    return True


def _tell(address: str, patience: float) -> None:
    typer.echo(
        f"Nobody listens at {address} yet. Trying for {patience:g} s, in case it is just starting.",
        err=True,
    )
