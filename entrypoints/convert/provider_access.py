"""What a provider's requests get in by: authentication and secrets. They only go in."""

from domain.provider import AwsSignature, BasicAuthentication, ProviderConfig, Secret
from espalier.v1 import provider_pb2


def read_basic(message: provider_pb2.Authentication) -> BasicAuthentication | None:
    if message.WhichOneof("method") != "basic":
        return None
    return BasicAuthentication(username=message.basic.username, password=message.basic.password)


def read_aws_signature(message: provider_pb2.Authentication) -> AwsSignature | None:
    if message.WhichOneof("method") != "aws_signature":
        return None
    aws = message.aws_signature
    return AwsSignature(
        region=aws.region,
        service=aws.service,
        access_key_id=aws.access_key_id,
        secret_access_key=aws.secret_access_key,
    )


def read_secret(message: provider_pb2.Secret) -> Secret:
    return Secret(name=message.name, value=message.value)


def to_authentication(config: ProviderConfig) -> provider_pb2.Authentication | None:
    """Says whether there are secrets, and not which."""
    basic, aws = config.basic, config.aws_signature
    if basic is not None:
        return provider_pb2.Authentication(
            basic=provider_pb2.BasicAuthentication(
                username=basic.username, password_set=bool(basic.password)
            )
        )
    if aws is not None:
        return provider_pb2.Authentication(
            aws_signature=provider_pb2.AwsSignature(
                region=aws.region,
                service=aws.service,
                access_key_id=aws.access_key_id,
                secret_access_key_set=bool(aws.secret_access_key),
            )
        )
    return None


def to_secret(secret: Secret) -> provider_pb2.Secret:
    return provider_pb2.Secret(name=secret.name, value_set=bool(secret.value))
