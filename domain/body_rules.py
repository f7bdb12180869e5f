"""The rules for the body template of a provider: its operators, its fields, and where it is filled.

Placeholders are replaced in strings and keys: in all of a body, in a batched one within its
messages, and with `Batch.group` outside of them too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from domain.body import EACH, JSON, batch_array, each_of, holds_each, operand, read
from domain.errors import InvalidRequest, Violation
from domain.forms import template_parts
from domain.jsonc import Array, Node, Object, String, Where, children, nodes
from domain.prototypes import counters
from domain.provider import BodyEncoding, ProviderConfig
from domain.replacements import Placeholder


class Use(NamedTuple):
    """One place of one placeholder; `spot` says where in the field, as people say it."""

    name: str
    field: str
    spot: str = ""

    def __str__(self) -> str:
        return f"`$${self.name}` in {self.spot}" if self.spot else f"`$${self.name}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyFindings:
    """What was found in a template; `messages` says where its messages stand, as people say it.

    `literal` are placeholders that go out as they stand, `shared` those that are replaced outside
    of the messages, and are among `replaced` too. `readable` is false where nothing can be said
    about placeholders before a fault is mended. `texts` are its strings and keys, each with its
    place as people say it.
    """

    violations: Sequence[Violation] = ()
    replaced: Sequence[Use] = ()
    shared: Sequence[Use] = ()
    literal: Sequence[Use] = ()
    messages: str | None = None
    has_each: bool = False
    readable: bool = True
    texts: Sequence[tuple[str, str]] = ()


def inspect_body(config: ProviderConfig) -> BodyFindings:
    """What a POST provider's `parameters` hold, and what is wrong with them."""
    try:
        root = read(config.parameters)
    except InvalidRequest as error:
        return BodyFindings(violations=error.violations, readable=False)
    texts = [(text.value, str(text.where)) for _, text in _texts(root)]
    return replace(_inspect(config, root), texts=texts)


def _inspect(config: ProviderConfig, root: Node) -> BodyFindings:
    faults = [*_operator_faults(root, within=False), *_field_faults(root, config.body_encoding)]
    if holds_each(root):
        messages = {node.where for each in _eaches(root) for node in nodes(each)}
        return _findings(config, root, messages, faults, f"an `{EACH}`", has_each=True)
    if config.batch is None:
        return BodyFindings(violations=faults, replaced=list(uses_in(root)))
    try:
        array = batch_array(root)
    except InvalidRequest as error:
        # What would be replaced depends on where the array will be; so far, count all of it.
        faults += error.violations
        return BodyFindings(violations=faults, replaced=list(uses_in(root)))
    # What the others hold the first one holds as well.
    others = {node.where for item in array.items[1:] for node in nodes(item)}
    messages = {node.where for node in nodes(array.items[0])}
    try:
        counters(array.items)
    except InvalidRequest as error:
        faults += error.violations
    place = array.where.path or "the root"
    return _findings(config, root, messages, faults, place, ignored=others)


def _findings(
    config: ProviderConfig,
    root: Node,
    messages: set[Where],
    faults: Sequence[Violation],
    place: str,
    *,
    ignored: Iterable[Where] = (),
    has_each: bool = False,
) -> BodyFindings:
    inside = list(uses_in(root, only=messages))
    outside = list(uses_in(root, without={*messages, *ignored}))
    is_literal = config.batch is not None and not config.batch.group
    return BodyFindings(
        violations=faults,
        replaced=inside if is_literal else [*outside, *inside],
        shared=() if is_literal else outside,
        literal=outside if is_literal else (),
        messages=place if is_literal else None,
        has_each=has_each,
    )


def uses_of(text: str, field: str, spot: str = "") -> Iterator[Use]:
    """The placeholders of one text of a template, and what their forms ask for besides."""
    for part in template_parts(text, {}):
        if not isinstance(part, Placeholder):
            continue
        yield Use(f"{part.name}.name" if part.form == "name" else part.name, field, spot)
        if part.form == "mailbox" and part.name == "FromAddress":
            yield Use("FromName", field, spot)


def _texts(root: Node) -> Iterator[tuple[Where, String]]:
    """Each string and key, with the place of the node that it is, or is a key of."""
    for node in nodes(root):
        match node:
            case String():
                yield node.where, node
            case Object():
                yield from ((node.where, key) for key, _ in node.members)


def uses_in(
    root: Node, *, only: set[Where] | None = None, without: Iterable[Where] = ()
) -> Iterator[Use]:
    for where, text in _texts(root):
        if where not in without and (only is None or where in only):
            yield from uses_of(text.value, "parameters", str(text.where))


def _eaches(root: Node) -> Iterator[Node]:
    """What stands there for every message, place by place; the outer one of nested ones."""
    each = each_of(root)
    if each is not None:
        yield each
        return
    for child in children(root):
        yield from _eaches(child)


def _operator_faults(node: Node, *, within: bool) -> Iterator[Violation]:
    """`within`: the node stands within an `$each`."""
    each = each_of(node)
    if each is not None:
        yield from _each_faults(node, each, within)
        yield from _operator_faults(each, within=True)
        return
    if isinstance(node, Object) and len(node.members) > 1:
        yield from (_not_alone(key) for key, _ in node.members if key.value in (EACH, JSON))
    for child in children(node):
        repeated = operand(child, EACH) if isinstance(node, Array) else None
        if repeated is not None:
            yield _not_alone_in_array(child)
        yield from _operator_faults(repeated or child, within=within)


def _each_faults(node: Node, each: Node, within: bool) -> Iterator[Violation]:
    if within:
        message = f"{node.where} stands within another `{EACH}`; a message holds no messages"
        yield _violation("EACH_NESTED", message)
    if isinstance(node, Object) and not (isinstance(each, Object) and each.members):
        message = (
            f"{each.where} must be an object with the members that each message adds; or put the "
            f"`{EACH}` alone into an array"
        )
        yield _violation("EACH_NOT_POSSIBLE", message)


def _not_alone_in_array(item: Node) -> Violation:
    message = f"{item.where} must be the only element of its array; move the others elsewhere"
    return _violation("EACH_NOT_ALONE", message)


def _not_alone(key: String) -> Violation:
    message = f"{key.where} is an operator and must be the only key of its object"
    return _violation("OPERATOR_NOT_ALONE", message)


def _field_faults(root: Node, encoding: BodyEncoding) -> Iterator[Violation]:
    if encoding is BodyEncoding.JSON:
        return
    if not isinstance(root, Object) or operand(root, EACH) or operand(root, JSON):
        message = f"a body of {encoding} is one object, whose keys are the names of the fields"
        yield _violation("NOT_AN_OBJECT", message)
        return
    for _, value in root.members:
        each = each_of(value)
        items = value.items if isinstance(value, Array) and each is None else [each or value]
        yield from map(_no_field, (item for item in items if not _is_field(item)))


def _is_field(node: Node) -> bool:
    return operand(node, JSON) is not None or not isinstance(node, Array | Object)


def _no_field(node: Node) -> Violation:
    message = f'{node.where} is no field of a form; write it as {{"{JSON}": ...}}, or as a string'
    return _violation("NOT_A_FIELD", message)


def _violation(reason: str, message: str) -> Violation:
    return Violation(field="parameters", reason=reason, message=message)
