"""Creates a provider, or replaces one as a whole but for the secrets that are not given again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from domain import provider_rules
from domain.errors import Advice, Conflict, InvalidRequest, NotFound, Violation
from domain.provider import Provider, ProviderConfig
from domain.stored_secrets import with_stored_secrets
from domain.webhook_mapping import Signature
from services.ports import ProviderRepository, UnreadableKeys


def _any_key_will_do(_: Signature) -> Iterator[Violation]:
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A configuration that was found right, and the provider that has it.

    With `validate_only` nothing was stored: `provider` would be replaced by one with this
    configuration, or is None where it would be new. Its other fields are those of today.
    """

    config: ProviderConfig
    provider: Provider | None
    advice: Sequence[Advice]
    is_new: bool


class ConfigureProvider:
    """An empty secret in what is wanted means the stored one, as long as it goes to the same place.

    Raises InvalidRequest with all violations (field paths of the configuration). Where an etag is
    given, NotFound if there is no such provider, and Conflict if its etag is another one.
    """

    def __init__(
        self,
        providers: ProviderRepository,
        *,
        unreadable_keys: UnreadableKeys = _any_key_will_do,
    ) -> None:
        self._providers = providers
        self._unreadable_keys = unreadable_keys

    async def __call__(
        self, wanted: ProviderConfig, *, etag: str = "", validate_only: bool = False
    ) -> Configured:
        change = _Change(wanted, etag, self._unreadable_keys)
        # What is wrong now is told without a transaction, which would hold up all who write.
        present = await self._present(wanted.nickname)
        config = change.of(present)
        if validate_only:
            return Configured(
                config=config, provider=present, advice=change.advice, is_new=present is None
            )
        provider, is_new = await self._providers.configure(wanted.nickname, change.of)
        return Configured(
            config=provider.config, provider=provider, advice=change.advice, is_new=is_new
        )

    async def _present(self, nickname: str) -> Provider | None:
        try:
            return await self._providers.get(nickname)
        except NotFound:
            return None


class _Change:
    """What one call wants made of whatever is stored; `advice` is that on the last result."""

    def __init__(self, wanted: ProviderConfig, etag: str, unreadable_keys: UnreadableKeys) -> None:
        self._wanted = wanted
        self._unreadable_keys = unreadable_keys
        self._etag = etag
        self._checked: ProviderConfig | None = None
        self.advice: Sequence[Advice] = ()

    def of(self, present: Provider | None) -> ProviderConfig:
        """The configuration to store; raises what ConfigureProvider raises."""
        if self._etag:
            _raise_if_another(present, self._etag, self._wanted.nickname)
        config, given_up = self._wanted, list[Violation]()
        if present is not None:
            config, given_up = with_stored_secrets(config, present.config)
        # Within the transaction it is nearly always the same: a large template is parsed once.
        if config != self._checked:
            self._check(config, {violation.field: violation for violation in given_up})
        return config

    def _check(self, config: ProviderConfig, given_up: dict[str, Violation]) -> None:
        violations, advice = provider_rules.check(config)
        violations = [*violations, *self._keys_at_fault(config)]
        if violations:
            # To the rules such a secret is just missing; why it is, is more use.
            raise InvalidRequest([given_up.get(v.field, v) for v in violations])
        self._checked, self.advice = config, advice

    def _keys_at_fault(self, config: ProviderConfig) -> Iterator[Violation]:
        signatures = () if config.webhook is None else config.webhook.signatures
        for index, signature in enumerate(signatures):
            for fault in self._unreadable_keys(signature):
                yield replace(fault, field=f"webhook.signatures[{index}].{fault.field}")


def _raise_if_another(present: Provider | None, etag: str, nickname: str) -> None:
    if present is None:
        # Whoever read an etag knew it: it was deleted since, or the name is another one.
        raise NotFound("provider", nickname)
    if present.etag != etag:
        raise Conflict("provider", nickname)
