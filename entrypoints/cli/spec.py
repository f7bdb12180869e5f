"""Making a campaign of a command's options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from entrypoints.cli.content import read_text
from entrypoints.cli.values import replacements
from espalier.v1.common_pb2 import CampaignSpec

_TEXTS = ("provider", "subject", "from_name", "from_address", "reply_to")
_BODIES = ("html", "plaintext", "amp_html")


def spec_of(params: Mapping[str, Any]) -> CampaignSpec:
    """Make a campaign of the values of the options in `spec_options`, by their names.

    A command that lacks some of them leaves these fields empty. Failure: a file cannot be read, or
    a replacement is not written as NAME=VALUE.
    """
    spec = CampaignSpec(cc=params.get("cc") or (), bcc=params.get("bcc") or ())
    for name in _TEXTS:
        setattr(spec, name, params.get(name, ""))
    for name in _BODIES:
        setattr(spec, name, read_text(params.get(name)))
    spec.replacements.update(replacements(params.get("set_") or ()))
    return spec
