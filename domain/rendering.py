"""From messages to requests: what a campaign's templates become, for each of its recipients."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple, TypeAlias

from domain.batching import in_groups, plan
from domain.binder import Binder
from domain.binding import bindings
from domain.body import BodyTemplate, compile_body
from domain.campaign import Content, Recipient
from domain.columns import Columns, Copies, texts
from domain.encodings import encoder
from domain.envelope import Envelope, EnvelopeTemplate
from domain.forms import TO_NAME, Formed, Open, custom_names
from domain.http import HttpRequest
from domain.message_id import TOKEN_LENGTH
from domain.payload import Bodies, Payload, payload
from domain.provider import Batch, ProviderConfig, RequestType
from domain.refusals import Refusal, Rejection, key_twice, too_large, too_many_addresses
from domain.replacements import NAME, as_text, missing, own_value, placeholders

_COPIES = frozenset({"cc", "bcc"})
_ONLY_NAME = frozenset({NAME})
# As long as every message id is, and of what it is made of.
_SOME_MESSAGE_ID = "0" * TOKEN_LENGTH

# Whoever renders meets them in what comes out.
__all__ = ["Message", "MessageIdsOf", "Refusal", "Rejection", "RenderedRequest", "Renderer"]

# The message ids of the recipients with these ordinals, in their order.
MessageIdsOf: TypeAlias = Callable[[Sequence[int]], Sequence[str]]

# The ordinal of a recipient within the campaign, and the recipient.
Message: TypeAlias = tuple[int, Recipient]


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
        self._bound = bindings(config, content, campaign_id or "")
        self._method = config.request_type.value
        self._aws_signature = config.aws_signature
        self._batch = config.batch or Batch(max_messages=1)
        self._message_ids = message_ids
        self._shared = content.replacements
        self._copies = Copies(content.cc, content.bcc)
        self._sent_copies = _copies_sent(config)
        self._empty_values = config.empty_values
        self._encode = encoder(config.body_encoding)
        self._envelope = EnvelopeTemplate(config, self._bound)
        self._template: BodyTemplate | None = None
        self._payload: tuple[Copies, Payload] | None = None
        if config.request_type is RequestType.POST:
            self._template = compile_body(config)
        self._checks_envelope = bool(self._envelope.open or self._envelope.fault_of_all)
        self._own_keys = self.required_keys.difference(self._shared)

    @property
    def required_keys(self) -> frozenset[str]:
        """The custom names that every message needs a value for, its own or the campaign's."""
        body = self._payload_with(self._copies)
        slots = body.slots() if body else ()
        in_body = {name for slot in slots for name in custom_names(slot.source)}
        return frozenset(self._envelope.open_names | in_body)

    def _payload_with(self, copies: Copies) -> Payload | None:
        """The template with these copies in it; most renderings of a campaign have the same."""
        if self._template is None:
            return None
        if self._payload is None or self._payload[0] != copies:
            binder = Binder(
                bound={**self._bound, **{n: (text,) for n, text in copies.joined.items()}},
                copies=copies.lists,
                empty_values=self._empty_values,
            )
            made = payload(self._template, binder, self._batch.max_messages)
            self._payload = copies, made
        return self._payload[1]

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

        With `Batch.group` messages that may share a request are brought together first: the order
        is kept within a request, and among the first ones of the requests.

        `cc` and `bcc` are the addresses that are not suppressed. Messages that `refusal` speaks
        against, with these copies, come first, as rejections; one that alone is larger than the
        provider takes is rejected when its turn comes.
        """
        copies = Copies(tuple(cc), tuple(bcc))
        sendable: list[Message] = []
        for message, refusal in zip(messages, self._refusals(messages, copies), strict=True):
            if refusal is None:
                sendable.append(message)
            else:
                yield Rejection(message[0], *refusal)
        if sendable:
            yield from self._requests(sendable, copies)

    def _refusals(self, messages: Sequence[Message], copies: Copies) -> Iterable[Refusal | None]:
        """What speaks against each message."""
        given = [recipient.replacements for _, recipient in messages]
        unchecked = not self._checks_envelope and self._max_messages(copies) > 0
        if unchecked and not any(map(self._own_keys.difference, given)):
            # The usual case, told without a call for each message.
            return repeat(None, len(messages))
        return (self._refusal(recipient, copies) for _, recipient in messages)

    def _refusal(self, recipient: Recipient, copies: Copies) -> Refusal | None:
        absent = self._own_keys.difference(recipient.replacements)
        if absent and not (recipient.name and absent == _ONLY_NAME):
            return self._missing(absent, recipient)
        if self._max_messages(copies) < 1:
            return too_many_addresses(self._batch)
        if not self._checks_envelope:
            return None
        texts = {part: self._text(part, recipient, copies) for part in self._envelope.open}
        fault = self._envelope.fault(texts)
        return None if fault is None else Refusal(*fault)

    def _text(self, part: Open, recipient: Recipient, copies: Copies) -> str:
        """The text of an open placeholder in a header or, not yet encoded, in a URL."""
        if isinstance(part, Formed):
            return self._columns([(0, recipient)], copies, _some_ids).column(part, texts)[0]
        name = part.name
        if name == "To":
            return recipient.email
        if name == "MessageID":
            return _SOME_MESSAGE_ID
        if name == TO_NAME:
            return recipient.name
        if name in copies.joined:
            return copies.joined[name]
        return as_text(own_value(recipient, name, self._shared.get(name)))

    def _columns(
        self, messages: Sequence[Message], copies: Copies, message_ids: MessageIdsOf
    ) -> Columns:
        return Columns(
            messages, campaign=self._shared, copies=copies.joined, message_ids=message_ids
        )

    def _max_messages(self, copies: Copies) -> int:
        """How many messages with these copies a request may hold; 0 where one is too much."""
        most, addresses = self._batch.max_messages, self._batch.max_addresses
        if addresses is None:
            return most
        return min(most, addresses // (1 + copies.count(self._sent_copies)))

    def _requests(
        self, messages: Sequence[Message], copies: Copies
    ) -> Iterator[RenderedRequest | Rejection]:
        columns = self._columns(messages, copies, self._message_ids)
        envelopes = self._envelope.resolve(columns)
        payload = self._payload_with(copies)
        if payload is None:
            for ordinal, envelope in zip(columns.ordinals, envelopes, strict=True):
                yield self._request((ordinal,), envelope, None)
            return
        shared = self._shared_values(envelopes, payload, columns)
        order = in_groups(shared) if self._batch.group else None
        if order is not None:
            yield from self._requests([messages[index] for index in order], copies)
            return
        bodies = payload.fill(columns)
        if bodies.faults:
            yield from self._without(bodies.faults, messages, copies)
            return
        yield from self._batches(columns.ordinals, envelopes, shared, bodies, copies)

    def _shared_values(
        self, envelopes: Sequence[Envelope], payload: Payload, columns: Columns
    ) -> Sequence[object]:
        """For each message, what all messages of its request must have in common."""
        slots = list(payload.frame_slots())
        if not slots:
            return envelopes
        frames = (columns.column(slot.source, slot.encode) for slot in slots)
        return list(zip(envelopes, *frames, strict=True))

    def _without(
        self, faults: Mapping[int, str], messages: Sequence[Message], copies: Copies
    ) -> Iterator[RenderedRequest | Rejection]:
        for index, fault in faults.items():
            yield key_twice(messages[index][0], fault)
        left = [message for index, message in enumerate(messages) if index not in faults]
        if left:
            yield from self._requests(left, copies)

    def _batches(
        self,
        ordinals: tuple[int, ...],
        envelopes: Sequence[Envelope],
        shared: Sequence[object],
        bodies: Bodies,
        copies: Copies,
    ) -> Iterator[RenderedRequest | Rejection]:
        most, max_bytes = self._max_messages(copies), self._batch.max_bytes
        encode = self._encode
        size = bodies.size
        if encode is not None:
            size = lambda start, stop: len(encode(bodies.body(start, stop)).body)  # noqa: E731
        for batch in plan(shared, most, max_bytes, size, bodies.last):
            carried = ordinals[batch.start : batch.stop]
            envelope, body = envelopes[batch.start], bodies.body(batch.start, batch.stop)
            if encode is not None:
                body, content_type = encode(body)
                envelope = envelope.with_content_type(content_type)
            if max_bytes is not None and len(body) > max_bytes:
                yield too_large(carried[0], len(body), max_bytes)
            else:
                yield self._request(carried, envelope, body)

    def _request(
        self, ordinals: tuple[int, ...], envelope: Envelope, body: bytes | None
    ) -> RenderedRequest:
        request = HttpRequest(
            method=self._method,
            url=envelope.url,
            headers=envelope.headers,
            body=body,
            aws_signature=self._aws_signature,
        )
        return RenderedRequest(ordinals, request)

    def _missing(self, keys: Iterable[str], recipient: Recipient) -> Refusal:
        own = {*recipient.replacements, *([NAME] if recipient.name else [])}
        given = sorted(own | self._shared.keys())
        sentences = [missing(key, given) for key in sorted(keys) if key not in own]
        return Refusal("REPLACEMENT_MISSING", "; ".join(sentences))


def _some_ids(ordinals: Sequence[int]) -> Sequence[str]:
    return [_SOME_MESSAGE_ID] * len(ordinals)


def _copies_sent(config: ProviderConfig) -> frozenset[str]:
    """Which of cc and bcc the templates of a provider send at all."""
    given = (
        config.parameters,
        config.http_endpoint,
        *(header.value for header in config.headers),
        *(parameter.value for parameter in config.query_parameters),
    )
    return frozenset(name for text in given for name in placeholders(text) if name in _COPIES)
