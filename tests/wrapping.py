"""What the tool does besides single statements, wrapped so that a point lies before and after it: streams and files.

Of files only those of a copy, while it is written; of others nothing is so particular.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import psycopg

import migrator.backup.export
import migrator.backup.place


class Around(Protocol):
    """Passes the point before and the point after."""

    def __call__(self, kind: Literal["statement", "file"], sql: str = "") -> AbstractContextManager[None]:
        """Return the block that lies between them."""


def wrap_streams(around: Around, first_words: Callable[[object], str]) -> None:
    """Wrap COPY, at its beginning and at its end."""
    copy = psycopg.Cursor.copy

    @contextmanager
    def counted(cursor: psycopg.Cursor[Any], query: Any, *more: Any, **options: Any) -> Iterator[psycopg.Copy]:  # noqa: ANN401
        words = first_words(query)
        with ExitStack() as stack:
            with around("statement", words):
                copying = stack.enter_context(copy(cursor, query, *more, **options))
            yield copying
            with around("statement", f"end of {words}"):
                stack.pop_all().close()

    psycopg.Cursor.copy = counted  # type: ignore[method-assign,assignment]


def wrap_files(around: Around) -> None:
    """Wrap what the system is asked for while a copy is written."""
    hashing, being_written = migrator.backup.export._Hashing, migrator.backup.place.being_written  # noqa: SLF001
    writing = False

    @contextmanager
    def noted(final: Path) -> Iterator[Path]:
        nonlocal writing
        writing = True
        try:
            with being_written(final) as folder:
                yield folder
        finally:
            writing = False

    def wrap(owner: Any, name: str) -> None:  # noqa: ANN401
        original = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
            if not writing:
                return original(*arguments, **options)
            with around("file", name):
                return original(*arguments, **options)

        setattr(owner, name, counted)

    for owner, names in ((Path, ("mkdir", "rename")), (os, ("open", "fsync")), (shutil, ("rmtree",))):
        for name in names:
            wrap(owner, name)
    wrap(hashing, "write")
    migrator.backup.export.being_written = noted  # type: ignore[attr-defined]
