"""Immich's own settings file: read where it can be, and why not where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrator.cli.settings_file import settings_file_of
from migrator.connection import ImmichSettings
from steps.shared.options import SettingsFile


def read(folder: Path, name: str | None, content: str | None) -> SettingsFile | None:
    """Write a settings file beside an env file that names it, and read it as the command does."""
    env_file = folder / ".env"
    env_file.write_text(f"IMMICH_CONFIG_FILE={name}\n" if name else "DB_HOSTNAME=db\n")
    if name and content is not None:
        (folder / name).write_text(content)
    return settings_file_of(ImmichSettings.read(env_file, {}), {"env_file": env_file})


def test_no_file_is_named(tmp_path: Path) -> None:
    """Then the settings in the database count."""
    assert read(tmp_path, None, None) is None
    assert settings_file_of(None, {}) is None


def test_the_model_is_found(tmp_path: Path) -> None:
    """By its path beside the env file, where it is a relative one."""
    content = json.dumps({"machineLearning": {"clip": {"modelName": "ViT-L-14__openai"}}})
    found = read(tmp_path, "immich.json", content)
    assert found == SettingsFile(str(tmp_path / "immich.json"), "ViT-L-14__openai")


@pytest.mark.parametrize(
    ("content", "model", "on"),
    [
        ("{}", None, True),
        ('{"machineLearning": {"enabled": false}}', None, False),
        ('{"machineLearning": {"clip": {"enabled": false, "modelName": "x"}}}', "x", False),
        ('{"machineLearning": {"clip": []}}', None, True),
        ("\ufeff{}", None, True),
        ("", None, True),
        ("# all as Immich has it\n", None, True),
        ("machineLearning:\n  enabled: false", None, False),
        ("machineLearning:\n  clip: {modelName: ViT-L-14__openai, enabled: True}", "ViT-L-14__openai", True),
        ("a: &a {clip: {modelName: x}}\nmachineLearning:\n  <<: *a", "x", True),
        ("{machineLearning: {clip: {modelName: off}}}", "off", True),
    ],
)
def test_what_a_file_may_leave_out(tmp_path: Path, content: str, model: str | None, on: bool) -> None:  # noqa: FBT001
    """Nothing said is Immich's default; switched off is switched off."""
    found = read(tmp_path, "immich.json", content)
    assert found is not None
    assert (found.clip_model, found.smart_search, found.problem) == (model, on, None)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("/config/immich.json", None, "cannot be read here (no such file or directory)"),
        ("immich.json", "[]", "holds no settings"),
        ("immich.yaml", "hello", "holds no settings"),
        ("immich.json", '{"machineLearning": {', "is neither JSON nor YAML (line 1)"),
        ("immich.yaml", "a: 1\nb: 'open", "is neither JSON nor YAML (line 2)"),
        ("immich.yaml", "a: 1\nb: 2\na: 3\n", "is neither JSON nor YAML (line 1)"),
        ("immich.yaml", "--- {}\n--- {}", "is neither JSON nor YAML (line 2)"),
        ("immich.yaml", "a: !!python/object/apply:os.getcwd []", "is neither JSON nor YAML (line 1)"),
        ("immich.yaml", "a: *secret", "is neither JSON nor YAML (line 1)"),
        ("immich.yaml", "a: \x07", "is neither JSON nor YAML (as a whole)"),
        ("immich.yaml", "{[]: 1}", "is neither JSON nor YAML (line 1)"),
        ("immich.yaml", "[" * 5000, "is neither JSON nor YAML (as a whole)"),
        (
            "immich.yaml",
            "machineLearning: {enabled: off}",
            "has a machineLearning.enabled that is neither true nor false",
        ),
        (
            "immich.yaml",
            "machineLearning: {clip: {modelName: 5}}",
            "has a machineLearning.clip.modelName that is no text",
        ),
    ],
)
def test_why_it_says_nothing(tmp_path: Path, name: str, content: str | None, problem: str) -> None:
    """A path of Immich's container is none here: that is said, not guessed around."""
    found = read(tmp_path, name, content)
    assert found is not None
    assert (found.clip_model, found.problem) == (None, problem)
    assert found.broken == ("cannot be read" not in problem)


def test_what_is_no_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are no settings, whatever they were meant to be."""
    (tmp_path / "immich.yaml").write_bytes(b"\xff\xfe{}")
    found = read(tmp_path, "immich.yaml", None)
    assert found is not None
    assert (found.problem, found.broken) == ("is no text in UTF-8", True)
