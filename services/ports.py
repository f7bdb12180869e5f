"""What the use cases need from the world, declared by those who use it.

Every "must" here is a case of a contract suite in tests/contracts, run over the real adapter and
over its fake. Times are epoch seconds, as a `Clock` tells them; addresses in keys are
`domain.address.address_key`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import NamedTuple, Protocol, TypeAlias

from domain.callback import Attributed, Unprocessed
from domain.campaign import CampaignSpec, CampaignState, Content, DeliveryGuarantee, Recipient
from domain.chunk import Change, Chunk, ChunkKey
from domain.errors import Violation
from domain.event_filter import EventFilter
from domain.events import Cursor, LogEntry
from domain.http import HttpRequest, HttpResponse, Landed
from domain.message import Counts, MessageState
from domain.message_id import MessageRef
from domain.provider import Limits, Provider, ProviderConfig
from domain.suppression import Suppression, SuppressionReason
from domain.webhook_mapping import Signature
from domain.webhook_request import WebhookRequest


class Clock(Protocol):
    """The one source of time of a process."""

    def now(self) -> float:
        """Epoch seconds."""
        ...


class Transport(Protocol):
    """Carries one HTTP request to an ESP and brings its answer back.

    Must send the bytes at most once, never follow a redirect, never retry by itself, and give up
    after `timeout_seconds` in all.
    """

    def start(
        self, request: HttpRequest, *, timeout_seconds: float, landed: Callable[[Landed], None]
    ) -> None:
        """Sends the request, and calls `landed` in the event loop, once and not before it returns.

        For many requests at once, none of which has a task of its own.
        """
        ...

    async def send(self, request: HttpRequest, *, timeout_seconds: float) -> HttpResponse:
        """The ESP's answer, whatever its status.

        Raises NotSent when it is certain that no byte of the request reached the ESP, AnswerLost
        when bytes may have left and no complete answer came.
        """
        ...

    async def close(self) -> None:
        """Waits a bounded time for what is in flight, then lets go of everything."""
        ...


class ProviderRepository(Protocol):
    """The providers, each with all of its configurations: what was in doubt is repeated as it was.

    Nicknames are compared without regard to case. Must be atomic in each call.
    """

    async def configure(
        self, nickname: str, update: Callable[[Provider | None], ProviderConfig]
    ) -> tuple[Provider, bool]:
        """Stores what `update` makes of the present provider, and says whether it is a new one.

        Must call `update` with the stored provider or None, must store nothing when it raises, and
        of two calls at once must let the later one see what the earlier one stored. A new provider
        gets a callback token of at least 128 random bits; a change keeps it and raises `version`.
        """
        ...

    async def get(self, nickname: str) -> Provider:
        """Raises NotFound for a provider that is not there or was deleted."""
        ...

    async def by_id(self, provider_id: int) -> Provider:
        """Also a deleted one: its campaigns and events still name it. Raises NotFound."""
        ...

    async def version(self, provider_id: int, version: int) -> ProviderConfig:
        """An earlier or the present configuration. Raises NotFound."""
        ...

    async def by_callback_token(self, token: str) -> Provider | None:
        """Also a deleted one: bounces of mail that was sent still come, and still count."""
        ...

    async def list(self, *, after: str, limit: int) -> Sequence[Provider]:
        """Ordered by nickname in lower case, those behind `after` ("" for the start)."""
        ...

    async def delete(self, nickname: str, *, etag: str) -> None:
        """Frees the nickname. An empty etag deletes whatever version is there.

        Raises NotFound; Conflict where the etag is another one; NotPossibleNow while a campaign
        that has not ended sends through it.
        """
        ...

    async def pause(self, provider_id: int, *, until: float, reason: str) -> None:
        """Nothing is claimed for this provider before `until`. Must never shorten a pause.

        One that lies further ahead than any `Retry-After` may reach was set before the clock was
        put back, and counts as over.
        """
        ...


class SuppressionRepository(Protocol):
    """The addresses that get no more mail. One suppression per address key; the first stays."""

    async def suppressed(self, keys: Collection[str]) -> Mapping[str, Suppression]:
        """Those of `keys` that are suppressed, by key."""
        ...

    async def add(self, suppressions: Sequence[Suppression]) -> int:
        """How many were new; those that were there already stay as they are."""
        ...

    async def remove(self, keys: Collection[str]) -> int:
        """How many were there."""
        ...

    async def list(
        self,
        *,
        after: str,
        limit: int,
        reason: SuppressionReason | None = None,
        key_prefix: str = "",
    ) -> Sequence[Suppression]:
        """Ordered by key, those behind `after` ("" for the start)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A stored campaign as it stands; `content` has the provider's defaults filled in.

    Of one that is SENDING `state_reason` also says what holds it up at the moment: a pause of its
    provider, a circuit that is not closed, a storage that takes nothing. That is never stored.
    """

    number: int
    spec: CampaignSpec
    provider_id: int
    provider: str
    state: CampaignState
    state_reason: str
    counts: Counts
    created_at: float
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A recipient whose message was settled before sending: REJECTED or DUPLICATE."""

    ordinal: int
    state: MessageState
    reason: str
    message: str


class MessageRow(NamedTuple):
    """A message as it stands. `updated_at` is None where its chunk alone says what it is.

    `lost_at` is when the answer to its last request was lost, whatever has become of it since.
    Requests before that, which an operator repeated, are its `Resend`s.
    """

    ordinal: int
    recipient: Recipient
    state: MessageState
    reason: str
    detail: str
    updated_at: float | None
    lost_at: float | None = None


class Resend(NamedTuple):
    """A message may have gone out already: its answer was lost, and it was sent once more.

    `detail` is how the answer was lost.
    """

    lost_at: float
    detail: str
    resent_at: float


StateChange: TypeAlias = Callable[[CampaignState], tuple[CampaignState, str] | None]
"""The next state and its reason, or None to leave both as they are."""


class CampaignRepository(Protocol):
    """Campaigns, their recipients and what became of each.

    A campaign comes in by `begin`, any number of `stage` and one `accept`. Before `accept` returns
    nobody sees it and nothing of it is sent; what was staged and never accepted must be gone after
    `discard` or `sweep`.
    """

    async def begin(self, spec: CampaignSpec, provider_id: int) -> int:
        """The number of a campaign to be: from 1 upwards, never used twice."""
        ...

    async def stage(self, number: int, chunk_number: int, recipients: Sequence[Recipient]) -> None:
        """Recipients `chunk_number * CHUNK_SIZE` onwards, at most CHUNK_SIZE of them.

        Only the last chunk may be shorter than CHUNK_SIZE.
        """
        ...

    async def refuse(self, number: int, refused: Sequence[Refused]) -> None:
        """Settles messages of staged chunks before anything is sent. Each ordinal comes once."""
        ...

    async def accept(self, number: int, *, fingerprint: bytes) -> tuple[int, bool]:
        """Makes the campaign durable and its chunks ready; its number, and whether it is new.

        Where another campaign has the request id, must discard this one and return the other's
        number when its fingerprint is the same, else raise AlreadyExists. Of several at once
        exactly one is new. Raises NotPossibleNow where the provider was deleted meanwhile.
        """
        ...

    async def discard(self, number: int) -> None:
        """Removes a campaign that was not accepted; one that was is left alone."""
        ...

    async def sweep(self, *, begun_before: float) -> int:
        """Discards what was begun before that time and never accepted; how many there were."""
        ...

    async def by_request(self, request_id: str) -> tuple[int, bytes] | None:
        """The number and fingerprint of the accepted campaign with this request id."""
        ...

    async def get(self, number: int) -> Campaign:
        """Raises NotFound for what is not there or not accepted."""
        ...

    async def list(
        self,
        *,
        before: int | None,
        limit: int,
        provider_id: int | None = None,
        states: Collection[CampaignState] = (),
    ) -> Sequence[Campaign]:
        """Newest first, those with a smaller number than `before`. Without replacements, bodies."""
        ...

    async def change_state(self, number: int, update: StateChange) -> Campaign:
        """Stores the state and reason that `update` makes of the present state.

        Must be atomic, and store nothing when `update` raises or returns None. Into CANCELLED:
        every message that is queued becomes CANCELLED in the same step; requests in flight end as
        they end. Into SENDING with no message left to send: COMPLETED.
        """
        ...

    async def resolve_unknown(
        self, number: int, *, resend: bool, ordinals: Collection[int] | None = None
    ) -> tuple[int, int]:
        """Queues the UNKNOWN messages again, or makes them CANCELLED with the reason ABANDONED.

        All of the campaign's, or those of `ordinals`; how many there were, and how many of
        `ordinals` were not UNKNOWN and were left alone. A COMPLETED campaign with messages to
        resend is SENDING again in the same step. Raises NotPossibleNow for a resend in a campaign
        that was cancelled or has failed.

        Each resend must be remembered, whatever becomes of the message: see `resends`.
        """
        ...

    async def resends(self, number: int, ordinal: int) -> Sequence[Resend]:
        """The times that `resolve_unknown` queued this message again, oldest first."""
        ...

    async def messages(
        self,
        number: int,
        *,
        after: int,
        limit: int,
        states: Collection[MessageState] = (),
        email_key: str = "",
    ) -> tuple[Sequence[MessageRow], int | None]:
        """Messages with an ordinal above `after`, and the `after` of the next page or None."""
        ...

    async def recipients(self, number: int, ordinals: Sequence[int]) -> Mapping[int, Recipient]:
        """The recipients with these ordinals."""
        ...


class AddressLedger(Protocol):
    """Finds the repeated addresses of one campaign. Memory must not grow with its recipients."""

    def add(self, entries: Iterable[tuple[int, str]]) -> None:
        """Ordinals, ascending over all calls, with the address key of each."""
        ...

    def repeats(self) -> Iterator[Sequence[int]]:
        """The ordinals whose key an earlier ordinal has, in lists of bounded length."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A leased chunk with what is needed to send it.

    `settled` are the open ordinals that a callback has spoken of meanwhile: they must not be sent
    unless their request is in doubt and is repeated as it was. `is_small` is the lane of its
    campaign.
    """

    chunk: Chunk
    provider_id: int
    guarantee: DeliveryGuarantee
    content: Content
    send_before: float | None
    recipients: Sequence[Recipient]
    settled: frozenset[int]
    is_small: bool


class Move(NamedTuple):
    """Messages of one chunk that went from one state to another, for one reason."""

    ordinals: tuple[int, ...]
    old: MessageState
    new: MessageState
    reason: str = ""
    detail: str = ""


class EspMessage(NamedTuple):
    """A message by the id that its ESP gave it; `email` is the address that it went to."""

    esp_message_id: str
    message: MessageRef
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a worker did with its chunk: how the chunk changes, what moved, what the log is told.

    `starts` is set for an intent: nothing of it has left yet. It is how many requests may be in
    flight to the provider, over all processes. `health` is what attempts that have ended say of the
    provider: "" that it works, else how it failed; None says nothing. `esp_messages` are what the
    ESP calls its messages, to be found by `EspMessages`.
    """

    key: ChunkKey
    change: Change
    starts: int | None = None
    health: str | None = None
    moves: tuple[Move, ...] = ()
    entries: tuple[LogEntry, ...] = ()
    esp_messages: tuple[EspMessage, ...] = ()


class Recorded(Enum):
    """What became of a step. Only what is STORED has left a trace."""

    STORED = "STORED"
    REFUSED = "REFUSED"
    """It starts something in a campaign that is not SENDING, or while the provider's circuit is
    open; the chunk is still the worker's."""
    FULL = "FULL"
    """It starts something, and more requests than may be would be in flight to the provider.

    While its circuit is probing, that is one."""
    TOO_LATE = "TOO_LATE"
    """The chunk belongs to somebody else: its epoch is another one."""


MOST_BUSY = 16
"""So many providers at most can be passed over in a claim."""


class WorkQueue(Protocol):
    """Leases chunks to workers and records what they do. SQL is the truth behind every adapter."""

    async def claim(
        self,
        worker: str,
        *,
        limit: int,
        lease_seconds: float,
        small_only: bool = False,
        busy: Collection[int] = (),
    ) -> Sequence[Claim]:
        """Up to `limit` chunks that are due, each leased to `worker` with its epoch raised.

        Those of small campaigns alone where `small_only` says so, and through the providers with
        the ids in `busy`, MOST_BUSY of them at most.

        Must never lease a chunk twice at once; must pass over campaigns that are not SENDING and
        providers that are paused or whose circuit is open; must take small campaigns before
        large ones and then spread over campaigns. Empty when nothing is due.
        """
        ...

    async def renew(self, worker: str, *, lease_seconds: float) -> None:
        """Prolongs every lease of `worker`."""
        ...

    async def record(self, steps: Sequence[Step]) -> Sequence[Recorded]:
        """Makes the steps durable in one transaction, in order; what became of each.

        Messages that a callback has moved meanwhile stay where the callback put them. Counts, log
        entries and the end of the campaign (no chunk left: COMPLETED) belong to the same
        transaction. Entries of one kind and reason about one chunk may become one entry.
        """
        ...

    async def recover(self) -> int:
        """Takes back the chunks whose lease is over; how many there were.

        What was only claimed becomes ready. What is in doubt becomes UNKNOWN under AT_MOST_ONCE
        and stays with its chunk, to be repeated, under AT_LEAST_ONCE. Must leave no chunk that
        nobody can claim, wherever it is interrupted: also not where the clock was put back, and
        leases and retries lie further ahead than they could have been set. Such a lease ends within
        LONGEST_LEASE_SECONDS unless it is renewed, and such a retry is due.
        """
        ...

    async def start_due(self) -> int:
        """Starts the scheduled campaigns whose `send_at` has come; how many there were."""
        ...

    async def wait(self, *, timeout_seconds: float) -> None:
        """Returns when there may be something to claim, at the latest after the timeout."""
        ...


class Kept(NamedTuple):
    """A request to a callback URL, as it came, and until when it is to be kept."""

    request: WebhookRequest
    until: float


class KeptRequest(NamedTuple):
    """One that was kept, without its URL. Ids ascend in the order of receipt."""

    id: int
    received_at: float
    request: WebhookRequest


class KeptRequests(Protocol):
    """Requests to callback URLs that `EventLog.record_callbacks` was given to keep."""

    async def page(
        self,
        provider_id: int,
        *,
        after: int,
        received_from: float,
        received_before: float,
        limit: int,
    ) -> Sequence[KeptRequest]:
        """Up to `limit` of this provider with ids above `after`, ascending."""
        ...

    async def prune(self, *, now: float) -> int:
        """Removes those whose time is over; how many."""
        ...


class EventLog(Protocol):
    """The log of what happened, in the order in which it became durable."""

    async def record_callbacks(
        self,
        provider: Provider,
        events: Sequence[Attributed],
        unprocessed: Sequence[Unprocessed],
        *,
        received_at: float,
        kept: Kept | None = None,
        again: bool = False,
    ) -> Sequence[Attributed]:
        """Stores all or nothing; the events whose message is none of this provider's are returned.

        The request that brought them, `kept`, is stored with them, also where they are none. Those
        that are read `again` are not kept as unprocessed another time.

        Those are kept as unprocessed. An event that is stored already is not stored again. Must be
        durable on return. Concurrent calls may share one commit.
        """
        ...

    async def read(
        self, *, after: Cursor, limit: int, campaign_number: int | None = None
    ) -> Sequence[LogEntry]:
        """Entries in order, from the one that `after` is within. Empty at the end of the log.

        A reader that goes on from the last entry it was given must never miss one.
        """
        ...

    async def wait(self, *, after: int, timeout_seconds: float) -> None:
        """Returns when the log has an entry behind position `after`, at latest after that time."""
        ...

    async def head(self) -> int:
        """The position of the last entry; 0 in an empty log."""
        ...

    async def lag(self) -> int:
        """How many entries are not folded."""
        ...

    async def fold(self, *, limit: int) -> int:
        """Applies up to `limit` entries to messages, counts and suppressions; how many are left.

        Must apply each entry exactly once, whatever dies. An entry that suppresses does so for the
        address of its message, or for the reported one where that is a cc or bcc of the campaign.
        """
        ...


class EventSearch(Protocol):
    """Finds entries of the event log by what their events are."""

    async def search(
        self, *, where: EventFilter, positions: range, limit: int, newest_first: bool = False
    ) -> Sequence[LogEntry]:
        """Up to `limit` entries at these positions that may hold an event which `where` passes.

        In order, or in reverse. Must leave out no entry that holds one; others may be among them,
        since an entry speaks of many messages.
        """
        ...

    async def position_at(self, time: float) -> int:
        """The position of an entry received before that time, whose next one was not; 0 for none.

        Entries become durable a little after they are received, and so not quite in that order.
        """
        ...


class Storage(Protocol):
    """What all of these are stored in."""

    @property
    def trouble(self) -> str:
        """Why this process could write nothing of late, as the end of a sentence; else empty.

        It stays until a `probe` finds that it can again.
        """
        ...

    async def probe(self) -> None:
        """Writes something, to see whether that is possible. Raises TryLater."""
        ...


class Limiter(Protocol):
    """Spreads requests over time, for all workers of all processes together."""

    async def limits(self, provider_id: int) -> Limits:
        """The provider's present limits, or those of less than a second ago."""
        ...

    async def reserve(
        self, provider_id: int, *, requests: int, messages: int, within: float = inf
    ) -> float | None:
        """Seconds to wait before sending: the caller's own slot, which nobody else gets.

        A slot that is more than `within` seconds away is not taken, and may be asked for again
        once it is nearer. 0 where the provider has no rate limit. None while the provider is
        paused: nothing may be sent to it, and no slot is taken. Limits and pause are the
        provider's present ones, or those of less than a second ago; slots that were taken under
        other limits take as long as they do under these.
        """
        ...


class TestMessages(Protocol):
    """The test emails that were sent, so that their callbacks are known as such."""

    async def add(self, provider_id: int, email: str, *, at: float) -> int:
        """The number of the test, from 1 upwards; never used twice, and durable on return."""
        ...

    async def emails(self, numbers: Collection[int]) -> Mapping[int, str]:
        """The addresses of these tests by number; those that are not there are left out."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What is kept of a request that was signed for one use: its use, and its body as digests.

    `until` is when its timestamp is too old anyway, and the trace may be forgotten.
    """

    use: bytes
    body: bytes
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A request whose signatures hold.

    `repeated` says that a request with the same uses and the same body was stored already, so that
    the ESP did not hear our answer, or somebody sends again what he overheard: it can be answered
    as that one was, and need not be read.
    """

    traces: tuple[Trace, ...] = ()
    repeated: bool = False


class SignatureVerifier(Protocol):
    """Tells whether a request to a callback URL comes from whom its signatures name."""

    async def verify(
        self, signatures: Sequence[Signature], request: WebhookRequest
    ) -> Verified | None:
        """None unless every one of `signatures` holds, each with any one of its secrets.

        Without `signatures` any request holds. Must never raise for anything in the request, and
        must refuse one whose use (the nonce, or what was signed with a timestamp) was remembered
        with another body. Raises TryLater where what it needs cannot be had at the moment.
        """
        ...

    async def remember(self, verified: Verified) -> None:
        """To be called once the request is stored, and not before.

        What was refused for want of storage, or died with its process, is thereby free to come
        again, as ESPs do with what nobody answered. Where the trace itself cannot be stored this
        returns all the same: should the request come again, its events are known as repeats.
        """
        ...


UnreadableKeys: TypeAlias = Callable[[Signature], Iterator[Violation]]
"""Names the public keys among a signature's secrets that are none, by their fields within it."""


class SignatureUses(Protocol):
    """The traces of requests that were stored, shared by all processes that take callbacks."""

    async def find(self, uses: Collection[bytes]) -> Mapping[bytes, bytes]:
        """The digest of the body that each use was remembered with; unknown ones are left out."""
        ...

    async def add(self, traces: Collection[Trace]) -> None:
        """Must keep the first body of a use that is there already, and be durable on return.

        Traces whose `until` has passed are forgotten sooner or later.
        """
        ...


MAX_ESP_MESSAGE_ID = 512
"""Characters; no ESP's id is half as long, and what is longer is not stored."""


class EspMessages(Protocol):
    """What ESPs call our messages, so that their webhooks may name messages by their own ids.

    Ids are text and belong to one provider. Several messages may share one, and one message have
    several: it was sent again. Those of campaigns are also stored by `WorkQueue.record`.
    """

    async def add(self, provider_id: int, messages: Sequence[EspMessage]) -> None:
        """Durable on return. Must pass over what is stored already, and over ids too long."""
        ...

    async def find(self, provider_id: int, esp_message_id: str, email: str) -> MessageRef | None:
        """The message that this provider's ESP calls so, and that went to `email`.

        Where the id is one message's alone, it is that one whatever the address is: ESPs also
        report copies. None where no message, or none of several, fits.
        """
        ...

    async def id_of(self, message: MessageRef) -> str:
        """The id of this message that was stored last; empty where none is."""
        ...
