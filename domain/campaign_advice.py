"""What is allowed in a campaign and likely to be a mistake, given the provider it goes through."""

from collections.abc import Iterator

from domain.campaign import Content
from domain.errors import Advice
from domain.provider import ProviderConfig
from domain.replacements import SYSTEM_NAMES, placeholders


def advise(content: Content, config: ProviderConfig) -> list[Advice]:
    """The advice on a content as the caller gave it, before the provider's defaults."""
    return [*_not_in_template(content, config), *_not_replaced(content)]


def _not_in_template(content: Content, config: ProviderConfig) -> Iterator[Advice]:
    """What the caller gives and no template asks for, so that it would silently not be sent."""
    held = set(placeholders(config.parameters))
    values = (*(h.value for h in config.headers), *(q.value for q in config.query_parameters))
    for text in (config.http_endpoint, *values):
        held.update(placeholders(text))
    fields = (
        ("reply_to", content.reply_to, "ReplyToAddress"),
        ("cc", content.cc, "cc"),
        ("bcc", content.bcc, "bcc"),
        ("html", content.html, "HTML"),
        ("plaintext", content.plaintext, "Plaintext"),
        ("amp_html", content.amp_html, "AMPHTML"),
    )
    for field, given, name in fields:
        if given and name not in held:
            message = f"is given and not sent: the provider's template holds no `$${name}`"
            yield Advice(field=f"campaign.{field}", reason="NOT_IN_TEMPLATE", message=message)


def _not_replaced(content: Content) -> Iterator[Advice]:
    """System placeholders belong into a provider's template; within a content they are text."""
    texts = (
        ("subject", content.subject),
        ("from_name", content.from_name),
        ("html", content.html),
        ("plaintext", content.plaintext),
        ("amp_html", content.amp_html),
    )
    for field, text in texts:
        for name in sorted(SYSTEM_NAMES.intersection(placeholders(text))):
            message = (
                f"`$${name}` goes out as it stands: only custom placeholders are replaced in it"
            )
            yield Advice(
                field=f"campaign.{field}", reason="PLACEHOLDER_NOT_REPLACED", message=message
            )
