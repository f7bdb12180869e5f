"""The tables. Integers are the keys: a campaign has a number, a recipient its ordinal.

Recipients are stored by the chunk, a thousand to a row, and so is what became of them: a message
has a row of its own only where it differs from its chunk. Times are epoch seconds. Migrations are
the authority for a database that exists; a test compares them with what stands here.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from domain.message import MessageState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts rows up by itself only for a column that is called INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")

# Campaigns of few recipients are claimed before all others.
SMALL_LANE, LARGE_LANE = 0, 1

# One row: the key that this database belongs to, and the ends of the log. `last_position` is
# raised in the transaction that appends, so that positions become visible in their order.
installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("key_check", LargeBinary, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    Column("folded_position", BigInteger, nullable=False),
)

providers = Table(
    "providers",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("nickname", String(63), nullable=False),
    # The nickname in lower case; NULL once the provider was deleted, which frees it.
    Column("nickname_key", String(63), unique=True),
    Column("callback_token", String(64), nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Column("paused_until", Float(53)),
    Column("pause_reason", Text, nullable=False, default=""),
    # How many requests have an intent and no outcome, over all processes.
    Column("in_flight", Integer, nullable=False, default=0),
    # The circuit breaker (domain.circuit): failures in a row, how often it has opened since the
    # last success, until when nothing is tried, and what the last failure was.
    Column("failures", Integer, nullable=False, default=0),
    Column("opened", Integer, nullable=False, default=0),
    Column("open_until", Float(53), nullable=False, default=0.0),
    Column("failure", Text, nullable=False, default=""),
    # Theoretical arrival times of the rate limits (GCRA): when the next slot is free.
    Column("next_request_at", Float(53), nullable=False, default=0.0),
    Column("next_message_at", Float(53), nullable=False, default=0.0),
)

provider_versions = Table(
    "provider_versions",
    metadata,
    Column("provider_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    # JSON without secrets, and the secrets sealed by the installation's key.
    Column("config", Text, nullable=False),
    Column("secrets", LargeBinary, nullable=False),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("number", Id, primary_key=True, autoincrement=True),
    # NULL until the campaign is accepted: nobody sees it before.
    Column("request_id", String(128), unique=True),
    Column("fingerprint", LargeBinary),
    Column("provider_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    # JSON: the content's envelope (subject, from, reply-to, cc, bcc), which listings show.
    Column("envelope", Text, nullable=False),
    Column("guarantee", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("state_reason", Text, nullable=False, default=""),
    Column("recipients", BigInteger, nullable=False, default=0),
    Column("send_at", Float(53)),
    Column("send_before", Float(53)),
    Column("lane", SmallInteger, nullable=False, default=LARGE_LANE),
    Column("claimed_at", Float(53), nullable=False, default=0.0),
    Column("created_at", Float(53), nullable=False),
    Column("started_at", Float(53)),
    Column("ended_at", Float(53)),
    Index(None, "state", "lane", "claimed_at"),
    Index(None, "provider_id", "state"),
    sqlite_autoincrement=True,
)

# The bodies and replacements, apart from the campaign: a listing need not read them.
contents = Table(
    "contents",
    metadata,
    Column("campaign_number", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

chunks = Table(
    "chunks",
    metadata,
    Column("campaign_number", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("size", Integer, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("epoch", Integer, nullable=False, default=0),
    # Raised with every change of it while a worker has it, so that one need not be read again.
    Column("revision", Integer, nullable=False, default=0),
    Column("worker", String(64), nullable=False, default=""),
    Column("lease_until", Float(53), nullable=False, default=0.0),
    Column("not_before", Float(53), nullable=False, default=0.0),
    # Bit i of the little-endian number: message i of the chunk has no durable outcome.
    Column("open", LargeBinary, nullable=False),
    # JSON: the requests that were formed and have no final outcome (domain.chunk.OpenRequest).
    Column("requests", Text, nullable=False, default="[]"),
    # How many of its messages are in each state. They always add up to `size`.
    *(Column(state.value.lower(), Integer, nullable=False, default=0) for state in MessageState),
    Index(None, "campaign_number", "state", "not_before"),
    Index(None, "state", "lease_until"),
)

recipients = Table(
    "recipients",
    metadata,
    Column("campaign_number", BigInteger, primary_key=True, autoincrement=False),
    Column("chunk_number", Integer, primary_key=True, autoincrement=False),
    # zlib of JSON: [[email, name, replacements], ...], the last two left out where empty.
    Column("body", LargeBinary, nullable=False),
)

# The messages whose state is not what their chunk says.
messages = Table(
    "messages",
    metadata,
    Column("campaign_number", BigInteger, primary_key=True, autoincrement=False),
    Column("ordinal", BigInteger, primary_key=True, autoincrement=False),
    Column("state", SmallInteger, nullable=False),
    Column("reason", String(64), nullable=False, default=""),
    Column("detail", Text, nullable=False, default=""),
    Column("updated_at", Float(53), nullable=False),
    # When the answer to its last request was lost, whatever became of it since.
    Column("lost_at", Float(53)),
)

# The messages that were sent again though they may have gone out before: their rows in `messages`
# are gone with that, and the evidence stays here.
resends = Table(
    "resends",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("campaign_number", BigInteger, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("lost_at", Float(53), nullable=False),
    Column("detail", Text, nullable=False),
    Column("resent_at", Float(53), nullable=False),
    Index(None, "campaign_number", "ordinal"),
)

events = Table(
    "events",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(8), nullable=False),
    Column("provider_id", BigInteger, nullable=False),
    Column("message_kind", SmallInteger, nullable=False),
    # The campaign's number, or the test's.
    Column("number", BigInteger, nullable=False),
    # The message of a CALLBACK; the first of the others.
    Column("ordinal", BigInteger, nullable=False),
    # JSON: ranges [[first, last], ...] of SENT and FAILED; NULL where `ordinal` says it all.
    Column("ordinals", Text),
    Column("reason", Text, nullable=False, default=""),
    Column("callback_type", String(16)),
    Column("email", Text, nullable=False, default=""),
    Column("description", Text),
    Column("occurred_at", Float(53), nullable=False),
    Column("received_at", Float(53), nullable=False),
    # Tells a callback from its repeats; NULL for the others, which never repeat.
    Column("digest", BigInteger),
    UniqueConstraint("message_kind", "number", "ordinal", "digest"),
    # The events of one campaign in their order.
    Index(None, "message_kind", "number", "position"),
)

# Requests to callback URLs as they came, kept for a while so that they can be read again: zlib of
# a line of JSON [method, headers, query], and the body.
kept_requests = Table(
    "kept_requests",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("provider_id", BigInteger, nullable=False),
    Column("received_at", Float(53), nullable=False),
    Column("keep_until", Float(53), nullable=False),
    Column("request", LargeBinary, nullable=False),
    Index(None, "provider_id", "id"),
    Index(None, "keep_until"),
)

# Callback events that belong to no message of ours, kept for replay.
unprocessed_events = Table(
    "unprocessed_events",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("provider_id", BigInteger, nullable=False),
    Column("received_at", Float(53), nullable=False),
    Column("event", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("key", String(320), primary_key=True),
    Column("email", Text, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("detail", Text, nullable=False, default=""),
    Column("event_position", BigInteger),
    Column("campaign_number", BigInteger),
    Column("ordinal", BigInteger),
    Column("provider", String(63), nullable=False, default=""),
    Column("created_at", Float(53), nullable=False),
)

test_messages = Table(
    "test_messages",
    metadata,
    Column("number", Id, primary_key=True, autoincrement=True),
    Column("provider_id", BigInteger, nullable=False),
    Column("email", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
    sqlite_autoincrement=True,
)

# What ESPs call our messages, of providers whose webhooks name messages so. An id may stand for
# several messages, which their addresses tell apart.
esp_messages = Table(
    "esp_messages",
    metadata,
    Column("provider_id", BigInteger, primary_key=True, autoincrement=False),
    Column("esp_message_id", String(512), primary_key=True),
    Column("message_kind", SmallInteger, primary_key=True, autoincrement=False),
    # The campaign's number, or the test's.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("ordinal", BigInteger, primary_key=True, autoincrement=False),
    Column("email_key", String(320), nullable=False),
    Column("stored_at", Float(53), nullable=False),
    Index(None, "message_kind", "number", "ordinal"),
)

# Signed requests of ESPs that were stored: their uses, each with the body that it came with.
signature_uses = Table(
    "signature_uses",
    metadata,
    Column("use_digest", LargeBinary(32), primary_key=True),
    Column("body_digest", LargeBinary(32), nullable=False),
    # When it may be forgotten: its timestamp is too old to be believed again.
    Column("until", Float(53), nullable=False, index=True),
)
