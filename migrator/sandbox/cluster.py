"""New data directories: `initdb` runs once per Postgres, every further cluster is a copy with its own identity."""

import os
import secrets
import shutil
import struct
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from migrator.sandbox.accounts import Account
from migrator.sandbox.cache import cache_folder, locked
from migrator.sandbox.errors import SandboxError
from migrator.sandbox.tree import Tree

_INITDB = ("-U", "postgres", "-A", "trust", "--no-sync", "--encoding=UTF8", "--locale=C")
_SEGMENT_IDENTITY_OFFSET = 24  # of xlp_sysid in a WAL segment's first page header
_CASTAGNOLI = 0x82F63B78


def make_cluster(tree: Tree, account: Account, data: Path) -> None:
    """Make a cluster in a folder that is not there yet, with superuser `postgres`, UTF-8 and locale C.

    Raises:
        SandboxError: `initdb` failed.
    """
    template = cache_folder() / "clusters" / _fingerprint(tree)
    if not template.is_dir():
        with locked(template):
            if not template.is_dir():
                _initdb(tree, account, data)
                _keep(data, template)
                return
    shutil.copytree(template, data)
    give_identity(data)
    account.own(data)


def give_identity(data: Path) -> int:
    """Give a stopped cluster a system identifier of its own, as two real clusters never share one.

    It stands at the head of pg_control, which ends in a CRC-32C, and in each segment of the WAL.

    Returns:
        The new identifier.

    Raises:
        SandboxError: pg_control does not look as in any Postgres that we know.
    """
    identifier = int(time.time()) << 32 | secrets.randbits(32)
    control = data / "global/pg_control"
    content = bytearray(control.read_bytes())
    crc_offset = _crc_offset(content)
    struct.pack_into("=Q", content, 0, identifier)
    struct.pack_into("=I", content, crc_offset, _crc32c(content[:crc_offset]))
    control.write_bytes(content)
    for segment in (data / "pg_wal").iterdir():
        if segment.is_file():
            with segment.open("r+b") as file:
                file.seek(_SEGMENT_IDENTITY_OFFSET)
                file.write(struct.pack("=Q", identifier))
    return identifier


def _initdb(tree: Tree, account: Account, data: Path) -> None:
    data.mkdir(mode=0o700)
    account.own(data)
    argv: list[str | Path] = [tree.program("initdb"), "-D", data, *_INITDB]
    done = account.run(argv, folder=data.parent)
    if done.returncode != 0:
        raise SandboxError(f"initdb failed: {done.stderr.strip()}")


def _keep(data: Path, template: Path) -> None:
    with tempfile.TemporaryDirectory(dir=template.parent, prefix=".making-") as folder:
        shutil.copytree(data, Path(folder) / "data")
        (Path(folder) / "data").rename(template)


def _fingerprint(tree: Tree) -> str:
    digest = sha256((tree.share_dir / "postgres.bki").read_bytes())
    digest.update(repr((tree.version, _INITDB)).encode())
    # Files of another architecture or build would be refused at start, with a sentence about pg_control.
    digest.update(repr((os.uname().machine, tree.program("postgres").stat().st_size)).encode())
    return f"postgres-{tree.version}-{digest.hexdigest()[:16]}"


def _crc_offset(control: bytes | bytearray) -> int:
    """Find the checksum: the only place that holds the CRC-32C of everything before it."""
    crc = 0xFFFFFFFF
    for offset in range(0, 1024, 4):
        if offset > 8 and struct.unpack_from("=I", control, offset)[0] == crc ^ 0xFFFFFFFF:  # noqa: PLR2004
            return offset
        crc = _crc_step(crc, control[offset : offset + 4])
    raise SandboxError("pg_control has no checksum where one is expected")


def _crc32c(content: bytes | bytearray) -> int:
    return _crc_step(0xFFFFFFFF, content) ^ 0xFFFFFFFF


def _crc_step(crc: int, content: bytes | bytearray) -> int:
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CASTAGNOLI if crc & 1 else 0)
    return crc
