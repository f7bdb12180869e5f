"""The rules for the templates of a provider: which placeholders they must, may and must not hold.

Placeholders are replaced in a POST body (as `domain.body_rules` has it), in the values of headers
and query parameters, and in the path and query of the endpoint. Everywhere else they go out as
they stand.
"""

from collections.abc import Iterable, Iterator, Sequence

from domain.body_rules import BodyFindings, Use, inspect_body, uses_of
from domain.envelope import split_endpoint
from domain.errors import Advice, Violation
from domain.forms import TO_NAME, secrets_named, strange_forms
from domain.provider import ProviderConfig, RequestType
from domain.replacements import BODIES, MANDATORY, system_name_like

# Nobody reads more at once, and a template of a megabyte can hold any number.
MAX_FINDINGS = 100


def inspect(config: ProviderConfig) -> tuple[list[Violation], list[Advice]]:
    """What is wrong with the templates of a provider, and what is allowed and worth knowing.

    All of it at once, up to MAX_FINDINGS of each.
    """
    posts = config.request_type is RequestType.POST
    body = inspect_body(config) if posts else BodyFindings()
    envelope = list(_envelope_uses(config))
    replaced = [*body.replaced, *envelope]
    violations = [*body.violations, *map(_misplaced, _bodies(envelope))]
    if body.readable:
        violations += _missing(config, body, {use.name for use in replaced})
    advice = [
        *(_without_message_id(config, replaced) if body.readable else ()),
        *map(_not_replaced, [*body.literal, *_literal_uses(config)]),
        *_case_differs(replaced),
        *_strange_forms(config, body),
        *(_splits_batches(use) for use in envelope if config.batch and use.name in _OF_ONE),
        *_about_batches(config, body),
        *_unused_secrets(config, body),
    ]
    return violations[:MAX_FINDINGS], advice[:MAX_FINDINGS]


# Values that no two messages share.
_OF_ONE = frozenset({"To", TO_NAME, "MessageID"})


def _envelope_uses(config: ProviderConfig) -> Iterator[Use]:
    for text, field, spot in _envelope_texts(config):
        yield from uses_of(text, field, spot)


def _envelope_texts(config: ProviderConfig) -> Iterator[tuple[str, str, str]]:
    """Each text outside of the body that may hold placeholders, its field and its spot."""
    for i, header in enumerate(config.headers):
        yield header.value, f"headers[{i}].value", f"header {header.name}"
    for i, query in enumerate(config.query_parameters):
        yield query.value, f"query_parameters[{i}].value", f"query parameter {query.name}"
    _, rest = split_endpoint(config.http_endpoint)
    yield rest, "http_endpoint", "the URL"


def _texts(config: ProviderConfig, body: BodyFindings) -> Iterator[tuple[str, str, str]]:
    yield from ((text, "parameters", spot) for text, spot in body.texts)
    yield from _envelope_texts(config)


def _literal_uses(config: ProviderConfig) -> Iterator[Use]:
    names = {
        **{f"headers[{i}].name": header.name for i, header in enumerate(config.headers)},
        **{f"query_parameters[{i}].name": q.name for i, q in enumerate(config.query_parameters)},
    }
    for field, text in names.items():
        yield from (Use(f"secret.{name}", field) for name in secrets_named(text))
        yield from uses_of(text, field)


def _missing(config: ProviderConfig, body: BodyFindings, names: set[str]) -> Iterator[Violation]:
    posts = config.request_type is RequestType.POST
    field = "parameters" if posts else "query_parameters"
    for name in MANDATORY:
        if name in names or (name in BODIES and not posts):
            continue
        if config.stored_template and name in _OF_STORED_TEMPLATE:
            continue
        message = f"`$${name}` is missing; put it into {_home(config, body, name)}"
        outside = next((use for use in body.literal if use.name == name), None)
        if outside is not None:
            message += f"; {outside.spot}, where it stands now, is not replaced"
        yield Violation(field=field, reason="PLACEHOLDER_MISSING", message=message)


# What an ESP that keeps the template has already.
_OF_STORED_TEMPLATE = frozenset({"Subject", "HTML"})


def _home(config: ProviderConfig, body: BodyFindings, name: str) -> str:
    if config.request_type is RequestType.GET:
        return "the value of a query parameter or of a header"
    home = "a string of the body" if body.messages is None else f"each message of {body.messages}"
    return home if name in BODIES else f"{home} or the value of a header"


def _bodies(uses: Iterable[Use]) -> Iterator[Use]:
    return (use for use in uses if use.name in BODIES)


def _misplaced(use: Use) -> Violation:
    message = f"{use.spot} cannot hold `$${use.name}`: a whole body fits only into a POST body"
    return Violation(field=use.field, reason="PLACEHOLDER_NOT_ALLOWED", message=message)


def _without_message_id(config: ProviderConfig, uses: Iterable[Use]) -> Iterator[Advice]:
    if all(use.name != "MessageID" for use in uses):
        yield Advice(
            field="parameters" if config.request_type is RequestType.POST else "query_parameters",
            reason="MESSAGE_ID_MISSING",
            message="without `$$MessageID` no callback can name its message, so deliveries, "
            "bounces and complaints are not tracked; add it where the ESP keeps metadata",
        )


def _not_replaced(use: Use) -> Advice:
    return Advice(
        field=use.field,
        reason="PLACEHOLDER_NOT_REPLACED",
        message=f"{use} goes out as it stands, since nothing is replaced there",
    )


def _case_differs(uses: Iterable[Use]) -> Iterator[Advice]:
    for use in uses:
        system_name = None if use.name == TO_NAME else system_name_like(use.name)
        if system_name is not None:
            message = f"{use} is a custom placeholder; the system one is `$${system_name}`"
            yield Advice(field=use.field, reason="PLACEHOLDER_CASE", message=message)


def _strange_forms(config: ProviderConfig, body: BodyFindings) -> Iterator[Advice]:
    for text, field, spot in _texts(config, body):
        for placeholder in strange_forms(text):
            message = (
                f"`{placeholder}` in {spot} is no address, so that `.mailbox` stays there as text; "
                "To, FromAddress and ReplyToAddress have this form"
            )
            yield Advice(field=field, reason="FORM_NOT_POSSIBLE", message=message)


def _splits_batches(use: Use) -> Advice:
    message = f"{use} differs for every message, so every request will hold only one"
    in_header = use.field.startswith("headers")
    reason = "HEADER_SPLITS_BATCHES" if in_header else "URL_SPLITS_BATCHES"
    return Advice(field=use.field, reason=reason, message=message)


def _about_batches(config: ProviderConfig, body: BodyFindings) -> Iterator[Advice]:
    if config.batch is None:
        if body.has_each:
            message = "holds `$each`, and without `batch` every request has one message; set batch"
            yield Advice(field="parameters", reason="EACH_WITHOUT_BATCH", message=message)
        return
    if config.batch.group and body.readable and not body.violations:
        yield from _about_group(body.shared)


def _about_group(shared: Sequence[Use]) -> Iterator[Advice]:
    if not shared:
        message = "has nothing to do: no placeholder stands outside of the messages; remove it"
        yield Advice(field="batch.group", reason="GROUP_NOT_NEEDED", message=message)
    for use in shared:
        told = _of_shared(use)
        if told is not None:
            yield Advice(field=use.field, reason="GROUP_SPLITS_BATCHES", message=f"{use} {told}")


def _of_shared(use: Use) -> str | None:
    if use.name in _OF_ONE:
        return "differs for every message, so every request will hold only one; move it into them"
    if use.name in BODIES:
        return (
            "is shared by a request: a campaign in which it is personal sends one message a "
            "request; put it into the messages, or keep it the same for everybody"
        )
    return None


def _unused_secrets(config: ProviderConfig, body: BodyFindings) -> Iterator[Advice]:
    if not body.readable:
        return
    named = {name for text, _, _ in _texts(config, body) for name in secrets_named(text)}
    for i, secret in enumerate(config.secrets):
        if secret.name not in named:
            message = f"is never used; put `$$secret.{secret.name}` where it belongs, or remove it"
            yield Advice(field=f"secrets[{i}].name", reason="SECRET_NOT_USED", message=message)
