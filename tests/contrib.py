"""As much of PostgreSQL's own extensions as a preparation sees, for servers that came without them."""

from migrator.sandbox.server import Server

CONTRIB = {
    "cube": ("default_version = '1.5'\nrelocatable = true\ntrusted = true\n", "CREATE DOMAIN cube AS real[];\n"),
    "earthdistance": (
        "default_version = '1.2'\nrelocatable = true\ntrusted = true\nrequires = 'cube'\n",
        "CREATE FUNCTION earth() RETURNS float8 LANGUAGE SQL IMMUTABLE AS 'SELECT 6378168::float8';\n",
    ),
}


def offer_contrib(server: Server) -> None:
    """Put cube and earthdistance into a server's tree, where they are missing."""
    folder = server.tree.extension_dir
    for name, (control, script) in CONTRIB.items():
        if not (folder / f"{name}.control").exists():
            version = control.split("'")[1]
            (folder / f"{name}.control").write_text(control)
            (folder / f"{name}--{version}.sql").write_text(script)
