"""How long an ESP asks to be left alone, where that stands elsewhere than in Retry-After."""

import re

from domain.answer_mapping import WaitUnit
from domain.retry import MAX_RETRY_AFTER_SECONDS, retry_after

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
# RFC 5322 and HTTP, at the end of a sentence: `… after Mon, 20 Dec 2021 20:33:21 UTC`.
_DATE = re.compile(
    r"(?:[A-Z][a-z]{2,8},? )?[0-9]{1,2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(?: (?:[A-Z]{1,5}|[+-][0-9]{4}))?(?=[\s.!)\"]*\Z)",
    re.ASCII,
)
# The end of a text, in which a date has room with what may stand behind it.
_TAIL = 80
# No number of seconds is longer that means anything.
_LONGEST_NUMBER = 32


def hinted_seconds(value: object, unit: WaitUnit, *, now: float) -> float | None:
    """Seconds from `now` (epoch seconds) that `value` asks for, bounded as Retry-After is.

    None for what asks for nothing: no value, nonsense, a negative number, a time that has passed.
    """
    if unit is WaitUnit.DATE:
        return _until_date(value, now)
    number = _number(value)
    if number is None:
        return None
    seconds = number if unit is WaitUnit.SECONDS else number - now
    return min(seconds, MAX_RETRY_AFTER_SECONDS) if seconds >= 0 else None


def _until_date(value: object, now: float) -> float | None:
    if not isinstance(value, str):
        return None
    found = _DATE.search(value[-_TAIL:])
    return None if found is None else retry_after(found[0], now=now)


def _number(value: object) -> float | None:
    """JSON's true is no number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER:
        return None
    text = value.strip()
    return float(text) if _NUMBER.fullmatch(text) else None
