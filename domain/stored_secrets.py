"""Which of the stored secrets stay where a configuration leaves its own empty."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from domain import http_rules
from domain.errors import Violation
from domain.provider import (
    AwsSignature,
    BasicAuthentication,
    Header,
    ProviderConfig,
    Secret,
)
from domain.webhook_mapping import Signature, SignatureScheme, WebhookMapping

_DEFAULT_PORTS = {"http": 80, "https": 443}


def with_stored_secrets(
    wanted: ProviderConfig, stored: ProviderConfig
) -> tuple[ProviderConfig, list[Violation]]:
    """`wanted` with its empty secrets filled in, and one violation for each that must not be.

    What is sent goes only where it was meant to: to the scheme, host and port that it is stored
    for. The secrets of webhook signatures are sent nowhere, and stay in any case.
    """
    webhook = wanted.webhook and _with_signatures(wanted.webhook, stored.webhook)
    wanted = replace(wanted, webhook=webhook)
    filled = replace(
        wanted,
        basic=_basic(wanted.basic, stored.basic),
        aws_signature=_aws_signature(wanted.aws_signature, stored.aws_signature),
        headers=_headers(wanted.headers, stored.headers),
        secrets=_secrets(wanted.secrets, stored.secrets),
    )
    if server_of(wanted.http_endpoint) == server_of(stored.http_endpoint):
        return filled, []
    return wanted, _given_up(wanted, filled)


def _given_up(wanted: ProviderConfig, filled: ProviderConfig) -> list[Violation]:
    fields = []
    if wanted.basic != filled.basic:
        fields.append("authentication.basic.password")
    if wanted.aws_signature != filled.aws_signature:
        fields.append("authentication.aws_signature.secret_access_key")
    headers = zip(wanted.headers, filled.headers, strict=True)
    fields += [f"headers[{i}].value" for i, (own, other) in enumerate(headers) if own != other]
    secrets = zip(wanted.secrets, filled.secrets, strict=True)
    fields += [f"secrets[{i}].value" for i, (own, other) in enumerate(secrets) if own != other]
    return [_moved(field) for field in fields]


def _basic(
    wanted: BasicAuthentication | None, stored: BasicAuthentication | None
) -> BasicAuthentication | None:
    if wanted is None or wanted.password or stored is None:
        return wanted
    return replace(wanted, password=stored.password)


def _aws_signature(wanted: AwsSignature | None, stored: AwsSignature | None) -> AwsSignature | None:
    if wanted is None or wanted.secret_access_key or stored is None:
        return wanted
    return replace(wanted, secret_access_key=stored.secret_access_key)


def _headers(wanted: Sequence[Header], stored: Sequence[Header]) -> tuple[Header, ...]:
    # Only what is a secret already: a readable value does not become one by itself.
    secrets = {header.name.lower(): header.value for header in stored if header.secret}
    return tuple(
        replace(header, value=secrets.get(header.name.lower(), ""))
        if header.secret and not header.value
        else header
        for header in wanted
    )


def _secrets(wanted: Sequence[Secret], stored: Sequence[Secret]) -> tuple[Secret, ...]:
    values = {secret.name: secret.value for secret in stored}
    return tuple(
        secret if secret.value else replace(secret, value=values.get(secret.name, ""))
        for secret in wanted
    )


def _with_signatures(wanted: WebhookMapping, stored: WebhookMapping | None) -> WebhookMapping:
    """The n-th signature of a scheme gets the secrets of the n-th that is stored."""
    kept: dict[SignatureScheme, list[Signature]] = defaultdict(list)
    for signature in stored.signatures if stored else ():
        kept[signature.scheme].append(signature)
    signatures = []
    for signature in wanted.signatures:
        own = kept[signature.scheme].pop(0) if kept[signature.scheme] else None
        if own is not None and not signature.secrets:
            signature = replace(signature, secrets=own.secrets)
        signatures.append(signature)
    return replace(wanted, signatures=tuple(signatures))


def server_of(endpoint: str) -> tuple[str, str, int] | None:
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
