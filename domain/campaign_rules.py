"""The rules for a campaign and its recipients, apart from what a template asks of them.

All that is wrong is reported together. Field paths are those of the API's SendCampaignRequest; the
sentences continue them (`campaign.subject` ... `is missing`) and name the way out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from domain import address, replacements
from domain.campaign import CampaignSpec, Content, JsonValue, Recipient
from domain.errors import Violation
from domain.provider import ProviderConfig, RequestType
from domain.provider_rules import check_address, line_fault

MAX_REQUEST_ID_CHARACTERS = 128
MAX_NAME_CHARACTERS = 200
MAX_COPIES = 50
# A hundred times what Gmail shows of a message before it clips it (102 KB).
MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_REPLACEMENTS_BYTES = 1024 * 1024

_REQUEST_ID = re.compile(rf"[\x21-\x7e]{{1,{MAX_REQUEST_ID_CHARACTERS}}}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_spec(spec: CampaignSpec, *, now: float) -> list[Violation]:
    """The faults of a campaign that is to be sent; `now` is epoch seconds.

    A repeat of a call that was accepted before is to be recognised first: its `send_before` may
    have passed since.
    """
    return [
        *_check_request_id(spec.request_id),
        *_check_provider(spec.provider),
        *_check_name(spec.name),
        *_check_times(spec, now),
        *check_content(spec.content),
    ]


def check_content(content: Content) -> list[Violation]:
    """The faults of what was given; what may be missing is asked by `check_complete`."""
    return [
        *_check_lines(content),
        *_check_addresses(content),
        *_check_bodies(content),
        *_check_replacements(content.replacements),
    ]


def apply_defaults(spec: CampaignSpec, config: ProviderConfig) -> Content:
    """The campaign's content, with the provider's defaults where it gives nothing."""
    content = spec.content
    return replace(
        content,
        from_name=content.from_name or config.default_from_name,
        from_address=content.from_address or config.default_from_address,
        reply_to=content.reply_to or config.default_reply_to_address,
    )


def check_complete(content: Content, config: ProviderConfig) -> list[Violation]:
    """What is missing of a content that has had `apply_defaults`.

    Every template holds `$$Subject`, `$$FromName` and `$$FromAddress`, and every POST `$$HTML`: a
    message without one of them would reach people with a blank in its place. Subject and HTML may
    be in a template that the ESP keeps.
    """
    needed = [
        ("from_name", content.from_name, "give it, or a default_from_name to the provider"),
        (
            "from_address",
            content.from_address,
            "give it, or a default_from_address to the provider",
        ),
    ]
    if not config.stored_template:
        needed.insert(0, ("subject", content.subject, "give the subject line"))
    if config.request_type is RequestType.POST and not config.stored_template:
        needed.append(("html", content.html, "give the HTML body"))
    return [
        _violation(field, "REQUIRED", f"is missing; {way_out}")
        for field, value, way_out in needed
        if not value.strip()
    ]


def check_recipient(index: int, recipient: Recipient) -> Sequence[Violation]:
    """The faults of recipient number `index` (from 0), each of which refuses the whole call.

    Asked for each of a million recipients. A key that no placeholder can name refuses nothing: the
    columns of a file are named by whoever wrote it.
    """
    found: Sequence[Violation] = ()
    if recipient.replacements:
        found = replacements.check(recipient.replacements, f"recipients[{index}].replacements")
    if recipient.email.strip():
        return found
    message = "is missing; give every recipient an address"
    missing = Violation(field=f"recipients[{index}].email", reason="REQUIRED", message=message)
    return (missing, *found)


def unsendable(recipient: Recipient) -> str | None:
    """Why nothing can be sent to this recipient while the others get their messages, or None."""
    # The name is but a value of a placeholder, which may be anything: no line of a message.
    fault = address.fault(recipient.email)
    return None if fault is None else f"the address {fault}"


def _check_request_id(request_id: str) -> Iterator[Violation]:
    if not request_id:
        message = "is missing; give an id of your own, such as a UUID, and repeat it on a retry"
        yield _violation("request_id", "REQUIRED", message)
    elif not _REQUEST_ID.fullmatch(request_id):
        message = (
            f"must be 1 to {MAX_REQUEST_ID_CHARACTERS} visible ASCII characters without a space; "
            "a UUID serves well"
        )
        yield _violation("request_id", "INVALID_REQUEST_ID", message)


def _check_provider(provider: str) -> Iterator[Violation]:
    if not provider:
        yield _violation("provider", "REQUIRED", "is missing; give the nickname of a provider")


def _check_name(name: str) -> Iterator[Violation]:
    if len(name) > MAX_NAME_CHARACTERS:
        message = f"is longer than {MAX_NAME_CHARACTERS} characters; shorten it"
        yield _violation("name", "TOO_LONG", message)


def _check_times(spec: CampaignSpec, now: float) -> Iterator[Violation]:
    if spec.send_before is None:
        return
    if spec.send_before <= now:
        message = "has passed already; give a later time, or leave it out"
        yield _violation("send_before", "IN_THE_PAST", message)
    if spec.send_at is not None and spec.send_before <= spec.send_at:
        message = "is not after send_at, so nothing could be sent; give a later time"
        yield _violation("send_before", "BEFORE_SEND_AT", message)


def _check_lines(content: Content) -> Iterator[Violation]:
    for field, text in (("subject", content.subject), ("from_name", content.from_name)):
        fault = line_fault(text)
        if fault is not None:
            yield _violation(field, "INVALID_TEXT", fault)


def _check_addresses(content: Content) -> Iterator[Violation]:
    for field, given in (("from_address", content.from_address), ("reply_to", content.reply_to)):
        if given:
            yield from check_address(given, f"campaign.{field}")
    for field, copies in (("cc", content.cc), ("bcc", content.bcc)):
        if len(copies) > MAX_COPIES:
            message = f"holds {len(copies)} addresses, and may hold {MAX_COPIES}; remove some"
            yield _violation(field, "TOO_MANY", message)
            continue
        for i, copy in enumerate(copies):
            yield from check_address(copy, f"campaign.{field}[{i}]")


def _check_bodies(content: Content) -> Iterator[Violation]:
    bodies = {"html": content.html, "plaintext": content.plaintext, "amp_html": content.amp_html}
    for field, body in bodies.items():
        size = len(body.encode(errors="surrogatepass"))
        if size > MAX_BODY_BYTES:
            message = (
                f"has {size:,} bytes, and may have {MAX_BODY_BYTES:,}; "
                "link to images instead of embedding them"
            )
            yield _violation(field, "TOO_LONG", message)


def _check_replacements(given: Mapping[str, JsonValue]) -> Iterator[Violation]:
    faults = replacements.check(given, "campaign.replacements")
    yield from faults
    for key in given:
        if not _KEY.fullmatch(key):
            message = (
                "can be named by no placeholder; use letters, digits and underscores, and no digit "
                "in front"
            )
            yield _violation(f"replacements.{key}", "INVALID_KEY", message)
    if not faults:
        yield from _check_size(given)


def _check_size(given: Mapping[str, JsonValue]) -> Iterator[Violation]:
    try:
        size = len(replacements.as_json(given))
    except TypeError:
        # orjson writes 254 levels, and rendering would have to.
        message = "is nested too deeply; keep it below 200 levels"
        yield _violation("replacements", "TOO_DEEP", message)
        return
    if size > MAX_REPLACEMENTS_BYTES:
        message = (
            f"has {size:,} bytes as JSON, and may have {MAX_REPLACEMENTS_BYTES:,}; "
            "put what differs between people into their own replacements"
        )
        yield _violation("replacements", "TOO_LONG", message)


def _violation(field: str, reason: str, message: str) -> Violation:
    return Violation(field=f"campaign.{field}", reason=reason, message=message)
