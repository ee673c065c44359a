"""pgvector 0.6.2, which VectorChord cannot use: fetched on demand, so that its update can be tried for real.

The wheel of another Python package carries it, built for PostgreSQL 16. Only pgvector's own files are taken out of it.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from migrator.sandbox.cache import cache_folder, locked
from migrator.sandbox.errors import BuildNotFound

VERSION = "0.6.2"
POSTGRES_MAJOR = 16
"""The only PostgreSQL that the build is for."""

_WHEEL = "pgserver==0.1.4"
# the newest Python that there is a wheel for; only data is taken from it, so ours may be another
_PYTHON = "3.12"
_INSTALLATION = PurePosixPath("pgserver/pginstall")
_PARTS = {"lib/postgresql": "lib", "share/postgresql/extension": "extension"}


def old_pgvector() -> Path:
    """Return a folder for a shelf that holds `vector-0.6.2`, fetching it where the cache does not hold it yet.

    Parallel processes fetch once: the others wait. The folder appears complete or not at all.

    Raises:
        BuildNotFound: pip is absent, or could not fetch the wheel for this machine.
    """
    shelf = cache_folder() / "old-pgvector"
    folder = shelf / f"vector-{VERSION}"
    if not folder.is_dir():
        with locked(shelf):
            if not folder.is_dir():
                shelf.mkdir(exist_ok=True)
                _fetch(folder)
    return shelf


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as name:
        making = Path(name)
        wheel = _download(making / "download")
        build = making / "build"
        _extract(wheel, build)
        build.rename(folder)


def _download(folder: Path) -> Path:
    only = ["--no-deps", "--only-binary=:all:", f"--python-version={_PYTHON}"]
    argv = [sys.executable, "-m", "pip", "download", "--quiet", *only, "--dest", str(folder), _WHEEL]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    found = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not found:
        reason = (done.stderr.strip().splitlines() or ["it left no message"])[-1]
        raise BuildNotFound(
            f"pgvector {VERSION} could not be fetched: {reason}",
            hint=f"it comes with the Python package {_WHEEL}",
        )
    return found[0]


def _extract(wheel: Path, build: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            path = PurePosixPath(member)
            ours = path.name in ("vector.so", "vector.control") or path.match("vector--*.sql")
            if not ours or not path.is_relative_to(_INSTALLATION):
                continue
            part = _PARTS.get(str(path.relative_to(_INSTALLATION).parent))
            if part is None:
                continue
            target = build / part / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(member))
            target.chmod(0o755 if path.suffix == ".so" else 0o644)
    for folder in (build, *build.iterdir()):
        folder.chmod(0o755)
