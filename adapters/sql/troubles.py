"""Why a database takes nothing, in words of our own: a driver's may hold what was to be stored."""

from collections.abc import Mapping

from sqlalchemy.exc import DBAPIError

LOCKED = "another process holds its write lock"

# By the beginning of SQLite's name of an error, or of an SQLSTATE.
_WORDS: Mapping[str, str] = {
    "SQLITE_FULL": "its disk is full",
    "SQLITE_BUSY": LOCKED,
    "SQLITE_LOCKED": LOCKED,
    "SQLITE_READONLY": "it may only be read",
    "SQLITE_CANTOPEN": "its file cannot be opened",
    # A quota or a limit of the process is told so as well.
    "SQLITE_IOERR": "its disk is full, at a limit, or fails",
    "53100": "its disk is full",
    "55P03": LOCKED,
    "25006": "it may only be read",
}


def trouble_of(error: DBAPIError) -> str:
    """Continues "the database cannot be reached or written: "."""
    code = _code(error)
    words = (said for begin, said in _WORDS.items() if code.startswith(begin))
    return next(words, "it does not answer as it should")


def is_locked(error: DBAPIError) -> bool:
    return trouble_of(error) == LOCKED


def _code(error: DBAPIError) -> str:
    names = ("sqlite_errorname", "sqlstate", "pgcode")
    return next((code for name in names if (code := getattr(error.orig, name, None))), "")
