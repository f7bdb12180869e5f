"""A template is bound: to a campaign, to copies, and to a policy for empty values.

Whatever these settle is settled here, once: a string without open placeholders is bytes, an element
that is repeated for each copy stands there as often, and what stays empty for everybody is left
out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.binding import Bindings, bind
from domain.body import Copies, Fixed, Hole, Items, Members, Nested, Spec, Text
from domain.columns import json_texts, json_values
from domain.forms import BoundPart, Formed, is_value
from domain.prototypes import Counter
from domain.provider import EmptyValues
from domain.replacements import Part, Placeholder
from domain.shape import Flat, Piece, Shape, Slot, State, escaped
from domain.shapes import (
    ArrayShape,
    KeptShape,
    MaybeText,
    MaybeValue,
    NestedShape,
    ObjectShape,
    flattened,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binder:
    """Binds the specs of a template: to a campaign, to copies, and to a policy for empty values."""

    bound: Bindings
    copies: Mapping[str, Sequence[str]]
    empty_values: EmptyValues

    def message(self, spec: Spec) -> Shape:
        """What stands for a whole message, or for the frame: emptiness goes no further up."""
        match spec:
            case Members(members, keyed=True):
                keyed = tuple((self._key(key), self.message(value)) for key, value in members)
                return ObjectShape(keyed, open_keys=True, kept=True, brackets=b"")
            case Members():
                return self._members(spec, kept=True)
            case Items():
                return self._items(spec, kept=True)
            case _:
                return flattened(KeptShape(self.shape(spec)))

    def shape(self, spec: Spec) -> Shape:
        match spec:
            case Fixed():
                return Flat((spec.json,), State.LITERAL)
            case Counter():
                return Flat((spec,), State.LITERAL)
            case Hole():
                pieces = (spec.brackets[:1], spec, spec.brackets[1:])
                return Flat(pieces, State.FILLED)
            case Text():
                return self._text(spec.parts)
            case Items():
                return self._items(spec)
            case Members():
                return self._members(spec)
            case Nested():
                return flattened(NestedShape(self.shape(spec.inner)))

    def _items(self, spec: Items, *, kept: bool = False) -> Shape:
        items: list[Shape] = []
        emptied = False
        for item in spec.items:
            if isinstance(item, Copies):
                addresses = self.copies[item.name]
                items += [self._for(item, address) for address in addresses]
                emptied = emptied or not addresses
            else:
                items.append(self.shape(item))
        leaves_out = self.empty_values is EmptyValues.OMIT
        return flattened(ArrayShape(tuple(items), emptied and leaves_out, kept))

    def _for(self, copies: Copies, address: str) -> Shape:
        bound = {**self.bound, copies.name: (address,)}
        return replace(self, bound=bound).shape(copies.element)

    def _members(self, spec: Members, *, kept: bool = False) -> Shape:
        members = tuple((self._key(key), self.shape(value)) for key, value in spec.members)
        open_keys = any(
            isinstance(part, Placeholder) for key, _ in spec.members for part in key.parts
        )
        return flattened(ObjectShape(members, open_keys, kept))

    def _key(self, key: Text) -> Flat:
        return Flat((b'"', *self._pieces(key.parts), b'"'), State.LITERAL)

    def _text(self, parts: tuple[Part, ...]) -> Shape:
        bound = tuple(bind(parts, self.bound))
        match bound:
            case (Placeholder() as only,) if parts == bound and is_value(only):
                return self._value(only)
        pieces = tuple(self._pieces(parts))
        if self.empty_values is EmptyValues.BLANK or any(map(_never_empty, bound)):
            return Flat((b'"', *pieces, b'"'), State.FILLED)
        if any(isinstance(piece, Slot) for piece in pieces):
            return MaybeText(pieces, self._instead)
        return self._nothing()

    def _value(self, placeholder: Placeholder) -> Shape:
        slot = Slot(placeholder, json_values)
        if self.empty_values is EmptyValues.BLANK:
            return Flat((slot,), State.FILLED)
        return MaybeValue(slot, self._instead)

    def _pieces(self, parts: Iterable[Part]) -> Iterator[Piece]:
        for part in bind(parts, self.bound):
            yield escaped(part) if isinstance(part, str) else Slot(part, json_texts)

    @property
    def _instead(self) -> bytes | None:
        return b"null" if self.empty_values is EmptyValues.NULL else None

    def _nothing(self) -> Flat:
        """A string that is empty for everybody."""
        if self._instead is None:
            return Flat((), State.EMPTY)
        return Flat((self._instead,), State.FILLED)


def _never_empty(part: BoundPart) -> bool:
    match part:
        case str():
            return part != ""
        case Formed("json", _, _):
            return True
        case Formed(_, base, _):
            return any(map(_never_empty, base))
        case Placeholder(name):
            return name in ("To", "MessageID")
