"""The manifest of a copy: what it holds, of which database, and what its files have to be. JSON, with a schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from migrator.backup.compression import SUFFIX, Method
from migrator.errors import BackupDamaged, BackupTooNew, NoBackup
from migrator.step import Json

SCHEMA = 1
FORMAT = "migrate backup"
MANIFEST = "manifest.json"
README = "README.txt"
SUMS = "SHA256SUMS"
"""What `sha256sum --check` reads: every file of the copy, the manifest too."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of the copy."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SavedTable:
    """A table in the copy: where it was, what it was like, what was counted and hashed, and the file with its rows.

    `text_bytes` is the size of the file when it is decompressed.
    """

    name: str
    schema: str
    table: str
    column: str
    key: str
    key_type: str
    dimension: int | None
    rows: int
    hash: Mapping[str, Json]
    about: Mapping[str, Json]
    file: str
    text_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is known about a copy. No connection and no secret is in it."""

    made_at: str
    tool_version: str
    system_identifier: str
    database_oid: int
    database: str
    server_version: str
    application: str
    compression: Method
    extensions: tuple[Mapping[str, Json], ...]
    settings: tuple[Mapping[str, Json], ...]
    tables: tuple[SavedTable, ...]
    files: tuple[File, ...]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def size_bytes(self) -> int:
        """Size of all files but the manifest itself."""
        return sum(file.size_bytes for file in self.files)

    def as_json(self) -> str:
        """Write it down."""
        return json.dumps({"format": FORMAT, "schema": SCHEMA, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the manifest of a copy.

        Raises:
            NoBackup: there is none in this folder.
            BackupTooNew: a newer version of this tool wrote it.
            BackupDamaged: it cannot be understood.
        """
        file = folder / MANIFEST
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NoBackup(
                f'"{folder}" holds no copy that this tool made: there is no {MANIFEST} in it',
                hint="name the folder that migrate backup wrote",
            ) from error
        except (OSError, ValueError) as error:
            raise _damaged(file, str(error)) from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise _damaged(file, "it is not of this tool")
        schema = document.get("schema")
        if not isinstance(schema, int):
            raise _damaged(file, "it has no schema")
        if schema > SCHEMA:
            raise BackupTooNew(
                f'the copy in "{folder}" was written by a newer version of this tool; nothing was changed',
                facts=[("copy", f"schema {schema}"), ("this program", f"schema {SCHEMA}")],
                hint=f"use that version, or read it without this tool: {folder / README}",
            )
        try:
            return cls(**{**_known(cls, document), **_records(document)})
        except (TypeError, KeyError, AttributeError) as error:
            raise _damaged(file, str(error)) from error


def sums_of(files: Sequence[File]) -> str:
    """Write the sums as `sha256sum --check` reads them."""
    return "".join(f"{file.sha256}  {file.name}\n" for file in files)


def _known(kind: type, document: Mapping[str, Any]) -> dict[str, Any]:
    return {f.name: document[f.name] for f in fields(kind)}


def _records(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return records in the place of what JSON made of them."""
    if document["compression"] not in SUFFIX:
        raise TypeError(f"unknown compression {document['compression']}")
    return {
        "tables": tuple(SavedTable(**_known(SavedTable, table)) for table in document["tables"]),
        "files": tuple(File(**_known(File, file)) for file in document["files"]),
    }


def _damaged(file: Path, why: str) -> BackupDamaged:
    return BackupDamaged(
        f'"{file}" cannot be understood ({why}); nothing was changed',
        hint=f"the rows can still be read without it: see {file.parent / README}",
    )
