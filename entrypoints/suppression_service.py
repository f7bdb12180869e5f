"""`espalier.v1.SuppressionService`: the addresses that are not to be mailed."""

from collections.abc import Sequence

from domain import address
from domain.address import address_key
from domain.errors import InvalidRequest, Violation
from domain.message_id import MessageIds
from domain.suppression import Suppression, SuppressionReason
from entrypoints.convert.suppression import MAX_DETAIL_CHARACTERS, REASONS, to_suppression
from entrypoints.errors import Context
from entrypoints.paging import Paging
from espalier.v1 import suppression_pb2, suppression_pb2_grpc
from services.ports import Clock, SuppressionRepository

PAGING = Paging(listing="suppressions", default=100, most=1000)
MAX_ADDRESSES = 1000


class SuppressionService(suppression_pb2_grpc.SuppressionServiceServicer):
    """One list for all providers; addresses are compared by their keys."""

    def __init__(
        self, *, suppressions: SuppressionRepository, message_ids: MessageIds, clock: Clock
    ) -> None:
        self._suppressions = suppressions
        self._message_ids = message_ids
        self._clock = clock

    async def ListSuppressions(
        self, request: suppression_pb2.ListSuppressionsRequest, context: Context
    ) -> suppression_pb2.ListSuppressionsResponse:
        reason = REASONS.read(request.reason, "reason") if request.reason else None
        size, after = PAGING.size(request.page_size), PAGING.after(request.page_token)
        found = await self._suppressions.list(
            after=after, limit=size + 1, reason=reason, key_prefix=request.email_prefix.lower()
        )
        page, token = PAGING.page(found, size, lambda suppression: suppression.key)
        return suppression_pb2.ListSuppressionsResponse(
            suppressions=[to_suppression(each, self._message_ids) for each in page],
            next_page_token=token,
        )

    async def CheckSuppressions(
        self, request: suppression_pb2.CheckSuppressionsRequest, context: Context
    ) -> suppression_pb2.CheckSuppressionsResponse:
        _raise_if_any(_address_faults(request.emails))
        keys = [address_key(email) for email in request.emails]
        found = await self._suppressions.suppressed(keys)
        return suppression_pb2.CheckSuppressionsResponse(
            results=[
                self._checked(email, found.get(key))
                for email, key in zip(request.emails, keys, strict=True)
            ]
        )

    async def AddSuppressions(
        self, request: suppression_pb2.AddSuppressionsRequest, context: Context
    ) -> suppression_pb2.AddSuppressionsResponse:
        _raise_if_any([*_address_faults(request.emails), *_other_faults(request)])
        reason = REASONS.of_proto.get(request.reason, SuppressionReason.MANUAL)
        now = self._clock.now()
        added = await self._suppressions.add(
            [
                Suppression(
                    email=email,
                    key=address_key(email),
                    reason=reason,
                    detail=request.detail,
                    created_at=now,
                )
                for email in request.emails
            ]
        )
        return suppression_pb2.AddSuppressionsResponse(
            added_count=added, already_suppressed_count=len(request.emails) - added
        )

    async def RemoveSuppressions(
        self, request: suppression_pb2.RemoveSuppressionsRequest, context: Context
    ) -> suppression_pb2.RemoveSuppressionsResponse:
        _raise_if_any(_address_faults(request.emails))
        removed = await self._suppressions.remove({address_key(email) for email in request.emails})
        return suppression_pb2.RemoveSuppressionsResponse(
            removed_count=removed, not_found_count=len(request.emails) - removed
        )

    def _checked(
        self, email: str, suppression: Suppression | None
    ) -> suppression_pb2.CheckedAddress:
        if suppression is None:
            return suppression_pb2.CheckedAddress(email=email)
        shown = to_suppression(suppression, self._message_ids)
        return suppression_pb2.CheckedAddress(email=email, suppressed=True, suppression=shown)


def _address_faults(emails: Sequence[str]) -> list[Violation]:
    if not emails:
        message = "is empty; give at least one address"
        return [Violation(field="emails", reason="REQUIRED", message=message)]
    if len(emails) > MAX_ADDRESSES:
        message = f"are more than {MAX_ADDRESSES:,}; give the others in further calls"
        return [Violation(field="emails", reason="TOO_MANY", message=message)]
    faults = ((i, address.fault(email)) for i, email in enumerate(emails))
    return [
        Violation(
            field=f"emails[{i}]",
            reason="INVALID_ADDRESS",
            message=f"{fault}; give one address, such as ann@example.com",
        )
        for i, fault in faults
        if fault is not None
    ]


def _other_faults(request: suppression_pb2.AddSuppressionsRequest) -> list[Violation]:
    faults = []
    if request.reason and request.reason not in REASONS.of_proto:
        faults.append(REASONS.violation(request.reason, "reason"))
    if len(request.detail) > MAX_DETAIL_CHARACTERS:
        message = f"is longer than {MAX_DETAIL_CHARACTERS:,} characters; shorten it"
        faults.append(Violation(field="detail", reason="TOO_LONG", message=message))
    return faults


def _raise_if_any(violations: Sequence[Violation]) -> None:
    if violations:
        raise InvalidRequest(violations)
