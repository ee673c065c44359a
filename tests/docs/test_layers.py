"""Who may import whom: the engine knows no step, the steps know no terminal, and the pages say so."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import isabstract, isclass
from pathlib import Path

from migrator.step import Step

ROOT = Path(__file__).parents[2]
CONTRACT = {"absence", "catalog", "content", "errors", "execute", "locks", "privileges", "rights", "settings", "step"}
"""The modules of `migrator` that steps may know."""
REFINEMENTS = {"update_fence": {"steps.keep_immich_out"}}
"""Steps that are another step with another question, and inherit the rest of it."""


def _imports(path: Path) -> Iterator[str]:
    """Return the full names of what a module imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _modules(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def _package(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _has_a_step(path: Path) -> bool:
    module = import_module(_name(path))
    members = [m for m in vars(module).values() if isclass(m) and m.__module__ == module.__name__]
    return any(issubclass(m, Step) and not isabstract(m) for m in members)


def test_the_engine_knows_no_step() -> None:
    """Only the command line, where everything is put together, imports the steps."""
    for path in _modules("migrator"):
        inside_cli = path.is_relative_to(ROOT / "migrator/cli")
        assert inside_cli or "steps" not in map(_package, _imports(path)), path


def test_only_the_command_line_knows_the_terminal() -> None:
    """Engine, commands and steps print nothing and parse no options."""
    for path in [*_modules("migrator"), *_modules("steps")]:
        if path.is_relative_to(ROOT / "migrator/cli"):
            continue
        assert not {"click", "rich"} & set(map(_package, _imports(path))), path


def test_only_the_way_in_knows_the_command_line() -> None:
    """Nothing below it calls back into `migrator.cli`, except `python -m migrator`."""
    for path in [*_modules("migrator"), *_modules("steps")]:
        if path.is_relative_to(ROOT / "migrator/cli") or path == ROOT / "migrator/__main__.py":
            continue
        assert not any(name.startswith("migrator.cli") for name in _imports(path)), path


def test_steps_know_the_contract_and_nothing_that_writes() -> None:
    """A step cannot reach the journal, a connection or a terminal: it has nothing to import them from."""
    for path in _modules("steps"):
        names = list(_imports(path))
        assert not {"sqlite3", "sqlite_utils", "structlog", "subprocess"} & set(map(_package, names)), path
        known = {name.split(".")[1] for name in names if name.startswith("migrator.")}
        assert known <= CONTRACT, path


def test_steps_never_import_each_other() -> None:
    """What several steps share lives in modules without a step; the order lives in the paths alone."""
    with_steps = {_name(path) for path in _modules("steps") if _has_a_step(path)}
    assert "steps.convert_table" in with_steps
    for path in _modules("steps"):
        if path.stem != "paths":
            assert with_steps & set(_imports(path)) == REFINEMENTS.get(path.stem, set()), path


def test_the_folder_of_steps_holds_nothing_but_steps() -> None:
    """Whoever opens it reads the procedure; what is no step lies in a folder that says what it is."""
    outside = {path.stem for path in (ROOT / "steps").glob("*.py") if not _has_a_step(path)}
    assert outside == {"__init__", "paths"}
    inside = [path for path in _modules("steps") if path.parent != ROOT / "steps" and _has_a_step(path)]
    assert inside == []


def test_what_steps_share_knows_neither_steps_nor_commands() -> None:
    """Knowledge flows one way: content asks steps, steps ask what they share."""
    for folder in ("steps/shared", "steps/advice"):
        for path in _modules(folder):
            known = {name for name in _imports(path) if name.startswith("steps.")}
            assert all(name.startswith(("steps.shared", "steps.advice")) for name in known), path


def test_help_and_version_load_neither_driver_nor_engine() -> None:
    """The start is quick because what a run needs is not loaded for those who only ask."""
    heavy = {"psycopg", "transitions", "sqlite_utils", "rich", "structlog", "steps"}
    for option in ("--help", "--version"):
        program = (
            "import sys; from migrator.cli.app import run_app; "
            f"code = run_app([{option!r}]); print(); print(code, *({heavy!r} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1].split() == ["0"], option


def test_the_architecture_page_names_every_module_that_steps_may_know() -> None:
    """The page and this test agree on what the contract is."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for name in CONTRACT:
        assert f"`{name}`" in text, name
