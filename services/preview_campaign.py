"""Shows the requests that a campaign would make. Nothing is stored and nothing is sent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from domain.address import address_key
from domain.campaign import CampaignSpec, Content, Recipient
from domain.campaign_advice import advise
from domain.chunk import CHUNK_SIZE, OpenRequest
from domain.errors import Advice, InvalidRequest, Violation
from domain.idempotency import request_key, with_key
from domain.masking import mask_request
from domain.message import MessageState
from domain.message_id import MessageIds
from domain.provider import Provider, ProviderConfig
from domain.rendering import Message, RenderedRequest, Renderer
from domain.suppression import Suppression
from services.content import NO_CAMPAIGN, check_draft, complete
from services.ports import ProviderRepository, Refused, SuppressionRepository
from services.refusals import NO_RECIPIENTS, check_recipients, duplicate, refusal, rejected

# One chunk: the batches of a campaign begin anew with each of them.
MAX_RECIPIENTS = CHUNK_SIZE
# Of bodies, which an answer shows twice: plain, and in a command. The largest content fits in once.
MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a campaign would do, its recipients named by their places in the call.

    `requests` are in the order in which they would be made, with the secrets of `config` masked,
    the configuration that they were made with. `rejections` are the recipients that would get
    nothing: REJECTED, DUPLICATE or SUPPRESSED, in their order.
    """

    config: ProviderConfig
    requests: Sequence[RenderedRequest]
    rejections: Sequence[Refused]
    advice: Sequence[Advice]


class PreviewCampaign:
    """Checks as SendCampaign does, but for request id and times, which a preview ignores.

    A recipient that gets nothing is told as a rejection also where no other is left and
    SendCampaign would refuse the call; there is advice on it. Raises InvalidRequest, NotFound for
    the provider.
    """

    def __init__(
        self,
        *,
        providers: ProviderRepository,
        suppressions: SuppressionRepository,
        message_ids: MessageIds,
    ) -> None:
        self._providers = providers
        self._suppressions = suppressions
        self._message_ids = message_ids

    async def __call__(self, spec: CampaignSpec, recipients: Sequence[Recipient]) -> Preview:
        faults = chain(check_draft(spec), _check_recipients(recipients))
        provider, content = await complete(spec, self._providers, faults)
        renderer = Renderer(
            provider.config,
            content,
            campaign_id=str(NO_CAMPAIGN),
            message_ids=lambda ordinals: [self._message_ids.preview_message(o) for o in ordinals],
        )
        addresses = [*(recipient.email for recipient in recipients), *content.cc, *content.bcc]
        found = await self._suppressions.suppressed({address_key(each) for each in addresses})
        drawn = _Drawing(provider, content, renderer, found, self._message_ids)
        drawn.draw(recipients)
        return Preview(
            config=provider.config,
            requests=drawn.requests,
            rejections=sorted(drawn.rejections, key=lambda each: each.ordinal),
            advice=[*advise(spec.content, provider.config), *drawn.advice()],
        )


class _Drawing:
    """The requests and rejections of one preview."""

    def __init__(
        self,
        provider: Provider,
        content: Content,
        renderer: Renderer,
        suppressed: Mapping[str, Suppression],
        message_ids: MessageIds,
    ) -> None:
        self._message_ids = message_ids
        self.requests: list[RenderedRequest] = []
        self.rejections: list[Refused] = []
        self._provider = provider
        self._content = content
        self._renderer = renderer
        self._suppressed = suppressed
        self._keys: set[str] = set()

    def draw(self, recipients: Sequence[Recipient]) -> None:
        messages: list[Message] = []
        for ordinal, recipient in enumerate(recipients):
            refused = self._refused(ordinal, recipient)
            if refused is None:
                messages.append((ordinal, recipient))
            else:
                self.rejections.append(refused)
        content = self._content
        size = sum(len(t.encode()) for t in (content.html, content.plaintext, content.amp_html))
        # Asked before anything is made: a short call can ask for gigabytes.
        _raise_if_too_large(size * len(messages))
        self._render(messages)

    def advice(self) -> Iterator[Advice]:
        for field, copies in (("cc", self._content.cc), ("bcc", self._content.bcc)):
            for i, email in enumerate(copies):
                if address_key(email) in self._suppressed:
                    message = f"{email} is suppressed, and left out of every message"
                    yield Advice(
                        field=f"campaign.{field}[{i}]", reason="COPY_SUPPRESSED", message=message
                    )
        if not self.requests:
            message = "none of them would get a message; see the rejections"
            yield Advice(field="recipients", reason="NOTHING_TO_SEND", message=message)

    def _refused(self, ordinal: int, recipient: Recipient) -> Refused | None:
        """In the order in which a campaign decides: when it comes in, then when it leaves."""
        refused = refusal(ordinal, recipient, self._renderer)
        if refused is not None:
            return refused
        key = address_key(recipient.email)
        if key in self._keys:
            return duplicate(ordinal)
        self._keys.add(key)
        suppression = self._suppressed.get(key)
        return None if suppression is None else _suppressed(ordinal, suppression)

    def _render(self, messages: Sequence[Message]) -> None:
        content, config = self._content, self._provider.config
        copies = [*content.cc, *content.bcc]
        omitted = tuple(sorted({c for c in copies if address_key(c) in self._suppressed}))
        size = 0
        for made in self._renderer.render(
            messages,
            cc=[email for email in content.cc if email not in omitted],
            bcc=[email for email in content.bcc if email not in omitted],
        ):
            if not isinstance(made, RenderedRequest):
                self.rejections.append(rejected(*made))
                continue
            size += len(made.request.body or b"")
            _raise_if_too_large(size)
            keyed = with_key(made.request, config.idempotency_key, self._key(made, omitted))
            self.requests.append(RenderedRequest(made.ordinals, mask_request(keyed, config)))

    def _key(self, made: RenderedRequest, omitted: tuple[str, ...]) -> str:
        request = OpenRequest(
            ordinals=made.ordinals, provider_version=self._provider.version, omitted=omitted
        )
        return request_key(self._message_ids, NO_CAMPAIGN, request)


def _check_recipients(recipients: Sequence[Recipient]) -> Iterable[Violation]:
    if not recipients:
        return [NO_RECIPIENTS]
    if len(recipients) > MAX_RECIPIENTS:
        message = f"are {len(recipients):,}, and a preview takes {MAX_RECIPIENTS:,}; give fewer"
        return [Violation(field="recipients", reason="TOO_MANY", message=message)]
    return check_recipients(0, recipients)


def _raise_if_too_large(size: int) -> None:
    if size > MAX_BYTES:
        mebibytes = MAX_BYTES // 1024**2
        message = f"would get more than {mebibytes} MiB of requests; preview fewer of them"
        violation = Violation(field="recipients", reason="PREVIEW_TOO_LARGE", message=message)
        raise InvalidRequest([violation])


def _suppressed(ordinal: int, suppression: Suppression) -> Refused:
    why = suppression.reason.value.lower().replace("_", " ")
    return Refused(
        ordinal=ordinal,
        state=MessageState.SUPPRESSED,
        reason="ADDRESS_SUPPRESSED",
        message=f"the address is suppressed: {why}",
    )
