"""Every way to say where the database is leads to it, on a real server."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from driving import DONE, MIGRATE, USAGE, Tool
from proxies import Encrypting, listening

from migrator.connection import Given, connections
from migrator.errors import CannotConnect
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree
from migrator.session import connect

SECRET = "kanarien/vogel@1:2%40 '\"\\$HOME#ä"  # noqa: S105 - of a throw-away server
QUOTED = SECRET.replace("\\", "\\\\").replace("'", "\\'")
DATABASE = "imm ich/1"


@pytest.fixture(scope="module")
def server(open_folder: Path, tree: Tree, shelf: Shelf, numbers: Iterator[int]) -> Iterator[Server]:
    """Return a server with an Immich whose role and database have awkward names, and a password."""
    with Server.create(open_folder / f"forms-{next(numbers)}", tree=tree, shelf=shelf) as made:
        made.start()
        ImmichDatabase(
            name=DATABASE, owner="im:mich@lan", owner_password=SECRET, owner_is_superuser=False, rows=5, source="real[]"
        ).build(made.conninfo())
        yield made


def encoded(text: str) -> str:
    """Percent-encode everything."""
    return quote(text, safe="")


def arrived(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, given: Given | None = None) -> list[str]:
    """Connect as told, and return the database and the role that the server sees, and whether it may be written to."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = connections(given or Given(), environment)
    with connect(found.conninfo, {}, read_only=True) as connection:
        row = connection.execute("SELECT current_database(), session_user, current_setting('transaction_read_only')")
        return [str(value) for value in row.fetchone() or ()]


ARRIVED = [DATABASE, "im:mich@lan", "on"]


def parts(server: Server) -> dict[str, str]:
    """Return Immich's settings for the parts of a connection by TCP."""
    return {
        "DB_HOSTNAME": "127.0.0.1",
        "DB_PORT": str(server.port),
        "DB_USERNAME": "im:mich@lan",
        "DB_PASSWORD": SECRET,
        "DB_DATABASE_NAME": DATABASE,
    }


def url(server: Server, host: str = "127.0.0.1", query: str = "") -> str:
    """Return the URL of the same connection."""
    return f"postgresql://{encoded('im:mich@lan')}:{encoded(SECRET)}@{host}:{server.port}/{encoded(DATABASE)}{query}"


def test_immichs_settings(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts, the URL, and both in files."""
    assert arrived(parts(server), monkeypatch) == ARRIVED
    assert arrived({"DB_URL": url(server)}, monkeypatch) == ARRIVED
    (tmp_path / "DB_PASSWORD").write_text(f"{SECRET}\n")
    (tmp_path / "url").write_text(f"{url(server)}\n")
    without = {**parts(server), "DB_PASSWORD": ""}
    assert arrived({**without, "DB_PASSWORD_FILE": str(tmp_path / "DB_PASSWORD")}, monkeypatch) == ARRIVED
    assert arrived({**without, "CREDENTIALS_DIRECTORY": str(tmp_path)}, monkeypatch) == ARRIVED
    assert arrived({"DB_URL_FILE": str(tmp_path / "url")}, monkeypatch) == ARRIVED


def test_an_env_file(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The awkward password survives single quotes; DB_URL may be put together from the other settings."""
    file = tmp_path / ".env"
    lines = [f"{name}='{value}'" for name, value in parts(server).items() if name != "DB_PASSWORD"]
    file.write_text("\n".join([*lines, f"DB_PASSWORD='{QUOTED}' # as in the docs"]))
    assert arrived({}, monkeypatch, Given(env_file=file)) == ARRIVED
    file.write_text(
        f"DB_PASSWORD='{encoded(SECRET)}'\nWHERE=127.0.0.1:{server.port}\n"
        f'DB_URL="postgresql://{encoded("im:mich@lan")}:${{DB_PASSWORD}}@$WHERE/{encoded(DATABASE)}"\n'
    )
    assert arrived({}, monkeypatch, Given(env_file=file)) == ARRIVED


def test_sockets(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every form that names a folder."""
    folder = str(server.socket_dir)
    other = {"PGPORT": str(server.port), "PGUSER": "im:mich@lan"}
    for form in (
        url(server, encoded(folder)),
        f"postgresql://{encoded('im:mich@lan')}@/{encoded(DATABASE)}?host={folder}&port={server.port}",
        f"socket:{folder}/?db={encoded(DATABASE)}",
        f"{folder} {DATABASE}",
        f"host='{folder}' dbname='{DATABASE}'",
    ):
        assert arrived(other, monkeypatch, Given(database=form)) == ARRIVED, form
    immich = {**parts(server), "DB_HOSTNAME": folder, "DB_PASSWORD": ""}
    assert arrived(immich, monkeypatch) == ARRIVED


def test_libpqs_own_files(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPASSFILE and PGSERVICE, with and without settings of Immich's."""
    passwords = tmp_path / "pass"
    escaped = SECRET.replace("\\", "\\\\").replace(":", "\\:")
    passwords.write_text(f"127.0.0.1:*:*:*:{escaped}\n", encoding="utf-8")
    passwords.chmod(0o600)
    services = tmp_path / "services"
    services.write_text(f"[photos]\nhost=127.0.0.1\nport={server.port}\nuser=im:mich@lan\ndbname={DATABASE}\n")
    own = {"PGPASSFILE": str(passwords), "PGSERVICEFILE": str(services)}
    immich = {name: value for name, value in parts(server).items() if name != "DB_PASSWORD"}
    assert arrived({**own, **immich}, monkeypatch) == ARRIVED
    assert arrived({**own, "PGSERVICE": "photos"}, monkeypatch) == ARRIVED
    monkeypatch.delenv("PGSERVICE")
    assert arrived(own, monkeypatch, Given(database="service=photos")) == ARRIVED


def test_options_of_the_environment_stay(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGOPTIONS and options in the URL are added to ours, not replaced by them."""
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=7MB")
    for address, wanted in ((url(server), "7MB"), (url(server, query="?options=-c%20work_mem%3D8MB"), "8MB")):
        with connect(connections(Given(database=address), {}).conninfo, {}, read_only=True) as connection:
            found = [connection.execute(f"SHOW {name}").fetchone() for name in ("work_mem", "transaction_read_only")]
        assert found == [(wanted,), ("on",)]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return a certificate for another name that nobody has signed, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*command, "-out", files[0], "-keyout", files[1], "-subj", "/CN=elsewhere"], check=True, capture_output=True
    )
    return files


def test_tls_without_verification(
    server: Server, tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """no-verify and DB_SSL_MODE=require encrypt and verify nothing, though a root certificate lies in the home folder.

    The certificate there is not the server's: libpq's own `require` fails on it.
    """
    home = tmp_path / "home"
    (home / ".postgresql").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    openssl = str(shutil.which("openssl"))
    root = home / ".postgresql" / "root.crt"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*command, "-out", root, "-keyout", tmp_path / "other" / "key", "-subj", "/CN=other"],
        check=True,
        capture_output=True,
    )
    with listening(Encrypting(server, *certificate)) as port:
        address = f"postgresql://{encoded('im:mich@lan')}@127.0.0.1:{port}/{encoded(DATABASE)}"
        immich = {**parts(server), "DB_PORT": str(port), "HOME": str(home)}
        both = f"{address}?sslmode=require&sslmode=no-verify"
        assert arrived(immich, monkeypatch, Given(database=both)) == ARRIVED
        assert arrived({**immich, "DB_SSL_MODE": "require"}, monkeypatch) == ARRIVED
        for verified in ({"DB_SSL_MODE": "verify-full"}, {"DB_URL": f"{address}?sslmode=require"}):
            with pytest.raises(CannotConnect, match="no connection to PostgreSQL") as refused:
                arrived({**immich, **verified}, monkeypatch)
            assert "sslmode=no-verify checks nothing" in str(refused.value.hint)


def test_the_command_finds_immich_by_itself(server: Server, tmp_path: Path) -> None:
    """Settings from the environment, and from a file; the note about an unknown option goes to stderr."""
    environment = {"DB_URL": url(server, query="?pool_timeout=3")}
    tool = Tool(tmp_path, "", tmp_path / "immich.db", environment)
    said = tool.call("status", "--json")
    assert said.returncode == DONE, said.stderr
    assert '"server_error": null' in said.stdout
    assert said.stderr == 'note: DB_URL: PostgreSQL\'s client library does not know "pool_timeout"; left out\n'
    (tmp_path / ".env").write_text(f"DB_URL={url(server)}\n")
    plain = Tool(tmp_path, "", tmp_path / "immich.db", {"DB_URL": "postgresql://nowhere.invalid/x"})
    said = plain.call("status", "--json", "--env-file", str(tmp_path / ".env"))
    assert (said.returncode, said.stderr) == (DONE, "")
    assert '"server_error": null' in said.stdout


def test_an_env_file_that_is_not_there(tmp_path: Path) -> None:
    """One sentence, a remedy, and the code for usage."""
    tool = Tool(tmp_path, "", tmp_path / "immich.db")
    said = tool.call("--from", "pgvecto.rs", "--env-file", str(tmp_path / "missing"))
    assert said.returncode == USAGE
    assert "cannot be read (no such file or directory); nothing was changed" in said.stderr
    assert "Immich's .env" in said.stderr


def test_the_help_loads_no_driver(tmp_path: Path) -> None:
    """The options stand in --help, which shows at once."""
    done = subprocess.run(
        [str(Path(MIGRATE).with_name("python")), "-X", "importtime", MIGRATE, "--help"],
        capture_output=True, text=True, check=True, env=Tool(tmp_path, "", tmp_path / "j").environ(),
    )  # fmt: skip
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in loaded
    assert not {"psycopg", "dotenv", "migrator.connection"} & loaded
