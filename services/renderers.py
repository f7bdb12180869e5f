"""Renderers, each compiled once for a campaign and a version of its provider."""

from collections import OrderedDict
from functools import partial

from domain.campaign import Content
from domain.message_id import MessageIds
from domain.provider import ProviderConfig
from domain.rendering import Renderer

# As many campaigns as a worker has chunks of at one time, a few times over.
_KEPT = 32


class Renderers:
    """Keeps those that were used last. A campaign's content never changes.

    A version never does either, but for its secrets: a repeat is sent with those of the present.
    """

    def __init__(self, message_ids: MessageIds) -> None:
        self._message_ids = message_ids
        self._kept: OrderedDict[tuple[int, int], tuple[ProviderConfig, Renderer]] = OrderedDict()

    def of(
        self, number: int, content: Content, *, version: int, config: ProviderConfig
    ) -> Renderer:
        """The renderer of campaign `number` through `version` of its provider."""
        key = (number, version)
        made_from, renderer = self._kept.get(key, (None, None))
        if renderer is None or made_from != config:
            renderer = Renderer(
                config,
                content,
                campaign_id=str(number),
                message_ids=partial(self._message_ids.campaign_messages, number),
            )
            self._kept[key] = config, renderer
        self._kept.move_to_end(key)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return renderer
