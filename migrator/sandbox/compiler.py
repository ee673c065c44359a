"""Compile the stand-ins: with the machine's C compiler, or with one that pip can bring."""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from migrator.sandbox.cache import cache_folder, locked
from migrator.sandbox.errors import BuildNotFound, CompilationFailed
from migrator.sandbox.tree import Tree

Announce = Callable[[str], None]
_FLAGS = (
    "-O2",
    "-fPIC",
    "-shared",
    "-std=gnu17",
    "-Wall",
    "-Werror=implicit-function-declaration",
    "-fvisibility=default",
)
_PLACEHOLDER = "@STANDIN_VERSION@"
_ZIGLANG = "ziglang>=0.13"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a `standin.toml` says: how to make one extension from the parts beside it.

    Attributes:
        versions: Version to the number that the C code sees as STANDIN_VERSION_NUM (1.1.1 is 10101).
        files: Version to (file of the extension folder, the parts that it is joined from).
    """

    folder: Path
    name: str
    sources: tuple[str, ...]
    versions: Mapping[str, int]
    files: Mapping[str, Mapping[str, tuple[str, ...]]]

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """Read a `standin.toml`."""
        content = tomllib.loads(path.read_text())
        versions = content["versions"]
        return cls(
            folder=path.parent,
            name=content["name"],
            sources=tuple(content["sources"]),
            versions={version: entry["number"] for version, entry in versions.items()},
            files={
                version: {name: tuple(parts) for name, parts in entry["files"].items()}
                for version, entry in versions.items()
            },
        )


def compiled(recipe: Recipe, version: str, tree: Tree, announce: Announce) -> Path:
    """Return the folder of one compiled stand-in, compiling it where the cache does not hold it yet.

    Parallel processes compile once: the others wait. A folder appears complete or not at all.

    Raises:
        CompilationFailed: There is no compiler, no headers, or the compiler refuses.
    """
    headers = _headers(tree)
    shelf = cache_folder() / "shelf" / f"postgres-{tree.version}-{_fingerprint(recipe, headers)}"
    folder = shelf / f"{recipe.name}-{version}"
    if not folder.is_dir():
        with locked(shelf):
            if not folder.is_dir():
                _compile(recipe, version, headers, folder, announce)
    return folder


def compiler(announce: Announce) -> list[str]:
    """Return the command of a C compiler; without one on PATH, fetch one as a wheel.

    Raises:
        CompilationFailed: pip is absent or could not fetch it.
    """
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    folder = cache_folder() / "ziglang"
    with locked(folder):
        if not (folder / "ziglang/__main__.py").exists():
            announce("no C compiler found: fetching one as a Python package (about 100 MB, once)")
            _pip_install(folder)
    # Not `-m ziglang`: that would need the folder in this interpreter's search path.
    return [str(folder / "ziglang/zig"), "cc"]


def _pip_install(folder: Path) -> None:
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), _ZIGLANG]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CompilationFailed(
            f"no C compiler found, and pip could not fetch one: {done.stderr.strip()}",
            hint="install gcc or clang",
        )


def _compile(recipe: Recipe, version: str, headers: Path, folder: Path, announce: Announce) -> None:
    if version not in recipe.versions:
        raise BuildNotFound(f"there is no stand-in for {recipe.name} {version}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as name:
        making = Path(name)
        (making / "lib").mkdir()
        (making / "extension").mkdir()
        _compile_library(recipe, version, headers, making / "lib" / f"{recipe.name}.so", announce)
        for target, parts in recipe.files[version].items():
            text = "".join((recipe.folder / part).read_text() for part in parts)
            (making / "extension" / target).write_text(text.replace(_PLACEHOLDER, version))
        _open_to_all(making)
        making.rename(folder)
        making.mkdir()  # for the context manager to remove


def _compile_library(recipe: Recipe, version: str, headers: Path, target: Path, announce: Announce) -> None:
    argv = [
        *compiler(announce),
        *_FLAGS,
        f"-DSTANDIN_VERSION_NUM={recipe.versions[version]}",
        f'-DSTANDIN_VERSION="{version}"',
        f"-I{headers}",
        f"-I{recipe.folder}",
        "-o",
        str(target),
        *(str(recipe.folder / source) for source in recipe.sources),
        "-lm",
    ]
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(cache_folder() / "zig")}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise CompilationFailed(f"stand-in {recipe.name} {version} does not compile:\n{done.stderr.strip()}")
    if done.stderr.strip():
        announce(done.stderr.strip())


def _headers(tree: Tree) -> Path:
    """Return the server headers for a tree; distributions keep theirs in a package of its own."""
    if (tree.include_dir / "postgres.h").exists():
        return tree.include_dir
    wheel = Tree.of_wheel(tree.major)
    if not (wheel.include_dir / "postgres.h").exists():
        raise CompilationFailed(f'no headers for the Postgres {tree.version} in "{tree.root}"')
    return wheel.include_dir


def _fingerprint(recipe: Recipe, headers: Path) -> str:
    digest = sha256()
    for path in sorted(path for path in recipe.folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(recipe.folder)).encode() + b"\0")
        digest.update(sha256(path.read_bytes()).digest())
    digest.update((headers / "pg_config.h").read_bytes())
    digest.update(" ".join(_FLAGS).encode())
    return digest.hexdigest()[:16]


def _open_to_all(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.suffix == ".so" else 0o644)
