"""Immich's .env, read as Docker Compose reads it: quotes, comments, and what a `$` stands for.

python-dotenv splits the lines; the `$` is ours, because python-dotenv substitutes inside single quotes too, and knows
no `$NAME`. No note repeats a value, nor the name behind a `$`: it may be part of a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from migrator.errors import BadConnectionSettings

Lookup = Callable[[str], str | None]

_DOLLAR = re.compile(
    r"(?P<escaped>\$\$|\\\$)"
    r"|\$(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\$\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:?[-+?])(?P<word>[^}]*))?\}"
)


def read_env_file(path: Path, environment: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the settings of an env file, and notes about what may not be meant as it was read.

    A name without a value takes it from `environment`, as in Compose.

    Raises:
        BadConnectionSettings: the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeError) as error:
        raise BadConnectionSettings(
            f'the file "{path}" cannot be read ({_reason(error)}); nothing was changed',
            hint="--env-file takes Immich's .env, as text in UTF-8",
        ) from None
    values: dict[str, str] = {}
    notes: list[str] = []
    for binding in bindings:
        if binding.error:
            notes.append(f"{path.name}: line {_line(binding)} is no setting; left out")
        elif binding.key is not None:
            value, complete = _value(binding, values, environment)
            if value is not None:
                values[binding.key] = value
            if not complete and binding.key.startswith("DB_"):
                notes.append(
                    f'{path.name}: {binding.key} has a "$" before a name that is set nowhere, so nothing stands in its '
                    'place, as in Docker Compose; for a "$" that means itself put the value in single quotes'
                )
    return values, tuple(notes)


def _value(binding: Binding, values: Mapping[str, str], environment: Mapping[str, str]) -> tuple[str | None, bool]:
    if binding.value is None:
        return environment.get(binding.key or ""), True
    written = binding.original.string.partition("=")[2].lstrip()
    if written.startswith("'"):
        return binding.value, True
    return substitute(binding.value, lambda name: values.get(name, environment.get(name)))


def _line(binding: Binding) -> int:
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def substitute(text: str, lookup: Lookup) -> tuple[str, bool]:
    """Replace `$NAME`, `${NAME}`, `${NAME:-word}` and their kin; False where a name without a default is unknown."""
    complete = True

    def replacement(found: re.Match[str]) -> str:
        nonlocal complete
        if found["escaped"]:
            return "$"
        value, operator = lookup(found["name"] or found["braced"]), found["operator"] or ""
        is_set = value is not None and (value != "" or not operator.startswith(":"))
        if operator.endswith("+"):
            return found["word"] if is_set else ""
        if operator.endswith("-") and not is_set:
            return str(found["word"])
        complete = complete and value is not None
        return value or ""

    return _DOLLAR.sub(replacement, text), complete


def _reason(error: OSError | UnicodeError) -> str:
    return (error.strerror or "no answer").lower() if isinstance(error, OSError) else "not UTF-8"
