"""The pages say what the program does: steps and their SQL, options, exit codes, errors, the journal."""

import re
from collections.abc import Mapping, Sequence
from typing import get_args

import click
import pages
import pytest
from servers import MakeServer

from migrator import errors
from migrator.cli.app import COMMANDS, LazyGroup, app
from migrator.errors import ExitCode, MigratorError
from migrator.journal import EventKind
from migrator.sandbox.immich import ImmichDatabase
from migrator.session import Session
from migrator.step import Statement, Step
from steps.content import ImmichContent
from steps.known_errors import TABLE, KnownError
from steps.options import Options
from steps.paths import automatic

BOTH_WAYS = (*automatic(Options()), *automatic(Options(reindex_by="immich")))
STEPS: Mapping[str, Step] = {step.key: step for step in BOTH_WAYS}


@pytest.fixture
def plans(make_server: MakeServer) -> Mapping[str, Sequence[Statement]]:
    """Return what each step would run, for the database that the page describes."""
    server = make_server(install={"vectors": "0.2.0", "vchord": "0.3.0"}, preload="vectors.so")
    ImmichDatabase(rows=50).build(server.conninfo())
    session = Session(server.conninfo("immich", "immich"), ImmichContent("pgvecto.rs").interest, read_only=True)
    session.open()
    try:
        catalog = session.catalog()
    finally:
        session.close()
    return {key: step.plan(catalog, {}) for key, step in STEPS.items()}


def test_every_step_has_its_section_and_every_section_its_step() -> None:
    """The page and the paths name the same steps, with the same titles, in the order of the documented numbers."""
    sections = pages.sections_of_steps(pages.page("automatic-path.md"))
    documented = [key for keys in sections for key in keys]
    assert sorted(documented) == sorted(STEPS)
    for keys, (title, _) in sections.items():
        assert title == ", ".join(STEPS[key].title for key in keys)
    numbers = [STEPS[key].documentation.number for key in documented]
    assert numbers == sorted(numbers)


def test_every_section_says_who_does_it_and_when_it_is_done() -> None:
    """Nobody has to guess whose turn it is, or what the server has to show."""
    for keys, (_, body) in pages.sections_of_steps(pages.page("automatic-path.md")).items():
        assert "- Who: " in body, keys
        assert "Done " in body, keys


def test_the_page_shows_the_statements_that_run(plans: Mapping[str, Sequence[Statement]]) -> None:
    """The SQL of each section is what the step plans on a database as the page describes it, locks included."""
    for keys, (_, body) in pages.sections_of_steps(pages.page("automatic-path.md")).items():
        for key in keys:
            assert pages.sql_in(body) == pages.sql_of(plans[key]), key
            for statement in plans[key]:
                assert statement.lock is None or pages.of_first_table(statement.lock) in body, statement.key


def _options(command: click.Command) -> set[str]:
    context = click.Context(command, info_name="migrate")
    return {option for param in command.get_params(context) for option in [*param.opts, *param.secondary_opts]}


@pytest.mark.parametrize("name", ["--from pgvecto.rs", *COMMANDS])
def test_every_option_has_its_row_and_every_row_its_option(name: str) -> None:
    """The page of commands has the options that the program has, no more and no fewer."""
    assert isinstance(app, LazyGroup)
    command = app.get_command(click.Context(app), name) if name in COMMANDS else app
    assert command is not None
    text = pages.section(pages.page("commands.md"), f"`migrate {name}`")
    described = {option for cells in pages.rows(text) for option in re.findall(r"^`(--[\w-]+)`$", cells[0])}
    assert described == {option for option in _options(command) if option.startswith("--")}


def test_every_exit_code_is_explained() -> None:
    """The page and the README list the codes that the program can end with."""
    for text in (pages.page("exit-codes.md"), (pages.ROOT / "README.md").read_text(encoding="utf-8")):
        listed = {int(cells[0]) for cells in pages.rows(text) if cells[0].isdecimal()}
        assert listed == {int(code) for code in ExitCode}


def _row(known: KnownError) -> list[str]:
    said = f"`{known.text}` ({known.sqlstate})" if known.text else f"any ({known.sqlstate})"
    return [said, known.cause, "; ".join(known.fix)]


def test_every_known_error_has_its_row() -> None:
    """The table of errors is the one that the program looks errors up in."""
    listed = list(pages.rows(pages.section(pages.page("errors.md"), "What PostgreSQL says")))
    assert listed[2:] == [_row(known) for known in TABLE]


def _refusals() -> dict[str, type[MigratorError]]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MigratorError)]
    return {str(kind.__doc__): kind for kind in kinds if kind is not MigratorError}


def test_every_refusal_has_its_row() -> None:
    """Each error of the tool itself is listed with the exit code that its class carries."""
    listed = {
        cells[0]: int(cells[1])
        for cells in pages.rows(pages.section(pages.page("errors.md"), "What the tool says"))
        if cells[1].isdecimal()
    }
    assert listed == {message: int(kind.exit_code) for message, kind in _refusals().items()}


def test_the_journal_page_names_every_table_column_and_event() -> None:
    """Who reads a journal by hand finds each of its names explained."""
    text = pages.page("journal.md")
    schema = (pages.ROOT / "migrator/journal.sql").read_text(encoding="utf-8")
    tables, columns = (
        re.findall(r"^CREATE TABLE (\w+)", schema, re.MULTILINE),
        re.findall(r"^ +(\w+) ", schema, re.MULTILINE),
    )
    assert {"run", "facts"} <= set(tables)
    assert {"id", "detail"} <= set(columns)
    for name in (*tables, *columns, *get_args(EventKind)):
        assert f"`{name}`" in text, name


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link has its file, and every anchor its heading."""
    for path in [pages.ROOT / "README.md", pages.ROOT / "benchmarks/README.md", *sorted(pages.DOCS.glob("*.md"))]:
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
            file, _, anchor = target.partition("#")
            linked = (path.parent / file).resolve()
            assert linked.is_file(), f"{path.name}: {target}"
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert not anchor or anchor in {_anchor(heading) for heading in headings}, f"{path.name}: {target}"


def test_every_page_is_in_the_index() -> None:
    """Nothing is written that nobody finds."""
    text = pages.page("index.md")
    for path in pages.DOCS.glob("*.md"):
        assert path.name == "index.md" or f"({path.name})" in text, path.name


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
