"""A list setting is split as PostgreSQL splits it: PostgreSQL itself is asked."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree, put_file
from migrator.settings import library_name, split_list

NOT_FOUND = re.compile(r'could not access file "\$libdir/plugins/(.*)": No such file or directory', re.DOTALL)
NEVER_A_FILE = {"", ".", ".."}
FIRST = "first"


@pytest.mark.parametrize(
    ("written", "elements"),
    [
        ("", ()),
        ("  ", ()),
        ("vchord.so", ("vchord.so",)),
        ("vchord.so, vectors.so", ("vchord.so", "vectors.so")),
        (" a ,\tb\n", ("a", "b")),
        ('"vchord.so", "vectors.so"', ("vchord.so", "vectors.so")),
        ('"vchord.so, vectors.so"', ("vchord.so, vectors.so",)),
        ('"a ""b"" c",d', ('a "b" c', "d")),
        ("$libdir/Vectors", ("$libdir/Vectors",)),
        ("my library,b", ("my library", "b")),
        ('a"b', ('a"b',)),
        ('""', ("",)),
        ("\u00a0a", ("\u00a0a",)),
    ],
)
def test_forms(written: str, elements: tuple[str, ...]) -> None:
    """The forms that occur: by hand, by ALTER SYSTEM, by pgvecto.rs's own advice."""
    assert split_list(written) == elements


@pytest.mark.parametrize("written", [",", "a,", ",a", "a,,b", '"a', '"a" b', '"a""', 'a, "b'])
def test_what_postgres_refuses(written: str) -> None:
    """An empty element, an unbalanced quote, text behind a quoted element."""
    with pytest.raises(ValueError):  # noqa: PT011 - which of the three is for a person, and not promised
        split_list(written)


@pytest.mark.parametrize("element", ["vchord", "vchord.so", "$libdir/vchord", "/usr/lib/postgresql/16/lib/vchord.so"])
def test_one_library_has_many_names(element: str) -> None:
    """With and without a folder, with and without .so."""
    assert library_name(element) == "vchord"


class Plugins:
    """A server that is asked what a list consists of: it names the first library that it does not find."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._folder = server.tree.library_dir / "plugins"
        self._library = server.tree.library_dir / "dict_snowball.so"

    def elements_of(self, written: str) -> list[str]:
        """Return the elements, each once, up to one that cannot be a file; none where the list is refused."""
        found: list[str] = []
        self._forget()
        while True:
            missing = self._first_missing(written)
            if missing is None:
                return found
            found.append(missing)
            if missing in NEVER_A_FILE:
                return found
            put_file(self._library, self._folder / missing)

    def _first_missing(self, written: str) -> str | None:
        escaped = re.sub(r"([\\\s])", r"\\\1", written)
        try:
            self._server.connect(options=f"-c local_preload_libraries={escaped}").close()
        except psycopg.OperationalError as error:
            missing = NOT_FOUND.search(str(error))
            if missing is None:
                raise
            return missing[1]
        return None

    def _forget(self) -> None:
        self._folder.mkdir(exist_ok=True)
        self._folder.chmod(0o755)
        for file in self._folder.iterdir():
            file.unlink()


@pytest.fixture(scope="module")
def plugins(open_folder: Path, tree: Tree, shelf: Shelf, numbers: Iterator[int]) -> Iterator[Plugins]:
    """Return a running server that can be asked."""
    with Server.create(open_folder / f"lists-{next(numbers)}", tree=tree, shelf=shelf) as server:
        server.start()
        yield Plugins(server)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
@given(st.text(alphabet="ab.$-\"', \t\u00a0\u00e9", max_size=12))
@example("b,,a")
@example('b, "a,a" ,"a""b"')
@example('a"b,"a" b')
def test_postgres_splits_it_likewise(plugins: Plugins, written: str) -> None:
    """Any text behind a first element: the same elements in the same order, or refused by both."""
    whole = f"{FIRST},{written}"
    try:
        ours = list(dict.fromkeys(split_list(whole)))
    except ValueError:
        ours = []
    impossible = [index for index, element in enumerate(ours) if element in NEVER_A_FILE]
    assert plugins.elements_of(whole) == (ours[: impossible[0] + 1] if impossible else ours)
