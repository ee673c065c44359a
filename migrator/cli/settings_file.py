"""Immich's own settings file (IMMICH_CONFIG_FILE), as far as it can be read from here: the CLIP model is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from steps.shared.options import SettingsFile

if TYPE_CHECKING:
    from migrator.connection import ImmichSettings


class _UnusableError(Exception):
    """What is wrong with a file that Immich could not start with."""


def settings_file_of(immich: ImmichSettings | None, options: Mapping[str, object]) -> SettingsFile | None:
    """Return what the file says, or why it says nothing here; None where Immich's settings name no file.

    Immich reads YAML, of which JSON is a part, whatever the file is called. What Immich could not start with is said.
    """
    name = immich.config_file if immich else None
    if name is None:
        return None
    env_file = options.get("env_file")
    path = Path(str(env_file)).parent / name if env_file is not None else name
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return SettingsFile(str(path), problem=f"cannot be read here ({(error.strerror or 'no answer').lower()})")
    except UnicodeDecodeError:
        return SettingsFile(str(path), problem="is no text in UTF-8", broken=True)
    try:
        return _settings(str(path), _parsed(text))
    except _UnusableError as error:
        return SettingsFile(str(path), problem=str(error), broken=True)


def _parsed(text: str) -> object:
    """Return the document; an empty one says nothing."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        from migrator.cli import strict_yaml  # noqa: PLC0415 - most files are JSON, and most people have none
    try:
        document = strict_yaml.load(text)
    except ValueError as error:
        raise _UnusableError(f"is neither JSON nor YAML ({error})") from error
    return {} if document is None else document


def _settings(place: str, document: object) -> SettingsFile:
    if not isinstance(document, Mapping):
        raise _UnusableError("holds no settings")
    learning = _part(document, "machineLearning")
    clip = _part(learning, "clip")
    model = clip.get("modelName")
    if model is not None and not isinstance(model, str):
        raise _UnusableError("has a machineLearning.clip.modelName that is no text")
    switched_on = _is_on(learning, "machineLearning") and _is_on(clip, "machineLearning.clip")
    return SettingsFile(place, model or None, switched_on)


def _is_on(part: Mapping[str, object], name: str) -> bool:
    value = part.get("enabled", True)
    if not isinstance(value, bool):
        raise _UnusableError(f"has a {name}.enabled that is neither true nor false")
    return value


def _part(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = document.get(name)
    return part if isinstance(part, Mapping) else {}
