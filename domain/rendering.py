"""From messages to requests: what a campaign's templates become, for each of its recipients."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple, TypeAlias

from domain.batching import plan
from domain.binding import bindings
from domain.body import compile_body
from domain.campaign import Content, Recipient
from domain.columns import Columns
from domain.envelope import Envelope, EnvelopeTemplate
from domain.http import HttpRequest
from domain.message_id import TOKEN_LENGTH
from domain.payload import Payload
from domain.provider import Batch, ProviderConfig, RequestType
from domain.replacements import NAME, SYSTEM_NAMES, as_text, missing, own_value

_ONLY_NAME = frozenset({NAME})
# As long as every message id is, and of what it is made of.
_SOME_MESSAGE_ID = "0" * TOKEN_LENGTH

# The message ids of the recipients with these ordinals, in their order.
MessageIdsOf: TypeAlias = Callable[[Sequence[int]], Sequence[str]]

# The ordinal of a recipient within the campaign, and the recipient.
Message: TypeAlias = tuple[int, Recipient]


class Refusal(NamedTuple):
    """Why a message is not sent: a word for programs and a sentence for people."""

    reason: str
    message: str


class Rejection(NamedTuple):
    """A message that is not sent, by the ordinal of its recipient."""

    ordinal: int
    reason: str
    message: str


class RenderedRequest(NamedTuple):
    """A request, and the ordinals of the recipients whose messages it carries, in their order."""

    ordinals: tuple[int, ...]
    request: HttpRequest


class Renderer:
    """Makes the requests of one campaign through one version of a provider.

    `config` has passed the rules of `domain.template`. Everything that a campaign fixes is worked
    out here, once; the same messages always give the same bytes.
    """

    def __init__(
        self,
        config: ProviderConfig,
        content: Content,
        *,
        campaign_id: str | None,
        message_ids: MessageIdsOf,
    ) -> None:
        bound = bindings(config, content, campaign_id or "")
        self._method = config.request_type.value
        self._batch = config.batch or Batch(max_messages=1)
        self._message_ids = message_ids
        self._shared = content.replacements
        self._copies = _joined(content.cc, content.bcc)
        self._envelope = EnvelopeTemplate(config, bound)
        self._payload: Payload | None = None
        if config.request_type is RequestType.POST:
            template = compile_body(config.parameters, batched=config.batch is not None)
            self._payload = Payload(template, bound, self._batch.max_messages)
        self._checks_envelope = bool(self._envelope.open_names or self._envelope.fault_of_all)
        self._own_keys = self.required_keys.difference(self._shared)

    @property
    def required_keys(self) -> frozenset[str]:
        """The custom names that every message needs a value for, its own or the campaign's."""
        in_body = self._payload.open_names if self._payload else ()
        return frozenset(self._envelope.open_names.union(in_body) - SYSTEM_NAMES)

    def refusal(self, recipient: Recipient) -> Refusal | None:
        """Why nothing can be sent to this recipient, or None.

        All of the campaign's cc and bcc are counted in. Cheap enough to ask for each of a million
        recipients when a campaign is accepted.
        """
        return self._refusal(recipient, self._copies)

    def render(
        self,
        messages: Sequence[Message],
        *,
        cc: Sequence[str] = (),
        bcc: Sequence[str] = (),
    ) -> Iterator[RenderedRequest | Rejection]:
        """The requests that carry these messages, in their order, each made when it is asked for.

        `cc` and `bcc` are the addresses that are not suppressed. Messages that `refusal` speaks
        against, with these copies, come first, as rejections; one that alone is larger than the
        provider takes is rejected when its turn comes.
        """
        copies = _joined(cc, bcc)
        sendable: list[Message] = []
        for message, refusal in zip(messages, self._refusals(messages, copies), strict=True):
            if refusal is None:
                sendable.append(message)
            else:
                yield Rejection(message[0], *refusal)
        if sendable:
            yield from self._requests(sendable, copies)

    def _refusals(
        self, messages: Sequence[Message], copies: Mapping[str, str]
    ) -> Iterable[Refusal | None]:
        """What speaks against each message."""
        given = [recipient.replacements for _, recipient in messages]
        if not self._checks_envelope and not any(map(self._own_keys.difference, given)):
            # The usual case, told without a call for each message.
            return repeat(None, len(messages))
        return (self._refusal(recipient, copies) for _, recipient in messages)

    def _refusal(self, recipient: Recipient, copies: Mapping[str, str]) -> Refusal | None:
        absent = self._own_keys.difference(recipient.replacements)
        if absent and not (recipient.name and absent == _ONLY_NAME):
            return self._missing(absent, recipient)
        if not self._checks_envelope:
            return None
        texts = {n: self._text(n, recipient, copies) for n in self._envelope.open_names}
        fault = self._envelope.fault(texts)
        return None if fault is None else Refusal(*fault)

    def _text(self, name: str, recipient: Recipient, copies: Mapping[str, str]) -> str:
        """The text of an open name in a header or, not yet encoded, in a query."""
        if name == "To":
            return recipient.email
        if name == "MessageID":
            return _SOME_MESSAGE_ID
        if name in copies:
            return copies[name]
        return as_text(own_value(recipient, name, self._shared.get(name)))

    def _requests(
        self, messages: Sequence[Message], copies: Mapping[str, str]
    ) -> Iterator[RenderedRequest | Rejection]:
        columns = Columns(
            messages, campaign=self._shared, copies=copies, message_ids=self._message_ids
        )
        envelopes = self._envelope.resolve(columns)
        if self._payload is None:
            for ordinal, envelope in zip(columns.ordinals, envelopes, strict=True):
                yield self._request((ordinal,), envelope, None)
            return
        bodies = self._payload.fill(columns)
        max_messages, max_bytes = self._batch.max_messages, self._batch.max_bytes
        for batch in plan(envelopes, max_messages, max_bytes, bodies.size):
            ordinals = columns.ordinals[batch.start : batch.stop]
            body = bodies.body(batch.start, batch.stop)
            if max_bytes is not None and len(body) > max_bytes:
                yield _too_large(ordinals[0], len(body), max_bytes)
            else:
                yield self._request(ordinals, envelopes[batch.start], body)

    def _request(
        self, ordinals: tuple[int, ...], envelope: Envelope, body: bytes | None
    ) -> RenderedRequest:
        request = HttpRequest(
            method=self._method, url=envelope.url, headers=envelope.headers, body=body
        )
        return RenderedRequest(ordinals, request)

    def _missing(self, keys: Iterable[str], recipient: Recipient) -> Refusal:
        own = {*recipient.replacements, *([NAME] if recipient.name else [])}
        given = sorted(own | self._shared.keys())
        sentences = [missing(key, given) for key in sorted(keys) if key not in own]
        return Refusal("REPLACEMENT_MISSING", "; ".join(sentences))


def _joined(cc: Iterable[str], bcc: Iterable[str]) -> Mapping[str, str]:
    return {"cc": ",".join(cc), "bcc": ",".join(bcc)}


def _too_large(ordinal: int, size: int, max_bytes: int) -> Rejection:
    message = (
        f"the message alone makes a body of {size} bytes, and the provider takes {max_bytes}; "
        "shorten it or raise batch.max_bytes"
    )
    return Rejection(ordinal, "MESSAGE_TOO_LARGE", message)
