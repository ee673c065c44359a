"""Lines of a copy sent to a server for hashing, where it cannot query the table that they came from."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg.sql import Composed

NULL = b"\\N"
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_MEANING = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def field(data: bytes) -> str | None:
    """Return what a field of COPY's text format stands for; None for NULL."""
    if data == NULL:
        return None
    if b"\\" in data:
        data = _ESCAPED.sub(lambda found: _MEANING.get(found[1], found[1]), data)
    return data.decode()


def hashed_by_server(connection: psycopg.Connection[Any], query: Composed, lines: bytes) -> int:
    """Return the sum of the hashes of some whole lines: key, tab, value."""
    keys: list[str | None] = []
    values: list[str | None] = []
    for line in lines.split(b"\n")[:-1]:
        key, _, value = line.partition(b"\t")
        keys.append(field(key))
        values.append(field(value))
    row = connection.execute(query, [keys, values], prepare=False).fetchone()
    return int(str(row[0])) if row else 0
