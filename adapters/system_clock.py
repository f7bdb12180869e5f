"""The machine's clock."""

import time


class SystemClock:
    """The `Clock` of a running service."""

    def now(self) -> float:
        return time.time()
