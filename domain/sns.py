"""Amazon SNS's envelope: what of it is signed, and which URLs in it may be asked.

The fields of each type, in their order, and the two versions are AWS's ("Verifying the signatures
of Amazon SNS messages"). Nothing here is believed before its signature holds.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

import orjson

NOTIFICATION = "Notification"
SUBSCRIPTION = "SubscriptionConfirmation"
UNSUBSCRIPTION = "UnsubscribeConfirmation"

_ABOUT_SUBSCRIPTION = (
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
)
_SIGNED: Mapping[str, tuple[str, ...]] = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: _ABOUT_SUBSCRIPTION,
    UNSUBSCRIPTION: _ABOUT_SUBSCRIPTION,
}
_OPTIONAL = "Subject"

# So plain that no two readers of URLs can disagree on the host.
_URL = re.compile(
    r"https://(?P<host>[a-z0-9.-]+(?::[0-9]{1,5})?)/[\w.~/-]*(?:\?[\w.~&=%:+-]*)?", re.A
)
_SNS_HOST = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?")


def read_message(body: bytes) -> Mapping[str, Any] | None:
    """The envelope in a body, None where it is none. Its fields may still be anything."""
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("Type"), str):
        return None
    return message if message["Type"] in _SIGNED else None


def signed_text(message: Mapping[str, Any]) -> bytes | None:
    """What SNS signs of a message that `read_message` gave; None where a part is missing."""
    lines = []
    for name in _SIGNED[message["Type"]]:
        value = message.get(name)
        if value is None and name == _OPTIONAL:
            continue
        if not isinstance(value, str):
            return None
        lines.append(f"{name}\n{value}\n")
    # orjson lets no lone surrogate in, so there is nothing that UTF-8 could not carry.
    return "".join(lines).encode()


def is_allowed_url(url: object, hosts: Collection[str]) -> bool:
    """Whether it is an https URL of one of `hosts` (`host` or `host:port`).

    Without `hosts` it has to be SNS itself: sns.REGION.amazonaws.com, with .cn behind it in China.
    """
    matched = _URL.fullmatch(url) if isinstance(url, str) else None
    if matched is None:
        return False
    if hosts:
        return matched["host"] in {host.lower() for host in hosts}
    return _SNS_HOST.fullmatch(matched["host"]) is not None
