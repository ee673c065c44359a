"""`migrate demo`: try the tool on a throw-away server."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Literal, cast

import click

from migrator.cli.console import choose

NEXT = """
To try next:
  {migrate} demo --interactive           answer the questions yourself
  {migrate} demo --from-version 0.2.0    the pgvecto.rs release most people have
  {migrate} demo --reindex-by immich     Immich converts, the tool watches, proves
  {migrate} demo --keep                  keep the server, look around with psql
  {migrate} --from pgvecto.rs --dry-run  your own database: what would be done"""


@click.command("demo")
@click.option("--rows", type=click.IntRange(0, 5_000_000), default=20_000, show_default=True, help="Rows per table.")
@click.option("--from-version", "pgvectors", default="0.3.0", show_default=True, help="Release of pgvecto.rs.")
@click.option("--reindex-by", type=click.Choice(["tool", "immich"]), default="tool", show_default=True)
@click.option("--interactive", is_flag=True, help="Answer the tool's questions yourself.")
@click.option("--keep", is_flag=True, help="Leave the server running; says how to connect and how to stop it.")
@click.option(
    "--shelf", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Genuine builds, a folder each."
)
@click.option(
    "--pg-tree", "tree", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Another PostgreSQL."
)
def command(**options: object) -> int:
    """Build a server with an Immich database on pgvecto.rs, migrate it for real, restarts included, and verify it."""
    from migrator.commands.demo import DemoRequest, demo  # noqa: PLC0415 - only the demo needs the sandbox

    choose(json=False, color=True)
    request = DemoRequest(
        rows=cast("int", options["rows"]),
        pgvectors=str(options["pgvectors"]),
        reindex_by=cast("Literal['tool', 'immich']", options["reindex_by"]),
        interactive=bool(options["interactive"]),
        keep=bool(options["keep"]),
        shelf=cast("Path | None", options["shelf"]),
        tree=cast("Path | None", options["tree"]),
    )
    code = demo(request, lambda line: click.echo(line, err=True))
    if code == 0:
        # in a virtual environment that is not activated, the bare name would not be found
        name = "migrate" if shutil.which("migrate") else os.path.relpath(sys.argv[0])
        click.echo(NEXT.format(migrate=name), err=True)
    return code
