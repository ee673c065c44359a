"""Writes into the pages what the program says of itself: SQL, lists of steps, known errors.

Run it when a test says that a page is out of date, and read the difference: python tests/docs/rewrite.py
"""

import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pages
from plans import BY_IMMICH, BY_TOOL, NEW_SERVER, OLD_SERVER, PATHS, plans_on

from migrator.sandbox.server import Server
from migrator.step import Actor, Statement
from steps.advice.known_errors import TABLE


def main() -> None:
    """Rewrite the pages in place."""
    plans = _plans()
    for name, path in PATHS.items():
        by_tool, by_immich = path(BY_TOOL), path(BY_IMMICH)
        number = next(step.documentation.number for step in by_immich if step.actor is Actor.IMMICH)
        text = _with_rows(pages.page(name), "The states", map(pages.row_of_step, by_tool))
        text = _with_rows(
            text,
            f"Step {number} with `--reindex-by immich`",
            [pages.row_of_step(step) for step in by_immich if step.documentation.number == number],
        )
        for keys, (_, body) in pages.sections_of_steps(text).items():
            text = text.replace(body, _with_sql(body, plans[keys[0]]))
        (pages.DOCS / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    errors = _with_rows(pages.page("errors.md"), "What PostgreSQL says", map(pages.row_of_error, TABLE))
    (pages.DOCS / "errors.md").write_text(errors, encoding="utf-8")


def _plans() -> Mapping[str, Sequence[Statement]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with (
            Server.create(folder / "old", preload="vchord.so, vectors.so") as old,
            Server.create(folder / "new", preload="vchord.so") as new,
        ):
            for server, builds in ((old, OLD_SERVER), (new, NEW_SERVER)):
                for extension, version in builds.items():
                    server.install(extension, version)
                server.start()
            return plans_on(old, new)


def _with_rows(text: str, heading: str, rows: Iterable[Sequence[str]]) -> str:
    """Replace the rows of the table below a heading; its own heading stays."""
    before = pages.section(text, heading)
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    after, found = re.subn(
        r"(\|.*\n\|[-| ]+\|\n)(?:\|.*\n)*", lambda table: table[1] + "\n".join(lines) + "\n", before, count=1
    )
    if not found:
        sys.exit(f'no table below "{heading}"')
    return text.replace(before, after)


def _with_sql(body: str, statements: Sequence[Statement]) -> str:
    """Replace the block of SQL of a section, or add one at its end."""
    if not statements:
        return body
    block = pages.script_of(statements)
    if "```sql" not in body:
        return body.rstrip("\n") + f"\n\n{block}\n\n"
    return re.sub(r"^```sql\n.*?^```$", lambda _: block, body, count=1, flags=re.MULTILINE | re.DOTALL)


if __name__ == "__main__":
    main()
