"""Creates a provider, or replaces one as a whole but for the secrets that are not given again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from domain import http_rules, provider_rules
from domain.errors import Advice, Conflict, InvalidRequest, NotFound, Violation
from domain.provider import BasicAuthentication, Header, Provider, ProviderConfig
from services.ports import ProviderRepository

_DEFAULT_PORTS = {"http": 80, "https": 443}


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

    def __init__(self, providers: ProviderRepository) -> None:
        self._providers = providers

    async def __call__(
        self, wanted: ProviderConfig, *, etag: str = "", validate_only: bool = False
    ) -> Configured:
        change = _Change(wanted, etag)
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

    def __init__(self, wanted: ProviderConfig, etag: str) -> None:
        self._wanted = wanted
        self._etag = etag
        self._checked: ProviderConfig | None = None
        self.advice: Sequence[Advice] = ()

    def of(self, present: Provider | None) -> ProviderConfig:
        """The configuration to store; raises what ConfigureProvider raises."""
        if self._etag:
            _raise_if_another(present, self._etag, self._wanted.nickname)
        stored = None if present is None else present.config
        config, given_up = _with_stored_secrets(self._wanted, stored)
        # Within the transaction it is nearly always the same: a large template is parsed once.
        if config != self._checked:
            self._check(config, {violation.field: violation for violation in given_up})
        return config

    def _check(self, config: ProviderConfig, given_up: dict[str, Violation]) -> None:
        violations, advice = provider_rules.check(config)
        if violations:
            # To the rules such a secret is just missing; why it is, is more use.
            raise InvalidRequest([given_up.get(v.field, v) for v in violations])
        self._checked, self.advice = config, advice


def _raise_if_another(present: Provider | None, etag: str, nickname: str) -> None:
    if present is None:
        # Whoever read an etag knew it: it was deleted since, or the name is another one.
        raise NotFound("provider", nickname)
    if present.etag != etag:
        raise Conflict("provider", nickname)


def _with_stored_secrets(
    wanted: ProviderConfig, stored: ProviderConfig | None
) -> tuple[ProviderConfig, list[Violation]]:
    """`wanted` with its empty secrets filled in, and one violation for each that must not be."""
    if stored is None:
        return wanted, []
    basic = _basic(wanted.basic, stored.basic)
    headers = _headers(wanted.headers, stored.headers)
    if _server(wanted.http_endpoint) == _server(stored.http_endpoint):
        return replace(wanted, basic=basic, headers=headers), []
    given_up = [
        _moved(f"headers[{i}].value")
        for i, (header, filled) in enumerate(zip(wanted.headers, headers, strict=True))
        if header != filled
    ]
    if basic != wanted.basic:
        given_up.append(_moved("authentication.basic.password"))
    return wanted, given_up


def _basic(
    wanted: BasicAuthentication | None, stored: BasicAuthentication | None
) -> BasicAuthentication | None:
    if wanted is None or wanted.password or stored is None:
        return wanted
    return replace(wanted, password=stored.password)


def _headers(wanted: Sequence[Header], stored: Sequence[Header]) -> tuple[Header, ...]:
    # Only what is a secret already: a readable value does not become one by itself.
    secrets = {header.name.lower(): header.value for header in stored if header.secret}
    return tuple(
        replace(header, value=secrets.get(header.name.lower(), ""))
        if header.secret and not header.value
        else header
        for header in wanted
    )


def _server(endpoint: str) -> tuple[str, str, int] | None:
    """Scheme, host and effective port; None for what is no URL to send to."""
    if http_rules.url_fault(endpoint, fragment=False) is not None:
        return None
    split = urlsplit(endpoint)
    return split.scheme, split.hostname or "", split.port or _DEFAULT_PORTS[split.scheme]


def _moved(field: str) -> Violation:
    # Else whoever may configure, and may not read secrets, has them sent to a server of their own.
    message = (
        "is stored for another server, and a stored secret stays only while scheme, host and port "
        "of http_endpoint do; give it again"
    )
    return Violation(field=field, reason="SECRET_OF_ANOTHER_SERVER", message=message)
