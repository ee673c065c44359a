"""The shelf: one folder per build of an extension, genuine ones first, then our stand-ins."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from migrator.sandbox.compiler import Announce, Recipe, compiled
from migrator.sandbox.errors import BuildNotFound
from migrator.sandbox.tree import Tree

SHELF_VARIABLE = "MIGRATOR_SHELF"
STANDINS = Path(__file__).parent / "standins"


@dataclass(frozen=True, slots=True)
class Build:
    """One build of an extension: `lib/*.so` and `extension/*.{control,sql}` below its folder.

    Attributes:
        is_standin: Whether it is one of ours, written for trying things out, and not the genuine extension.
    """

    extension: str
    version: str
    folder: Path
    is_standin: bool

    def libraries(self) -> list[Path]:
        """Return the shared libraries."""
        return sorted((self.folder / "lib").glob("*.so"))

    def extension_files(self) -> list[Path]:
        """Return the control files and SQL scripts."""
        return sorted(path for path in (self.folder / "extension").iterdir() if path.is_file())


def _to_stderr(message: str) -> None:
    sys.stderr.write(message + "\n")


class Shelf:
    """Folders of builds in the order in which they are searched, and the stand-ins behind them.

    Args:
        folders: Folders with builds, named `<extension>-<version>`.
        tree: The Postgres that stand-ins are compiled for.
        standins: Where the sources of the stand-ins are; None to do without.
        announce: Takes a line for people, before something slow begins.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        *,
        tree: Tree,
        standins: Path | None = STANDINS,
        announce: Announce = _to_stderr,
    ) -> None:
        self.folders = tuple(folder.absolute() for folder in folders)
        self._tree = tree
        self._announce = announce
        paths = [] if standins is None else sorted(standins.glob("*/standin.toml"))
        self._recipes = {path.parent.name: path for path in paths}

    @classmethod
    def default(cls, tree: Tree, *first: Path, announce: Announce = _to_stderr) -> "Shelf":
        """Return the shelf of the given folders, then MIGRATOR_SHELF's, then the stand-ins."""
        configured = os.environ.get(SHELF_VARIABLE, "")
        folders = [*first, *(Path(part) for part in configured.split(os.pathsep) if part)]
        return cls(folders, tree=tree, announce=announce)

    def find(self, extension: str, version: str) -> Build:
        """Return a build, compiling it first where it is a stand-in that nobody has compiled yet.

        Raises:
            BuildNotFound: Nothing on the shelf fits; the message names what is there.
            CompilationFailed: See `compiler.compiled`.
        """
        for folder in self.folders:
            candidate = folder / f"{extension}-{version}"
            if candidate.is_dir():
                return Build(extension, version, candidate, is_standin=False)
        recipe = self._recipe(extension)
        if recipe is not None and version in recipe.versions:
            folder = compiled(recipe, version, self._tree, self._announce)
            return Build(extension, version, folder, is_standin=True)
        there = ", ".join(f"{name} {at}" for name in self.extensions() for at in self.versions(name))
        raise BuildNotFound(
            f"no build of {extension} {version} on the shelf",
            hint=f"there is {there or 'nothing'} in {', '.join(map(str, self.folders)) or 'the stand-ins'}",
        )

    def extensions(self) -> list[str]:
        """Return the names of the extensions that have at least one build."""
        names = {name for name, _ in self._genuine()}
        return sorted(names | set(self._recipes))

    def versions(self, extension: str) -> list[str]:
        """Return the versions of an extension, oldest first."""
        found = {version for name, version in self._genuine() if name == extension}
        recipe = self._recipe(extension)
        return sorted(found | set(recipe.versions if recipe else ()), key=Version)

    def is_genuine(self, extension: str, version: str | None = None) -> bool:
        """Return whether a folder of the shelf, rather than a stand-in, provides an extension."""
        return any(name == extension and version in {None, at} for name, at in self._genuine())

    def _recipe(self, extension: str) -> Recipe | None:
        path = self._recipes.get(extension)
        return None if path is None else Recipe.read(path)

    def _genuine(self) -> Iterator[tuple[str, str]]:
        for folder in self.folders:
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                name, separator, version = path.name.rpartition("-")
                if separator and path.is_dir() and _is_version(version):
                    yield name, version


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
