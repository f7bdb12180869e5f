"""What is the same for a whole campaign, put in place of its placeholders ahead of rendering.

What is left after that differs from message to message: `$$To`, `$$MessageID`, custom keys, and
in headers and URLs `$$cc` and `$$bcc`, whose addresses may be suppressed meanwhile.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from domain.campaign import Content
from domain.forms import TO_NAME, BoundPart, Formed, shaped
from domain.provider import ProviderConfig
from domain.replacements import SYSTEM_NAMES, Part, Placeholder, parts

Bindings: TypeAlias = Mapping[str, tuple[Part, ...]]


def bindings(config: ProviderConfig, content: Content, campaign_id: str) -> Bindings:
    """The texts of the system placeholders that a campaign sets once.

    Subject, from name and bodies may hold custom placeholders; those are still in the texts.
    """
    return {
        "Subject": _content(content.subject),
        "FromName": _content(content.from_name or config.default_from_name),
        "FromAddress": (content.from_address or config.default_from_address,),
        "ReplyToAddress": (content.reply_to or config.default_reply_to_address,),
        "HTML": _content(content.html),
        "Plaintext": _content(content.plaintext),
        "AMPHTML": _content(content.amp_html),
        "CampaignID": (campaign_id,),
    }


def bind(template: Iterable[Part], bound: Bindings) -> Iterator[BoundPart]:
    """The parts of a template, with the bound placeholders replaced by their texts."""
    for part in template:
        if isinstance(part, str):
            yield part
        elif part.form:
            yield _formed(part, bound)
        else:
            yield from bound.get(part.name, (part,))


def _formed(placeholder: Placeholder, bound: Bindings) -> BoundPart:
    name, form = placeholder
    if form == "name":
        return Placeholder(TO_NAME)
    base = bound.get(name, (Placeholder(name),))
    label = _label(name, bound) if form == "mailbox" else ()
    if all(isinstance(part, str) for part in (*base, *label)):
        return shaped(form, "".join(map(str, base)), "".join(map(str, label)))
    if form == "json" and name in SYSTEM_NAMES:
        # What a campaign sets is text, also where it is nothing but one custom placeholder.
        return Formed(form, (Formed("text", base),))
    return Formed(form, base, label)


def _label(name: str, bound: Bindings) -> tuple[Part, ...]:
    match name:
        case "To":
            return (Placeholder(TO_NAME),)
        case "FromAddress":
            return bound["FromName"]
        case _:
            return ()


def _content(text: str) -> tuple[Part, ...]:
    """A system name within content is text like any other: content is a value, not a template."""
    return tuple(
        str(part) if isinstance(part, Placeholder) and part.name in SYSTEM_NAMES else part
        for part in parts(text)
    )
