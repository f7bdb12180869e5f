"""The body template of a provider: read once, and turned into a tree of what rendering fills in.

Beside placeholders, an object with one key of these is an operator:

    {"$json": X}          the compact JSON of X, as a string
    {"$each": X}          alone in an array: X for every message of the request
    {"$each": {"k": X}}   elsewhere: an object with these members for every message

Without any `$each` a batched template repeats the outermost array that holds `$$To`.

Where empty values are left out, an object goes with them if every placeholder in it came out empty,
whatever else it holds, and an array if nothing is left in it; a message never does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from domain.address_lists import Repeats, addressed, repeats_in
from domain.errors import InvalidRequest, Violation
from domain.forms import template_parts
from domain.jsonc import (
    Array,
    JsonSyntaxError,
    Node,
    Object,
    Scalar,
    String,
    Where,
    children,
    parse,
)
from domain.prototypes import Counter, counters
from domain.provider import ProviderConfig
from domain.replacements import Part, Placeholder

EACH, JSON = "$each", "$json"


@dataclass(frozen=True, slots=True)
class Fixed:
    """JSON as it goes out."""

    json: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """A string with placeholders in it, or one that is nothing but a placeholder."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Copies:
    """An element of an array that stands there once for each address of `name`, cc or bcc."""

    name: str
    element: "Spec"


@dataclass(frozen=True, slots=True)
class Items:
    items: "tuple[Spec | Copies, ...]"


@dataclass(frozen=True, slots=True)
class Members:
    """The members of an object, whose keys may hold placeholders.

    `keyed` ones are what one message adds to an object that all messages share.
    """

    members: "tuple[tuple[Text, Spec], ...]"
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Nested:
    """JSON within a JSON string."""

    inner: "Spec"


@dataclass(frozen=True, slots=True)
class Hole:
    """Where the messages stand, each as `BodyTemplate.messages[index]` says, with commas between.

    `brackets` are those of the array or object around them.
    """

    index: int
    brackets: bytes


Spec: TypeAlias = Fixed | Text | Items | Members | Nested | Hole | Counter


# Its text would show the secrets in it.
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BodyTemplate:
    """A body is `frame`, with the messages of a request in its holes.

    Without batching the whole body is the one message: its hole has no brackets.
    """

    frame: Spec
    messages: tuple[Spec, ...]


def compile_body(config: ProviderConfig) -> BodyTemplate:
    """The template that a POST provider's `parameters` hold; raises InvalidRequest."""
    root = read(config.parameters)
    secrets = {secret.name: secret.value for secret in config.secrets}
    compiler = _Compiler(secrets, repeats_in(root))
    if holds_each(root):
        literal = config.batch is not None and not config.batch.group
        frame = compiler.spec(root, literal=literal)
    elif config.batch is None:
        frame = compiler.hole(compiler.spec(root), b"")
    else:
        array = batch_array(root)
        compiler.counting = counters(array.items)
        compiler.array = array.where
        frame = compiler.spec(root, literal=not config.batch.group)
    return BodyTemplate(frame=frame, messages=tuple(compiler.messages))


def read(parameters: str) -> Array | Object:
    """The tree of a template; raises InvalidRequest if it is no JSON array or object."""
    if not parameters.strip():
        raise _invalid("JSON_SYNTAX", "the template is empty; give the JSON body of a request")
    try:
        root = parse(parameters)
    except JsonSyntaxError as error:
        raise _invalid("JSON_SYNTAX", str(error)) from error
    if not isinstance(root, Array | Object):
        raise _invalid("NOT_OBJECT_OR_ARRAY", "the template must be a JSON object or array")
    return root


def operand(node: Node, operator: str) -> Node | None:
    """What the operator is applied to, where the node is nothing but this operator."""
    if isinstance(node, Object) and len(node.members) == 1 and node.members[0][0].value == operator:
        return node.members[0][1]
    return None


def each_of(node: Node) -> Node | None:
    """What stands here for every message: the operand of an `$each`, alone in an array or not."""
    only = node.items[0] if isinstance(node, Array) and len(node.items) == 1 else node
    return operand(only, EACH)


def holds_each(node: Node) -> bool:
    return operand(node, EACH) is not None or any(map(holds_each, children(node)))


def batch_array(root: Node) -> Array:
    """The outermost array whose elements hold `$$To`; raises InvalidRequest unless it is one."""
    arrays = list({array.where: array for array in _around_to(root, None)}.values())
    if not arrays:
        raise _invalid(
            "BATCH_ARRAY_MISSING",
            "no JSON array holds `$$To`; put the message into an array, "
            'as in {"msgs": [{"to": "$$To"}]}, or turn batching off',
        )
    if len(arrays) > 1:
        places = " and ".join(str(array.where) for array in arrays)
        raise _invalid(
            "BATCH_ARRAY_AMBIGUOUS",
            f"`$$To` stands in more than one array: {places}; keep it in the one of the messages",
        )
    return arrays[0]


def _around_to(node: Node, outermost: Array | None) -> Iterator[Array]:
    """For each `$$To` in an array, the outermost array that it is in."""
    if outermost is None and isinstance(node, Array):
        outermost = node
    if outermost is not None and "To" in addressed(node):
        yield outermost
    for child in children(node):
        yield from _around_to(child, outermost)


class _Compiler:
    """Turns nodes into specs; `messages` are what it found to stand there for every message."""

    def __init__(self, secrets: Mapping[str, str], repeats: Repeats) -> None:
        self.messages: list[Spec] = []
        # Without any `$each`: the place of the batch array, and the numbers that count within it.
        self.array: Where | None = None
        self.counting: Mapping[Where, Counter] = {}
        self._secrets = secrets
        self._repeats = repeats

    def hole(self, message: Spec, brackets: bytes) -> Hole:
        self.messages.append(message)
        return Hole(len(self.messages) - 1, brackets)

    def spec(self, node: Node, *, literal: bool = False) -> Spec:
        """`literal`: nothing is replaced here but secrets, and within messages."""
        if node.where in self.counting:
            return self.counting[node.where]
        if node.where == self.array and isinstance(node, Array):
            return self.hole(self.spec(node.items[0]), b"[]")
        each = each_of(node)
        if each is not None:
            return self._each(node, each)
        inner = operand(node, JSON)
        if inner is not None:
            return Nested(self.spec(inner, literal=literal))
        match node:
            case Scalar():
                return Fixed(node.lexeme.encode())
            case String():
                return self._string(node.value, literal)
            case Array():
                return self._items(node, literal)
            case Object():
                return self._members(node, literal)

    def _each(self, node: Node, each: Node) -> Hole:
        if isinstance(node, Array):
            return self.hole(self.spec(each), b"[]")
        if not isinstance(each, Object):
            raise _invalid("EACH_NOT_POSSIBLE", f"{each.where} must be an object")
        members = self._members(each, literal=False)
        return self.hole(Members(members.members, keyed=True), b"{}")

    def _items(self, array: Array, literal: bool) -> Items:
        names = [None] * len(array.items) if literal else self._repeats[array.where]
        return Items(
            tuple(
                self.spec(item, literal=literal)
                if name is None
                else Copies(name, self.spec(item, literal=literal))
                for item, name in zip(array.items, names, strict=True)
            )
        )

    def _members(self, node: Object, literal: bool) -> Members:
        return Members(
            tuple(
                (Text(self._parts(key.value, literal)), self.spec(value, literal=literal))
                for key, value in node.members
            )
        )

    def _string(self, text: str, literal: bool) -> Fixed | Text:
        parts = self._parts(text, literal)
        if any(isinstance(part, Placeholder) for part in parts):
            return Text(parts)
        return Fixed(orjson.dumps("".join(map(str, parts))))

    def _parts(self, text: str, literal: bool) -> tuple[Part, ...]:
        parts = template_parts(text, self._secrets)
        return tuple(map(str, parts)) if literal else parts


def _invalid(reason: str, message: str) -> InvalidRequest:
    return InvalidRequest([Violation(field="parameters", reason=reason, message=message)])
