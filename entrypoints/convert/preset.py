"""Presets as messages of the API."""

from entrypoints.presets import Preset, Setting
from espalier.v1 import provider_pb2


def to_preset(preset: Preset) -> provider_pb2.ProviderPreset:
    return provider_pb2.ProviderPreset(
        name=preset.name,
        title=preset.title,
        settings=map(_to_setting, preset.settings),
        verified=[
            provider_pb2.VerifiedFact(fact=each.fact, by=each.by) for each in preset.verified
        ],
        unverified=preset.unverified,
        provider_file=preset.text,
    )


def _to_setting(setting: Setting) -> provider_pb2.PresetSetting:
    return provider_pb2.PresetSetting(
        name=setting.name,
        description=setting.description,
        variable=setting.variable,
        default_value=setting.default,
        required=setting.is_required,
    )
