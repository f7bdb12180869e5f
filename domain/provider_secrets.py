"""The secrets of a configuration, apart from it: so it can be stored and shown without them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from domain.provider import ProviderConfig
from domain.webhook_mapping import WebhookMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretValues:
    """In the order of the configuration; an empty text stands for a header that is no secret."""

    password: str = field(default="", repr=False)
    headers: tuple[str, ...] = field(default=(), repr=False)
    secret_access_key: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    signatures: tuple[tuple[str, ...], ...] = field(default=(), repr=False)


NONE = SecretValues()


def secret_values(config: ProviderConfig) -> SecretValues:
    """All secrets that the configuration holds."""
    signatures = config.webhook.signatures if config.webhook else ()
    return SecretValues(
        password=config.basic.password if config.basic else "",
        headers=tuple(header.value if header.secret else "" for header in config.headers),
        secret_access_key=config.aws_signature.secret_access_key if config.aws_signature else "",
        secrets=tuple(secret.value for secret in config.secrets),
        signatures=tuple(signature.secrets for signature in signatures),
    )


def with_secret_values(config: ProviderConfig, values: SecretValues) -> ProviderConfig:
    """The configuration with `values` in the places of its secrets; what they lack is empty."""
    basic, aws, webhook = config.basic, config.aws_signature, config.webhook
    headers = _padded(values.headers, len(config.headers))
    secrets = _padded(values.secrets, len(config.secrets))
    return replace(
        config,
        basic=basic and replace(basic, password=values.password),
        aws_signature=aws and replace(aws, secret_access_key=values.secret_access_key),
        headers=tuple(
            replace(header, value=value) if header.secret else header
            for header, value in zip(config.headers, headers, strict=True)
        ),
        secrets=tuple(
            replace(secret, value=value)
            for secret, value in zip(config.secrets, secrets, strict=True)
        ),
        webhook=webhook and _with_signatures(webhook, values.signatures),
    )


def _with_signatures(webhook: WebhookMapping, values: Sequence[tuple[str, ...]]) -> WebhookMapping:
    missing = len(webhook.signatures) - len(values)
    filled = zip(webhook.signatures, (*values, *[()] * missing), strict=False)
    signatures = tuple(replace(signature, secrets=secrets) for signature, secrets in filled)
    return replace(webhook, signatures=signatures)


def _padded(values: Sequence[str], count: int) -> tuple[str, ...]:
    return (*values[:count], *[""] * (count - len(values)))
