"""Email addresses: when two are the same, and which ones no ESP could send to.

Both functions run once per recipient of campaigns of millions: the common address, plain ASCII,
costs one method call for its key and one regular expression for its check.
"""

import re
import unicodedata

import idna

# RFC 5321, 4.5.3.1: octets of a local part; and of a path, less its angle brackets.
MAX_LOCAL_BYTES = 64
MAX_BYTES = 254

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The last label starts with a letter (or is an A-label, which does too): 10.0.0.1 is no domain.
_DOMAIN = rf"(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])"

_COMMON = re.compile(
    rf"(?=.{{1,{MAX_BYTES}}}\Z)(?=[^@]{{1,{MAX_LOCAL_BYTES}}}@){_ATEXT}+(?:\.{_ATEXT}+)*@{_DOMAIN}"
)
_DOMAIN_ALONE = re.compile(_DOMAIN)
_QUOTED_LOCAL = re.compile(r'"(?:[^"\\]|\\.)+"')
_ATEXT_OR_WIDE = r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]|[^\x00-\x7f])"
_DOTTED_LOCAL = re.compile(rf"{_ATEXT_OR_WIDE}+(?:\.{_ATEXT_OR_WIDE}+)*")
# Controls, lone surrogates, and format characters: byte order marks and zero-width spaces that come
# along when an address is copied. Joiners are format characters that some scripts need.
_INVISIBLE = frozenset({"Cc", "Cs", "Cf"})
_JOINERS = "\u200c\u200d"
_WITH_NAME = re.compile(r"<[^<>]+@[^<>]+>")


def address_key(address: str) -> str:
    """What two spellings of one address have in common; keys are compared, never sent to.

    The local part in lower case (by the book case matters there; to no ESP it does), the domain
    in lower-case IDNA. A domain that IDNA refuses is only lowered.
    """
    if address.isascii():
        return address.lower()
    local, at, domain = address.rpartition("@")
    # Composed and decomposed accents look the same and are typed by different keyboards.
    return unicodedata.normalize("NFC", local.lower()) + at + _ascii_domain(domain)


def fault(address: str) -> str | None:
    """Why nothing can be sent to `address`, as the end of a sentence; None where it can.

    This is syntax alone, and a little stricter than RFC 5321: a domain needs a dot, and an IP
    address in brackets is refused, since ESPs deliver to neither.
    """
    if _COMMON.fullmatch(address):
        return None
    local, at, domain = address.rpartition("@")
    if not at:
        return "has no @"
    return _fault_of_whole(address) or _fault_of_local(local) or _fault_of_domain(domain)


def _fault_of_whole(address: str) -> str | None:
    if any(
        unicodedata.category(character) in _INVISIBLE
        for character in address
        if character not in _JOINERS
    ):
        return "holds a line break, a control character or an invisible one; type it anew"
    if len(address.encode()) > MAX_BYTES:
        return f"is longer than {MAX_BYTES} bytes"
    if _WITH_NAME.search(address):
        return "has a name or < and > around it"
    return None


def _fault_of_local(local: str) -> str | None:
    if not local:
        return "has nothing before the @"
    if len(local.encode()) > MAX_LOCAL_BYTES:
        return f"has more than {MAX_LOCAL_BYTES} bytes before the @"
    if _QUOTED_LOCAL.fullmatch(local):
        return None
    if any(character.isspace() for character in local):
        return "has a space before the @"
    if "@" in local:
        return "has more than one @"
    if not _DOTTED_LOCAL.fullmatch(local):
        return "has a dot or a character before the @ that may only stand there in double quotes"
    return None


def _fault_of_domain(domain: str) -> str | None:
    if not domain:
        return "has nothing after the @"
    if any(character.isspace() for character in domain):
        return "has a space after the @"
    if domain.startswith("["):
        return "has an IP address for a domain; ESPs deliver to domain names only"
    name = _ascii_domain(domain)
    if "." not in name:
        return "has a domain without a dot"
    if not _DOMAIN_ALONE.fullmatch(name):
        return "has a domain that is no valid name"
    return None


def _ascii_domain(domain: str) -> str:
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return unicodedata.normalize("NFC", domain.lower())
