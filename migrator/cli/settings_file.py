"""Immich's own settings file (IMMICH_CONFIG_FILE), as far as it can be read from here: the CLIP model is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from steps.shared.options import SettingsFile

if TYPE_CHECKING:
    from migrator.connection import ImmichSettings


def settings_file_of(immich: ImmichSettings | None, options: Mapping[str, object]) -> SettingsFile | None:
    """Return what the file says, or why it says nothing here; None where Immich's settings name no file.

    Immich takes JSON and YAML. YAML is not read: half-understood it would be worse than not read.
    """
    name = immich.config_file if immich else None
    if name is None:
        return None
    env_file = options.get("env_file")
    path = Path(str(env_file)).parent / name if env_file is not None else name
    place = str(path)
    if path.suffix in (".yaml", ".yml"):
        return SettingsFile(place, problem="is YAML, which is not read here")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return SettingsFile(place, problem=f"cannot be read here ({(error.strerror or 'no answer').lower()})")
    except ValueError:
        return SettingsFile(place, problem="is no JSON")
    learning = _part(document, "machineLearning")
    clip = _part(learning, "clip")
    model = clip.get("modelName")
    switched_on = learning.get("enabled") is not False and clip.get("enabled") is not False
    return SettingsFile(place, model if isinstance(model, str) and model else None, switched_on)


def _part(document: object, name: str) -> Mapping[str, object]:
    part = document.get(name) if isinstance(document, Mapping) else None
    return part if isinstance(part, Mapping) else {}
