"""What the template of a provider may ask of a value beyond the value: `$$To.mailbox`, `$$x.json`.

Content (subjects, HTML) knows nothing of it: there `.json` is text like any other.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

import orjson

from domain.replacements import SYSTEM_NAMES, Part, Placeholder

# Who can have a display name; copies have none, and come out as bare addresses.
_MAILBOXES = frozenset({"To", "FromAddress", "ReplyToAddress", "cc", "bcc"})
# The recipient's display name. No custom name has a dot, so that it is nobody else's.
TO_NAME = "To.name"

_FORM = r"(?:\.(mailbox|name|text|json|base64|urlencode)(?![A-Za-z0-9_]))?"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PLACEHOLDER = re.compile(rf"\$\$(?:secret\.({_NAME})|({_NAME})){_FORM}")
# RFC 5322, 3.2.3: what an atom is made of, with RFC 6532's characters beyond ASCII, and blanks.
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ \x80-\U0010ffff-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]+")


class Formed(NamedTuple):
    """A value in another form, made of parts of which some are still open.

    `label` are the parts of the display name; only a mailbox has one.
    """

    form: str
    base: "tuple[Open | str, ...]"
    label: "tuple[Open | str, ...]" = ()


# What differs from message to message: one value, or what is made of several.
Open: TypeAlias = Placeholder | Formed
BoundPart: TypeAlias = str | Open


def template_parts(text: str, secrets: Mapping[str, str]) -> tuple[Part, ...]:
    """The text of a template cut at its placeholders; secrets are put in place at once.

    A secret that is not given stays as it was written. So does a form where it has no meaning.
    """
    found: list[Part] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        found += [text[end : match.start()], *_read(match, secrets)]
        end = match.end()
    return tuple(_joined([*found, text[end:]]))


def secrets_named(text: str) -> Iterator[str]:
    """The names of the secrets that the text of a template asks for."""
    return (match[1] for match in _PLACEHOLDER.finditer(text) if match[1] is not None)


def strange_forms(text: str) -> Iterator[str]:
    """The placeholders in a template whose `.mailbox` is no form, since they are no addresses."""
    for match in _PLACEHOLDER.finditer(text):
        if match[1] is None and match[3] == "mailbox" and match[2] not in _MAILBOXES:
            yield match[0]


def _read(match: re.Match[str], secrets: Mapping[str, str]) -> Iterator[Part]:
    secret, name, form = match[1], match[2], match[3] or ""
    if secret is not None:
        yield shaped(form, secrets[secret]) if secret in secrets else match[0]
    elif (form == "mailbox" and name not in _MAILBOXES) or (form == "name" and name != "To"):
        yield Placeholder(name)
        yield f".{form}"
    else:
        yield Placeholder(name, form)


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """The same with neighbouring texts made one, and without empty ones."""
    waiting = ""
    for part in parts:
        if isinstance(part, str):
            waiting += part
            continue
        if waiting:
            yield waiting
        waiting = ""
        yield part
    if waiting:
        yield waiting


def shaped(form: str, text: str, label: str = "") -> str:
    """A text in another form; `label` is the display name that a mailbox has."""
    match form:
        case "mailbox":
            return mailbox(label, text)
        case "json":
            return orjson.dumps(text).decode()
        case "base64":
            return b64encode(text.encode()).decode()
        case "urlencode":
            return quote(text, safe="")
        case _:
            return text


def mailbox(name: str, address: str) -> str:
    """`name <address>` as RFC 5322 writes it: quoted where it has to be, and on one line."""
    plain = _CONTROL.sub(" ", name).strip()
    if not plain or not address:
        return address
    if _PHRASE.fullmatch(plain):
        return f"{plain} <{address}>"
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


def custom_names(part: BoundPart) -> Iterator[str]:
    """The custom names whose values it takes to fill in a part."""
    match part:
        case str():
            return
        case Placeholder(name):
            if name not in SYSTEM_NAMES and name != TO_NAME:
                yield name
        case Formed(_, base, label):
            for inner in (*base, *label):
                yield from custom_names(inner)


def is_value(part: BoundPart) -> bool:
    """Whether a part that stands alone keeps the JSON type of what was given."""
    return isinstance(part, Placeholder) and not part.form and next(custom_names(part), "") != ""
