"""The rules for what a provider's requests get in by beside Basic: AWS keys, and named secrets."""

import re
from collections.abc import Iterator

from domain.body import read
from domain.errors import InvalidRequest, Violation
from domain.forms import secrets_named
from domain.header_syntax import MAX_VALUE_CHARACTERS
from domain.jsonc import Object, String, nodes
from domain.masking import SHORTEST_SECRET
from domain.provider import AwsSignature, ProviderConfig, RequestType, Secret

MAX_SECRETS = 50
# Regions and services are far shorter; their names become part of what is signed.
_SCOPE = re.compile(r"[a-z0-9-]{1,64}")
_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9]{1,128}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_UNPRINTABLE = re.compile(r"[^!-~]")
_MAX_KEY_CHARACTERS = 1024
# The signer writes them; it refuses a request that has them already.
_OF_THE_SIGNER = frozenset(
    {"authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}
)
_AWS = "authentication.aws_signature"


def check_aws_signature(config: ProviderConfig, aws: AwsSignature) -> Iterator[Violation]:
    """The fields of a signature, and the headers that are its own."""
    for name, value in (("region", aws.region), ("service", aws.service)):
        if not _SCOPE.fullmatch(value):
            example = "eu-west-1" if name == "region" else "ses"
            message = f"must be 1 to 64 lower-case letters, digits and dashes, such as {example}"
            yield Violation(field=f"{_AWS}.{name}", reason="INVALID_NAME", message=message)
    if not _ACCESS_KEY_ID.fullmatch(aws.access_key_id):
        message = "must be 1 to 128 letters and digits, as AWS shows it beside the secret key"
        yield Violation(field=f"{_AWS}.access_key_id", reason="INVALID_KEY_ID", message=message)
    yield from _check_key(aws.secret_access_key, f"{_AWS}.secret_access_key")
    for i, header in enumerate(config.headers):
        if header.name.lower() in _OF_THE_SIGNER:
            message = "is what authentication.aws_signature sends already; remove this header"
            field = f"headers[{i}].name"
            yield Violation(field=field, reason="AUTHORIZATION_TWICE", message=message)


def check_secrets(config: ProviderConfig) -> Iterator[Violation]:
    """The secrets themselves; then the names in the templates that there is no secret of."""
    if len(config.secrets) > MAX_SECRETS:
        message = f"are {len(config.secrets)}, and {MAX_SECRETS} are allowed; remove some"
        yield Violation(field="secrets", reason="TOO_MANY", message=message)
    first: dict[str, int] = {}
    for i, secret in enumerate(config.secrets):
        yield from _check_secret(secret, f"secrets[{i}]")
        twin = first.setdefault(secret.name, i)
        if twin != i:
            message = f"is the name of secrets[{twin}] too; choose another"
            yield Violation(field=f"secrets[{i}].name", reason="DUPLICATE_NAME", message=message)
    yield from _undeclared(config)


def _check_secret(secret: Secret, field: str) -> Iterator[Violation]:
    if not _NAME.fullmatch(secret.name):
        message = "must be 1 to 63 letters, digits and underscores, and not begin with a digit"
        yield Violation(field=f"{field}.name", reason="INVALID_NAME", message=message)
    fault = None
    if not secret.value:
        reason, fault = "REQUIRED", "is missing, and none is stored for this name; give the value"
    elif len(secret.value) < SHORTEST_SECRET:
        reason = "TOO_SHORT"
        fault = (
            f"is shorter than {SHORTEST_SECRET} characters, and could not be masked; "
            "write what is no secret into the template itself"
        )
    elif len(secret.value) > MAX_VALUE_CHARACTERS:
        reason, fault = "TOO_LONG", f"is longer than {MAX_VALUE_CHARACTERS:,} characters"
    else:
        return
    yield Violation(field=f"{field}.value", reason=reason, message=fault)


def _check_key(key: str, field: str) -> Iterator[Violation]:
    if not key:
        message = "is missing, and none is stored; give the secret access key"
        yield Violation(field=field, reason="REQUIRED", message=message)
    if _UNPRINTABLE.search(key):
        message = "holds a blank, a line break or another character that no key of AWS has"
        yield Violation(field=field, reason="INVALID_CHARACTER", message=message)
    if len(key) > _MAX_KEY_CHARACTERS:
        message = f"is longer than {_MAX_KEY_CHARACTERS:,} characters"
        yield Violation(field=field, reason="TOO_LONG", message=message)


def _undeclared(config: ProviderConfig) -> Iterator[Violation]:
    told = {secret.name for secret in config.secrets}
    for field, text in _templates(config):
        for name in secrets_named(text):
            if name in told:
                continue
            told.add(name)
            message = f"names `$$secret.{name}`, and no entry of secrets has that name; add it"
            yield Violation(field=field, reason="SECRET_MISSING", message=message)


def _templates(config: ProviderConfig) -> Iterator[tuple[str, str]]:
    """Every text in which secrets are put, and its field."""
    yield "http_endpoint", config.http_endpoint
    for i, header in enumerate(config.headers):
        yield f"headers[{i}].value", header.value
    for i, parameter in enumerate(config.query_parameters):
        yield f"query_parameters[{i}].value", parameter.value
    if config.request_type is RequestType.POST:
        yield from (("parameters", text) for text in _strings(config.parameters))


def _strings(parameters: str) -> Iterator[str]:
    """None of what is no template; that it is none is among the template's own rules."""
    try:
        root = read(parameters)
    except InvalidRequest:
        return
    for node in nodes(root):
        if isinstance(node, String):
            yield node.value
        if isinstance(node, Object):
            yield from (key.value for key, _ in node.members)
