"""Why a message is not sent: what is said of it before it leaves, by us."""

from typing import NamedTuple

from domain.provider import Batch


class Refusal(NamedTuple):
    """Why a message is not sent: a word for programs and a sentence for people."""

    reason: str
    message: str


class Rejection(NamedTuple):
    """A message that is not sent, by the ordinal of its recipient."""

    ordinal: int
    reason: str
    message: str


def key_twice(ordinal: int, key: str) -> Rejection:
    message = (
        f"two keys of one object come out as {key!r}, and the ESP would see only one of them; "
        "give other values for the placeholders in the keys"
    )
    return Rejection(ordinal, "KEY_TWICE", message)


def too_many_addresses(batch: Batch) -> Refusal:
    message = (
        f"the message and its copies go to more than {batch.max_addresses} addresses, which is "
        "what the provider takes in one request; remove copies or raise batch.max_addresses"
    )
    return Refusal("TOO_MANY_ADDRESSES", message)


def too_large(ordinal: int, size: int, max_bytes: int) -> Rejection:
    message = (
        f"the message alone makes a body of {size} bytes, and the provider takes {max_bytes}; "
        "shorten it or raise batch.max_bytes"
    )
    return Rejection(ordinal, "MESSAGE_TOO_LARGE", message)
