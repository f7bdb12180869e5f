"""A campaign with all that a message can have but AMP, and what is to arrive of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.policy import default
from typing import Any

UNSUBSCRIBE_URL = "https://example.org/u?a=1&b=2"
UNSUBSCRIBE = {
    "List-Unsubscribe": f"<{UNSUBSCRIBE_URL}>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
SENDER = Address("Müller & Söhne, Inc.", addr_spec="news@example.org")
CAMPAIGN: Mapping[str, Any] = {
    "subject": "$$greeting: “50 % off”",
    "from_name": SENDER.display_name,
    "from_address": SENDER.addr_spec,
    "reply_to": "answers@example.org",
    "cc": ["copy@example.org", "second@example.org"],
    "bcc": ["blind@example.org"],
    "html": "<p class=\"a\">$$greeting,<br>you pay $$total €.</p>\n<a href='x?a&amp;b'>→</a>",
    "plaintext": "$$greeting,\nyou pay $$total €. \\o/",
    "replacements": {"greeting": "Dear reader"},
}
PEOPLE: Sequence[Mapping[str, Any]] = (
    {
        "email": "ada@example.org",
        "name": "Lovelace, Ada",
        "replacements": {"greeting": 'Dear "Ada"', "total": 12.5},
    },
    {"email": "zofia@example.org", "name": "Žofia Nowak", "replacements": {"total": "1.024,00"}},
    {"email": "nameless@example.org", "replacements": {"total": 3}},
)


@dataclass(frozen=True, slots=True)
class Letter:
    """What one of the people reads."""

    name: str
    subject: str
    html: str
    text: str


LETTERS = {
    "ada@example.org": Letter(
        "Lovelace, Ada",
        'Dear "Ada": “50 % off”',
        '<p class="a">Dear "Ada",<br>you pay 12.5 €.</p>\n<a href=\'x?a&amp;b\'>→</a>',
        'Dear "Ada",\nyou pay 12.5 €. \\o/',
    ),
    "zofia@example.org": Letter(
        "Žofia Nowak",
        "Dear reader: “50 % off”",
        "<p class=\"a\">Dear reader,<br>you pay 1.024,00 €.</p>\n<a href='x?a&amp;b'>→</a>",
        "Dear reader,\nyou pay 1.024,00 €. \\o/",
    ),
    "nameless@example.org": Letter(
        "",
        "Dear reader: “50 % off”",
        "<p class=\"a\">Dear reader,<br>you pay 3 €.</p>\n<a href='x?a&amp;b'>→</a>",
        "Dear reader,\nyou pay 3 €. \\o/",
    ),
}


def read_mailbox(text: str) -> Address:
    """What a mail program reads in a header; it must be exactly one address, without a fault."""
    header = default.header_factory("To", text)
    assert header.defects == ()
    address: Address
    (address,) = header.addresses
    return address
