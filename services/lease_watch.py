"""When it may be held of other workers that they are gone."""

from domain.ahead import is_ahead


class LeaseWatch:
    """Keeps a worker from taking over chunks after it could not renew its own leases in time.

    Where the database took nothing for a while, or the clock was put forward, nobody could: the
    others live, know what became of their requests, and renew their leases as soon as this one.
    Times are epoch seconds.
    """

    def __init__(self, *, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._renewed: float | None = None
        self._not_before = 0.0

    def renewed(self, at: float) -> None:
        if self._renewed is not None and at - self._renewed > self._lease_seconds:
            self._not_before = at + self._lease_seconds
        self._renewed = at

    def may_take_over(self, at: float) -> bool:
        return not is_ahead(self._not_before, now=at, longest=self._lease_seconds)
