"""The two formats that a copy may have: each is read by a program that every system has, or can have."""

from __future__ import annotations

import gzip
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

Method = Literal["zstd", "gzip"]
SUFFIX: Mapping[Method, str] = {"zstd": ".zst", "gzip": ".gz"}
READ_WITH: Mapping[Method, str] = {"zstd": "zstd -dc", "gzip": "gzip -dc"}

ZSTD_LEVEL = 1
"""For digits higher levels are slower and no smaller: 4.5 bytes per element at level 1, 5.0 at 3."""
GZIP_LEVEL = 6
MOST_THREADS = 4
"""More would only wait for the server, which sends on one connection."""
BLOCK_BYTES = 1 << 20


class Writer(Protocol):
    """Takes bytes."""

    def write(self, data: bytes, /) -> int:
        """Take all of them."""


class Reader(Protocol):
    """Gives bytes."""

    def read(self, size: int, /) -> bytes:
        """Give up to so many; none at the end."""


def usual() -> Method:
    """Return zstd, or gzip where Python's package for zstd is not there."""
    return "zstd" if importlib.util.find_spec("zstandard") is not None else "gzip"


@contextmanager
def compressing(method: Method, file: Writer) -> Iterator[Writer]:
    """Compress what is written, into a file that stays open; threads of its own keep the server from waiting."""
    if method == "gzip":
        # no time in the header: equal rows make equal files
        with gzip.GzipFile(
            filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=cast("IO[bytes]", file), mtime=0
        ) as gz:
            yield gz
        return
    import zstandard  # noqa: PLC0415 - only needed where a copy is made or read

    threads = min(os.cpu_count() or 1, MOST_THREADS)
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, threads=threads, write_checksum=True)
    with compressor.stream_writer(cast("IO[bytes]", file), closefd=False) as writer:
        yield cast("Writer", writer)


@contextmanager
def decompressing(method: Method, file: Path) -> Iterator[Reader]:
    """Read a compressed file.

    Raises:
        OSError, EOFError, zlib.error, or zstandard.ZstdError (see `damage`): while reading, it is damaged.
    """
    if method == "gzip":
        with gzip.open(file, "rb") as gz:
            yield cast("Reader", gz)
        return
    import zstandard  # noqa: PLC0415 - as above

    with file.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw, closefd=False) as reader:
        yield cast("Reader", reader)


def blocks(method: Method, file: Path) -> Iterator[bytes]:
    """Yield what a compressed file holds, in pieces.

    Raises:
        EOFError: it cannot be decompressed to its end.
        OSError: it cannot be read.
    """
    try:
        with decompressing(method, file) as reader:
            while block := reader.read(BLOCK_BYTES):
                yield block
    except OSError as error:
        if error.errno is None:  # gzip's own complaints
            raise EOFError(str(error)) from error
        raise
    except Exception as error:
        if type(error).__name__ in ("ZstdError", "error", "EOFError"):  # of zstandard and zlib
            raise EOFError(str(error)) from error
        raise
