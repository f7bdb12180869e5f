"""Times to come, by a clock that may be put back."""

# What a clock is corrected by without anybody calling it put back, in seconds.
_SLACK = 1.0


def furthest(now: float, longest: float) -> float:
    """The latest time that a wait of at most `longest` seconds can have been set to end at."""
    return now + longest + _SLACK


def is_ahead(until: float, *, now: float, longest: float) -> bool:
    """Whether a wait until then, which was never longer than `longest` seconds, still goes on.

    What lies further ahead was set before the clock was put back, and counts as over: else all that
    waits would stand still for as long as the clock had been ahead.
    """
    return now < until <= furthest(now, longest)
