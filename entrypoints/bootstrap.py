"""The composition root: the only place that picks adapters.

Everything is built by hand, from the settings down, and closed in reverse.
"""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import certifi

from adapters.curl import CurlOptions, CurlTransport
from adapters.curl.addresses import is_public
from adapters.key_file import KeyFileRefused, derive, load, load_or_create
from adapters.secret_box import SecretBox
from adapters.signatures.authorities import Authorities
from adapters.signatures.faults import unreadable_keys
from adapters.signatures.sns_certificates import SnsCertificates
from adapters.signatures.verifier import WebhookSignatures
from adapters.signing_transport import SigningTransport
from adapters.spooled_ledger import SpooledAddressLedger
from adapters.sql.campaigns import SqlCampaignRepository
from adapters.sql.database import Database
from adapters.sql.esp_messages import SqlEspMessages
from adapters.sql.events import SqlEventLog
from adapters.sql.installation import WrongKey, claim_key, is_claimed
from adapters.sql.kept_requests import SqlKeptRequests
from adapters.sql.limiter import SqlLimiter
from adapters.sql.opening import DatabaseRefused, file_of, open_database
from adapters.sql.providers import SqlProviderRepository
from adapters.sql.signature_uses import SqlSignatureUses
from adapters.sql.suppressions import SqlSuppressionRepository
from adapters.sql.test_messages import SqlTestMessages
from adapters.sql.work_queue import SqlWorkQueue
from adapters.system_clock import SystemClock
from domain.errors import TryLater
from domain.message_id import MessageIds
from entrypoints.settings import Settings
from services.confirm_subscription import ConfirmSubscription
from services.dispatch import DispatchChunk
from services.dispatcher import Dispatcher
from services.find_callback_provider import FindCallbackProvider
from services.flight import Flight
from services.journal import Journal
from services.places import Places
from services.ports import (
    CampaignRepository,
    Clock,
    EspMessages,
    EventLog,
    EventSearch,
    KeptRequests,
    Limiter,
    ProviderRepository,
    SignatureUses,
    SignatureVerifier,
    Storage,
    SuppressionRepository,
    TestMessages,
    Transport,
    UnreadableKeys,
    WorkQueue,
)
from services.read_webhook import ReadWebhook
from services.record_callback import RecordCallback
from services.record_webhook import RecordWebhook
from services.renderers import Renderers
from services.send_campaign import SendCampaign
from services.send_test_email import SendTestEmail
from services.settle_request import SettleRequest


class CannotStart(Exception):
    """What is set up does not fit together; the message says what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The ports of one process, all on one database, and the keys of its messages."""

    clock: Clock
    storage: Storage
    providers: ProviderRepository
    campaigns: CampaignRepository
    suppressions: SuppressionRepository
    log: EventLog
    search: EventSearch
    queue: WorkQueue
    limiter: Limiter
    tests: TestMessages
    esp_messages: EspMessages
    kept_requests: KeptRequests
    signature_uses: SignatureUses
    unreadable_keys: UnreadableKeys
    message_ids: MessageIds

    def send_campaign(self) -> SendCampaign:
        return SendCampaign(
            campaigns=self.campaigns,
            providers=self.providers,
            new_ledger=SpooledAddressLedger,
            clock=self.clock,
        )

    def send_test_email(self, transport: Transport) -> SendTestEmail:
        return SendTestEmail(
            providers=self.providers,
            tests=self.tests,
            esp_messages=self.esp_messages,
            transport=transport,
            limiter=self.limiter,
            message_ids=self.message_ids,
            clock=self.clock,
        )

    def find_callback_provider(self) -> FindCallbackProvider:
        return FindCallbackProvider(self.providers.by_callback_token, self.clock)

    def record_callback(self) -> RecordCallback:
        return RecordCallback(self.log, self.message_ids, self.clock)

    def read_webhook(self) -> ReadWebhook:
        return ReadWebhook(self.message_ids, self.esp_messages)

    def confirm_subscription(self, transport: Transport) -> ConfirmSubscription:
        return ConfirmSubscription(transport)

    def dispatcher(self, transport: Transport, *, name: str, processes: int = 1) -> Dispatcher:
        """One of `processes` that share the providers' limits."""
        settle = SettleRequest(
            providers=self.providers,
            campaigns=self.campaigns,
            clock=self.clock,
            # Spreads retries out; nobody gains by guessing it.
            chance=random.random,
        )
        places = Places(processes=processes)
        dispatch = DispatchChunk(
            journal=Journal(self.queue),
            providers=self.providers,
            suppressions=self.suppressions,
            limiter=self.limiter,
            places=places,
            renderers=Renderers(self.message_ids),
            flights=partial(
                Flight,
                transport=transport,
                message_ids=self.message_ids,
                places=places,
                settle=settle,
                clock=self.clock,
            ),
            clock=self.clock,
        )
        return Dispatcher(
            name=name,
            queue=self.queue,
            campaigns=self.campaigns,
            dispatch=dispatch,
            clock=self.clock,
        )


@asynccontextmanager
async def parts(settings: Settings) -> AsyncIterator[Parts]:
    """Opens the database, brought to the present schema, and closes it afterwards.

    Raises CannotStart where it cannot be opened, or where the master key cannot be had safely or is
    another database's.
    """
    async with _database(settings) as database:
        with _told():
            master = await _master_key(settings, database)
            await claim_key(database, derive(master, "key check"))
        yield _parts(database, master)


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    with _told():
        _make_data_dir(settings)
        database = await open_database(settings.database_url, clock=SystemClock())
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def _told() -> Iterator[None]:
    """Turns what stops a start into CannotStart, which names the setting."""
    try:
        yield
    except DatabaseRefused as refused:
        raise CannotStart(f"database_url: {refused}") from refused
    except TryLater as busy:
        raise CannotStart(f"database_url: {busy}") from busy
    except (KeyFileRefused, WrongKey) as refused:
        raise CannotStart(str(refused)) from refused


def _make_data_dir(settings: Settings) -> None:
    """Makes the folder, for its owner alone, unless both that it is for are elsewhere."""
    file = file_of(settings.database_url)
    if settings.secret_key is not None and (file is None or file.parent != settings.data_dir):
        return
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = f"data_dir: {settings.data_dir} cannot be made ({error.strerror})"
        raise CannotStart(why) from error


async def _master_key(settings: Settings, database: Database) -> bytes:
    """A key is only made for a database that has none: for any other it would be a wrong one."""
    given = settings.master_key()
    if given is not None:
        return given
    if await is_claimed(database):
        return load(settings.key_file)
    return load_or_create(settings.key_file)


def _parts(database: Database, master: bytes) -> Parts:
    log = SqlEventLog(database)
    return Parts(
        clock=database.clock,
        storage=database,
        providers=SqlProviderRepository(database, SecretBox(derive(master, "provider secrets"))),
        campaigns=SqlCampaignRepository(database),
        suppressions=SqlSuppressionRepository(database),
        log=log,
        search=log,
        queue=SqlWorkQueue(database),
        limiter=SqlLimiter(database),
        tests=SqlTestMessages(database),
        esp_messages=SqlEspMessages(database),
        kept_requests=SqlKeptRequests(database),
        signature_uses=SqlSignatureUses(database),
        unreadable_keys=unreadable_keys,
        message_ids=MessageIds(derive(master, "message ids")),
    )


@asynccontextmanager
async def transport(settings: Settings) -> AsyncIterator[Transport]:
    """The way to the ESPs; what is in flight is waited for at the end."""
    options = CurlOptions(
        user_agent=f"Espalier/{version('espalier')}",
        ca_file=str(_ca_file(settings)),
        drain_timeout=settings.drain_seconds,
        allow_address=None if settings.allow_private_addresses else is_public,
    )
    curl = CurlTransport(options)
    try:
        yield SigningTransport(curl, SystemClock())
    finally:
        await curl.close()


def signature_verifier(parts: Parts, transport: Transport, settings: Settings) -> SignatureVerifier:
    """Of one process; what it remembers of requests is shared by all."""
    certificates = SnsCertificates(transport, Authorities(_ca_file(settings)), parts.clock)
    return WebhookSignatures(
        uses=parts.signature_uses, certificates=certificates, clock=parts.clock
    )


def record_webhook(parts: Parts, transport: Transport, settings: Settings) -> RecordWebhook:
    return RecordWebhook(
        log=parts.log,
        read=parts.read_webhook(),
        record_callback=parts.record_callback(),
        signatures=signature_verifier(parts, transport, settings),
        confirm=parts.confirm_subscription(transport),
        clock=parts.clock,
    )


def _ca_file(settings: Settings) -> Path:
    """Whom servers and certificates are checked against."""
    return Path(certifi.where()) if settings.ca_file is None else settings.ca_file
