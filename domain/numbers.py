"""Numbers as text: ids and places, which callers give back as the service wrote them."""

# What a 64-bit column can hold; written down it has MAX_DIGITS digits.
LARGEST = 2**63 - 1
MAX_DIGITS = 19


def read_number(text: str) -> int | None:
    """The number that `str` wrote as `text`, or None where it wrote no such thing.

    No sign, no leading zero, no other script, and at most MAX_DIGITS digits: it may still be more
    than LARGEST.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        return None
    number = int(text)
    return number if str(number) == text else None
