"""The services of the API over the parts of a process."""

from collections.abc import Sequence

from google.protobuf.descriptor import FileDescriptor

from entrypoints.bootstrap import Parts
from entrypoints.provider_service import ProviderService
from entrypoints.serve.api import Servicer
from entrypoints.suppression_service import SuppressionService
from espalier.v1 import provider_pb2, provider_pb2_grpc, suppression_pb2, suppression_pb2_grpc
from services.configure_provider import ConfigureProvider


def servicers(parts: Parts, *, public_base_url: str) -> Sequence[Servicer]:
    """All of them; `public_base_url` is where callback URLs start."""
    providers = ProviderService(
        configure=ConfigureProvider(parts.providers),
        providers=parts.providers,
        clock=parts.clock,
        public_base_url=public_base_url,
    )
    suppressions = SuppressionService(
        suppressions=parts.suppressions, message_ids=parts.message_ids, clock=parts.clock
    )
    return [
        Servicer(
            name=_name(provider_pb2.DESCRIPTOR),
            add=lambda server: provider_pb2_grpc.add_ProviderServiceServicer_to_server(
                providers, server
            ),
        ),
        Servicer(
            name=_name(suppression_pb2.DESCRIPTOR),
            add=lambda server: suppression_pb2_grpc.add_SuppressionServiceServicer_to_server(
                suppressions, server
            ),
        ),
    ]


def _name(file: FileDescriptor) -> str:
    """The full name of the one service of a file."""
    (service,) = file.services_by_name.values()
    return service.full_name
