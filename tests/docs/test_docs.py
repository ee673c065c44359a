"""The pages say what the program does: steps and their SQL, options, exit codes, errors, the journal."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import get_args

import click
import pages
import pytest
from plans import BY_IMMICH, BY_TOOL, NEW_SERVER, OLD_SERVER, PATHS, STEPS, plans_on
from servers import MakeServer

from migrator import errors
from migrator.cli.app import COMMANDS, LazyGroup, app
from migrator.errors import ExitCode, MigratorError
from migrator.journal import EventKind
from migrator.step import Actor, Statement
from steps.advice.known_errors import TABLE

SECTIONS = {keys: section for name in PATHS for keys, section in pages.sections_of_steps(pages.page(name)).items()}


@pytest.fixture
def plans(make_server: MakeServer) -> Mapping[str, Sequence[Statement]]:
    """Return what each step would run, for databases as the pages describe them."""
    old = make_server(install=OLD_SERVER, preload="vchord.so, vectors.so")
    return plans_on(old, make_server(install=NEW_SERVER, preload="vchord.so"))


def test_every_step_has_its_section_and_every_section_its_step() -> None:
    """The pages and the paths name the same steps, each in one section, with the same titles."""
    documented = [key for name in PATHS for keys in pages.sections_of_steps(pages.page(name)) for key in keys]
    assert sorted(documented) == sorted({step.key for step in STEPS})
    for keys, (title, _) in SECTIONS.items():
        titles = [{step.title for step in STEPS if step.key == key} for key in keys]
        assert title in {", ".join(words) for words in product(*titles)}


def test_every_section_says_who_does_it_and_when_it_is_done() -> None:
    """Nobody has to guess whose turn it is, or what the server has to show."""
    for keys, (_, body) in SECTIONS.items():
        assert "- Who: " in body, keys
        assert "Done " in body, keys


@pytest.mark.parametrize("name", PATHS)
def test_every_path_lists_its_states_in_order(name: str) -> None:
    """The tables of a page are its path: number, key, title and who does it, also where Immich does the work."""
    by_tool, by_immich = PATHS[name](BY_TOOL), PATHS[name](BY_IMMICH)
    number = next(step.documentation.number for step in by_immich if step.actor is Actor.IMMICH)
    listed = list(pages.rows(pages.section(pages.page(name), "The states")))[2:]
    assert listed == [pages.row_of_step(step) for step in by_tool]
    listed = list(pages.rows(pages.section(pages.page(name), f"Step {number} with `--reindex-by immich`")))[2:]
    assert listed == [pages.row_of_step(step) for step in by_immich if step.documentation.number == number]


def test_the_pages_show_the_statements_that_run(plans: Mapping[str, Sequence[Statement]]) -> None:
    """The SQL of each section is what the step plans on a database as the page describes it, locks included."""
    for keys, (_, body) in SECTIONS.items():
        for key in keys:
            assert pages.sql_in(body) == pages.sql_of(plans[key]), key
            for statement in plans[key]:
                assert statement.lock is None or pages.of_first_table(statement.lock) in body, statement.key


def _options(command: click.Command) -> set[str]:
    context = click.Context(command, info_name="migrate")
    return {option for param in command.get_params(context) for option in [*param.opts, *param.secondary_opts]}


@pytest.mark.parametrize("name", ["--from", *COMMANDS])
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


def test_every_known_error_has_its_row() -> None:
    """The table of errors is the one that the program looks errors up in."""
    listed = list(pages.rows(pages.section(pages.page("errors.md"), "What PostgreSQL says")))
    assert listed[2:] == [pages.row_of_error(known) for known in TABLE]


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
