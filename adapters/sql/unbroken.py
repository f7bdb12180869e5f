"""A connection whose calls to the driver are never broken off half way.

A cancelled task (a client that hung up, a deadline that passed) stops waiting at once, but the
driver's thread goes on. SQLAlchemy then gives the connection up as unusable, and on SQLite its
write lock stays until the garbage collector finds it. Here the call is waited out first, and the
cancellation raised after it: the transaction is rolled back in order.
"""

import asyncio
import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from services.waiting import wait_out

Method = TypeVar("Method", bound=Callable[..., Any])


def _unbroken(method: Method) -> Method:
    @functools.wraps(method)
    async def whole(*args: Any, **kwargs: Any) -> Any:
        return await wait_out(method(*args, **kwargs))

    return cast("Method", whole)


class UnbrokenConnection(AsyncConnection):
    """For use as `async with UnbrokenConnection(engine) as connection`."""

    execute = _unbroken(AsyncConnection.execute)
    exec_driver_sql = _unbroken(AsyncConnection.exec_driver_sql)
    run_sync = _unbroken(AsyncConnection.run_sync)
    commit = _unbroken(AsyncConnection.commit)
    rollback = _unbroken(AsyncConnection.rollback)

    async def start(self, is_ctxmanager: bool = False) -> "UnbrokenConnection":
        try:
            await wait_out(super().start(is_ctxmanager))
        except asyncio.CancelledError:
            # The caller never gets it, and so could not close it.
            await self.close()
            raise
        return self
