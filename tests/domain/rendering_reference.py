"""A naive rendering, for comparison: parse the template, walk it message by message, and no more.

It knows nothing of bytes, of binding ahead or of batches; what shares a request is given to it.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from domain.campaign import Content, JsonValue, Recipient
from domain.provider import EmptyValues
from domain.rendering import Message
from tests.domain.rendering_samples import message_ids

PLACEHOLDER = re.compile(r"\$\$([A-Za-z_][A-Za-z0-9_]*)")
FORMED = re.compile(
    r"\$\$(secret\.[a-z]+|[A-Za-z_][A-Za-z0-9_]*)"
    # Only an address has a mailbox, and only the recipient a name.
    r"(?:\.((?:(?<=\$\$To\.)|(?<=\$\$FromAddress\.)|(?<=\$\$cc\.))mailbox|(?<=\$\$To\.)name"
    r"|text|json|base64|urlencode)(?![A-Za-z0-9_]))?"
)
EMPTY, REST, LITERAL, FILLED = "empty", "rest", "literal", "filled"
GONE = object()
# No placeholder has this name.
MESSAGES = "the messages"


class KeyTwice(Exception):
    """An object would get the same key twice."""


def plain(value: Any) -> Any:
    """The same value with whole numbers written as integers, as JSON from a double would be."""
    match value:
        case float():
            return int(value) if value.is_integer() and abs(value) <= 2**53 else value
        case list():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
    return value


def compact(value: Any) -> str:
    return orjson.dumps(plain(value)).decode()


def text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else compact(value)


def custom(content: Content, recipient: Recipient) -> dict[str, JsonValue]:
    own_name: dict[str, JsonValue] = {"name": recipient.name} if recipient.name else {}
    return {**content.replacements, **own_name, **recipient.replacements}


def filled(text: str, known: Mapping[str, Any]) -> str:
    return PLACEHOLDER.sub(lambda m: text_of(known[m[1]]) if m[1] in known else m[0], text)


@dataclass(frozen=True)
class Reference:
    """What a campaign and a provider fix."""

    content: Content
    empty_values: EmptyValues = EmptyValues.BLANK
    secrets: Mapping[str, str] = field(default_factory=dict)
    cc: Sequence[str] = ("c@x.y", "d@x.y")

    def single(self, template: Any, message: Message) -> Any:
        """The body of one message, without batching."""
        return self._kept(template, self._known(message))

    def batch(self, template: Any, messages: Sequence[Message], *, group: bool) -> Any:
        """The body of messages that share a request; the template has its `$each`."""
        known = self._known(messages[0]) if group else self._secret()
        return self._kept(template, {MESSAGES: messages, **known})

    def _secret(self) -> dict[str, Any]:
        return {f"secret.{name}": value for name, value in self.secrets.items()}

    def _known(self, message: Message) -> dict[str, Any]:
        ordinal, recipient = message
        own = custom(self.content, recipient)
        return {
            **own,
            **self._secret(),
            "To": recipient.email,
            "To.name": recipient.name,
            "Subject": filled(self.content.subject, own),
            "FromName": filled(self.content.from_name, own),
            "FromAddress": self.content.from_address,
            "HTML": filled(self.content.html, own),
            "MessageID": message_ids([ordinal])[0],
            "cc": ",".join(self.cc),
            "CampaignID": "c-7",
        }

    def _kept(self, node: Any, known: Mapping[str, Any]) -> Any:
        """A whole message or body, which is never left out."""
        value, _ = self._walk(node, known, kept=True)
        return "" if value is GONE else value

    def _walk(self, node: Any, known: Mapping[str, Any], *, kept: bool = False) -> Any:
        match node:
            case str():
                return self._string(node, known)
            case [{"$each": each}] if MESSAGES in known:
                people = [self._known(message) for message in known[MESSAGES]]
                return [self._kept(each, person) for person in people], FILLED
            case {"$each": members} if MESSAGES in known:
                return self._keyed(members, known[MESSAGES]), FILLED
            case {"$json": inner}:
                value, state = self._walk(inner, known)
                return (GONE if state == EMPTY else compact(value)), state
            case list():
                return self._list(node, known, kept)
            case dict():
                return self._dict(node, known, kept)
        return node, LITERAL

    def _keyed(self, members: Mapping[str, Any], messages: Sequence[Message]) -> Any:
        found: list[tuple[str, Any]] = []
        for message in messages:
            known = self._known(message)
            found += [(self._text(k, known), self._kept(v, known)) for k, v in members.items()]
        return unique(found)

    def _list(self, node: list[Any], known: Mapping[str, Any], kept: bool) -> Any:
        found = []
        to_is_safe = any("To" in named(item) and not named(item) & {"cc"} for item in node)
        for item in node:
            names = named(item)
            if "cc" in names and ("To" not in names or to_is_safe) and "cc" in known:
                found += [self._walk(item, {**known, "cc": address}) for address in self.cc]
                if not self.cc and self.empty_values is EmptyValues.OMIT:
                    found.append((GONE, EMPTY))
            else:
                found.append(self._walk(item, known))
        values = [value for value, state in found if state != EMPTY]
        state = together([state for _, state in found])
        if state == EMPTY and (values or kept):
            state = REST
        return values, state

    def _dict(self, node: Mapping[str, Any], known: Mapping[str, Any], kept: bool) -> Any:
        found = [(self._text(k, known), *self._walk(v, known)) for k, v in node.items()]
        members = unique([(key, value) for key, value, state in found if state != EMPTY])
        state = together([state for _, _, state in found])
        return (members, REST) if kept else (members, state)

    def _text(self, text: str, known: Mapping[str, Any]) -> str:
        return FORMED.sub(lambda match: self._value_text(match, known), text)

    def _string(self, text: str, known: Mapping[str, Any]) -> Any:
        if not any(match[1] in known for match in placed(text)):
            return self._text(text, known), LITERAL
        whole = FORMED.fullmatch(text)
        value = self._text(text, known)
        if whole and not whole[2] and whole[1] in custom_names(known):
            value = plain(known[whole[1]])
        if value not in ("", None) or self.empty_values is EmptyValues.BLANK:
            return value, FILLED
        return (GONE, EMPTY) if self.empty_values is EmptyValues.OMIT else (None, FILLED)

    def _value_text(self, match: re.Match[str], known: Mapping[str, Any]) -> str:
        name, form = match[1], match[2]
        if name not in known:
            return match[0]
        text = text_of(known[name])
        match form:
            case "mailbox":
                label = {"To": "To.name", "FromAddress": "FromName"}.get(name, "")
                return mailbox(known.get(label, ""), text)
            case "name":
                return text_of(known["To.name"])
            case "json":
                return compact(known[name])
            case "base64":
                return base64.b64encode(text.encode()).decode()
            case "urlencode":
                return quote(text, safe="")
        return text


def custom_names(known: Mapping[str, Any]) -> set[str]:
    return known.keys() & {"a", "ab", "name"}


def placed(text: str) -> list[re.Match[str]]:
    """The placeholders of a string that are no secrets, which count as text."""
    return [match for match in FORMED.finditer(text) if not match[1].startswith("secret.")]


def named(node: Any) -> set[str]:
    """Which of To and cc an element names, less a cc that a list within it repeats for."""
    match node:
        case str():
            return {m[1] for m in placed(node) if m[2] != "name"} & {"To", "cc"}
        case list():
            safe = any("To" in named(item) and "cc" not in named(item) for item in node)
            return {
                name
                for item in node
                for name in named(item)
                if name == "To" or not ("cc" in named(item) and ("To" not in named(item) or safe))
            }
        case dict():
            return {name for pair in node.items() for part in pair for name in named(part)}
    return set()


def mailbox(name: str, address: str) -> str:
    one_line = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", name).strip()
    if not one_line or not address:
        return address
    if re.search(r'[()<>\[\]:;@\\,."]', one_line):
        one_line = '"' + re.sub(r'(["\\])', r"\\\1", one_line) + '"'
    return f"{one_line} <{address}>"


def together(states: Sequence[str]) -> str:
    if FILLED in states:
        return FILLED
    return EMPTY if EMPTY in states or REST in states else LITERAL


def unique(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(members)) < len(members):
        raise KeyTwice
    return dict(members)


def same(left: Any, right: Any) -> bool:
    """Equal as JSON is: true is not 1, and the order of keys is kept."""
    return json.dumps(left) == json.dumps(right)
