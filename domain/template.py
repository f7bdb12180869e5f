"""The rules for the templates of a provider: which placeholders they must, may and must not hold.

Placeholders are replaced in a POST body (batched: only within the batch array), in the values of
headers and, with GET, in those of query parameters. Everywhere else they go out as they stand.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from domain.body import batch_array, read
from domain.errors import Advice, InvalidRequest, Violation
from domain.jsonc import Array, Node, Object, String, nodes
from domain.prototypes import counters
from domain.provider import ProviderConfig, RequestType
from domain.replacements import BODIES, MANDATORY, placeholders, system_name_like

# Nobody reads more at once, and a template of a megabyte can hold any number.
MAX_FINDINGS = 100


def inspect(config: ProviderConfig) -> tuple[list[Violation], list[Advice]]:
    """What is wrong with the templates of a provider, and what is allowed and worth knowing.

    All of it at once, up to MAX_FINDINGS of each.
    """
    body = _inspect_body(config)
    headers = list(_header_uses(config))
    query = list(_query_uses(config))
    replaced = [*body.replaced, *headers, *query]
    literal = [*body.literal, *_literal_uses(config)]
    violations = [*body.violations, *map(_misplaced, _bodies([*headers, *query]))]
    if body.readable:
        violations += _missing(config, body, {use.name for use in replaced})
    advice = [
        *(_without_message_id(config, replaced) if body.readable else ()),
        *map(_not_replaced, literal),
        *_case_differs(replaced),
        *(_splits_batches(use) for use in headers if config.batch and use.name in _OF_ONE),
    ]
    return violations[:MAX_FINDINGS], advice[:MAX_FINDINGS]


# Values that no two messages share.
_OF_ONE = frozenset({"To", "MessageID"})


class _Use(NamedTuple):
    """One place of one placeholder; `spot` says where in the field, as people say it."""

    name: str
    field: str
    spot: str = ""

    def __str__(self) -> str:
        return f"`$${self.name}` in {self.spot}" if self.spot else f"`$${self.name}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """What was found in the template; `array` is the path of its batch array.

    `readable` is false where nothing can be said about placeholders before a fault is mended.
    """

    violations: Sequence[Violation] = ()
    replaced: Sequence[_Use] = ()
    literal: Sequence[_Use] = ()
    array: str | None = None
    readable: bool = True


def _inspect_body(config: ProviderConfig) -> _Body:
    if config.request_type is RequestType.GET:
        return _Body()
    try:
        root = read(config.parameters)
    except InvalidRequest as error:
        return _Body(violations=error.violations, readable=False)
    if config.batch is None:
        return _Body(replaced=_value_uses(root), literal=_key_uses(root))
    try:
        array = batch_array(root)
    except InvalidRequest as error:
        # What would be replaced depends on where the array will be; so far, count all of it.
        return _Body(violations=error.violations, replaced=_value_uses(root))
    return _inspect_batched(root, array)


def _inspect_batched(root: Node, array: Array) -> _Body:
    prototype = array.items[0]
    inside = {node.where for node in nodes(array)}
    literal = [*_value_uses(root, without=inside), *_key_uses(root, without=inside)]
    violations: Sequence[Violation] = ()
    try:
        counters(array.items)
    except InvalidRequest as error:
        violations = error.violations
    return _Body(
        violations=violations,
        replaced=_value_uses(prototype),
        literal=[*literal, *_key_uses(prototype)],
        array=array.where.path or "the root",
    )


def _value_uses(root: Node, without: Iterable[object] = ()) -> list[_Use]:
    strings = (node for node in nodes(root) if isinstance(node, String))
    return list(_body_uses(node for node in strings if node.where not in without))


def _key_uses(root: Node, without: Iterable[object] = ()) -> list[_Use]:
    objects = (node for node in nodes(root) if isinstance(node, Object))
    outside = (node for node in objects if node.where not in without)
    return list(_body_uses(key for node in outside for key, _ in node.members))


def _body_uses(strings: Iterable[String]) -> Iterator[_Use]:
    for string in strings:
        for name in placeholders(string.value):
            yield _Use(name, "parameters", str(string.where))


def _header_uses(config: ProviderConfig) -> Iterator[_Use]:
    for i, header in enumerate(config.headers):
        for name in placeholders(header.value):
            yield _Use(name, f"headers[{i}].value", f"header {header.name}")


def _query_uses(config: ProviderConfig) -> Iterator[_Use]:
    for i, parameter in enumerate(config.query_parameters):
        for name in placeholders(parameter.value):
            yield _Use(name, f"query_parameters[{i}].value", f"query parameter {parameter.name}")


def _literal_uses(config: ProviderConfig) -> Iterator[_Use]:
    names = {
        "http_endpoint": config.http_endpoint,
        **{f"headers[{i}].name": header.name for i, header in enumerate(config.headers)},
        **{f"query_parameters[{i}].name": q.name for i, q in enumerate(config.query_parameters)},
    }
    return (_Use(name, field) for field, text in names.items() for name in placeholders(text))


def _missing(config: ProviderConfig, body: _Body, names: set[str]) -> Iterator[Violation]:
    field = "parameters" if config.request_type is RequestType.POST else "query_parameters"
    for name in MANDATORY:
        if name in names or (name in BODIES and config.request_type is RequestType.GET):
            continue
        message = f"`$${name}` is missing; put it into {_home(config, body, name)}"
        outside = next((use for use in body.literal if use.name == name), None)
        if outside is not None:
            message += f"; {outside.spot}, where it stands now, is not replaced"
        yield Violation(field=field, reason="PLACEHOLDER_MISSING", message=message)


def _home(config: ProviderConfig, body: _Body, name: str) -> str:
    if config.request_type is RequestType.GET:
        return "the value of a query parameter or of a header"
    home = "a string of the body" if body.array is None else f"each message of {body.array}"
    return home if name in BODIES else f"{home} or the value of a header"


def _bodies(uses: Iterable[_Use]) -> Iterator[_Use]:
    return (use for use in uses if use.name in BODIES)


def _misplaced(use: _Use) -> Violation:
    message = f"{use.spot} cannot hold `$${use.name}`: a whole body fits only into a POST body"
    return Violation(field=use.field, reason="PLACEHOLDER_NOT_ALLOWED", message=message)


def _without_message_id(config: ProviderConfig, uses: Iterable[_Use]) -> Iterator[Advice]:
    if all(use.name != "MessageID" for use in uses):
        yield Advice(
            field="parameters" if config.request_type is RequestType.POST else "query_parameters",
            reason="MESSAGE_ID_MISSING",
            message="without `$$MessageID` no callback can name its message, so deliveries, "
            "bounces and complaints are not tracked; add it where the ESP keeps metadata",
        )


def _not_replaced(use: _Use) -> Advice:
    return Advice(
        field=use.field,
        reason="PLACEHOLDER_NOT_REPLACED",
        message=f"{use} goes out as it stands, since nothing is replaced there",
    )


def _case_differs(uses: Iterable[_Use]) -> Iterator[Advice]:
    for use in uses:
        system_name = system_name_like(use.name)
        if system_name is not None:
            message = f"{use} is a custom placeholder; the system one is `$${system_name}`"
            yield Advice(field=use.field, reason="PLACEHOLDER_CASE", message=message)


def _splits_batches(use: _Use) -> Advice:
    message = f"{use} differs for every message, so every request will hold only one"
    return Advice(field=use.field, reason="HEADER_SPLITS_BATCHES", message=message)
