"""What HTTP lets stand in a header, for all that writes, checks or sends one."""

import re

# They describe the connection and the body's length, and the transport makes them: another value
# breaks both.
CONNECTION_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection"})

# What servers take in a header line before they answer 431.
MAX_VALUE_CHARACTERS = 8192

# RFC 9110, 5.6.2: a token.
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]")
# RFC 9110 lets bytes above 0x7F pass but does not say what they mean: one ESP reads Latin-1 and
# another UTF-8. A name that arrives mangled is worse than a message that says why it stayed.
_NOT_IN_VALUE = re.compile(r"[^\t\x20-\x7e]")


def is_name(text: str) -> bool:
    return text != "" and _NOT_IN_NAME.search(text) is None


def unsafe_character(text: str) -> str | None:
    """The first character of `text` that the value of a header cannot carry."""
    unsafe = _NOT_IN_VALUE.search(text)
    return None if unsafe is None else unsafe[0]
