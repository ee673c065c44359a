"""Immich's own settings: every place that Immich reads them from, in its order, with its defaults."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from migrator.connection import Connections, Given, connections
from migrator.connection.env_file import read_env_file, substitute
from migrator.connection.tls import NO_ROOT
from migrator.errors import BadConnectionSettings, ExitCode

calmly = settings(deadline=None)
"""A busy machine is no failure."""
SECRET = "kanarienvogel"  # noqa: S105 - of no server
URL = f"postgresql://immich:{SECRET}@db.lan:5433/photos"
OF_URL = {"user": "immich", "password": SECRET, "host": "db.lan", "port": "5433", "dbname": "photos"}
OF_NOTHING = {"host": "database", "port": "5432", "user": "postgres", "password": "postgres", "dbname": "immich"}


def connecting(environment: Mapping[str, str], **given: str | Path) -> Connections:
    """Find out how to connect, with a home folder that is not there."""
    database, admin = given.get("database"), given.get("admin_database")
    file = given.get("env_file")
    return connections(
        Given(
            database=str(database) if database else None,
            admin_database=str(admin) if admin else None,
            env_file=Path(file) if file else None,
        ),
        {"HOME": "/nowhere", **environment},
    )


def parameters(environment: Mapping[str, str], **given: str | Path) -> dict[str, str]:
    """Return libpq's parameters for an environment and options."""
    return {k: str(v) for k, v in conninfo_to_dict(connecting(environment, **given).conninfo).items()}


def test_the_parts_have_immichs_names_and_defaults() -> None:
    """A setting of Immich's makes the others what Immich takes for them."""
    assert parameters({"DB_USERNAME": "postgres"}) == OF_NOTHING
    everything = {
        "DB_HOSTNAME": "db.lan",
        "DB_PORT": "5433",
        "DB_USERNAME": "immich",
        "DB_PASSWORD": SECRET,
        "DB_DATABASE_NAME": "photos",
    }
    assert parameters(everything) == OF_URL
    assert connecting(everything).notes == ()


def test_a_host_that_nobody_named_is_said() -> None:
    """Immich's default is a name inside its containers; the person is told where it comes from."""
    assert connecting({"DB_PASSWORD": "x"}).notes == ('DB_HOSTNAME is not set: "database" is tried, as Immich does',)


def test_an_empty_setting_is_none() -> None:
    """As in Immich, and as Compose leaves what is only named."""
    assert parameters({"DB_URL": "", "DB_HOSTNAME": "db.lan", "DB_PASSWORD": ""}) == {**OF_NOTHING, "host": "db.lan"}


def test_a_password_is_taken_as_it_stands() -> None:
    """DB_PASSWORD is not percent-decoded, unlike the one in a URL."""
    raw = "a%40b c'd\\"
    assert parameters({"DB_PASSWORD": raw}) == {**OF_NOTHING, "password": raw}


def test_precedence() -> None:
    """--database before DB_URL before the parts, and each of them alone."""
    parts = {"DB_HOSTNAME": "elsewhere", "DB_PASSWORD": "other", "DB_SSL_MODE": "verify-full"}
    assert parameters({"DB_URL": URL, **parts}) == OF_URL
    assert parameters({"DB_URL": URL, **parts}, database="postgresql://me@there/it") == {
        "user": "me",
        "host": "there",
        "dbname": "it",
    }


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, {"dbname": "immich"}),
        ({"PGHOST": "db.lan", "PGUSER": "immich", "PGPASSWORD": SECRET}, {"dbname": "immich"}),
        ({"PGDATABASE": "photos"}, {}),
        ({"PGSERVICE": "photos"}, {}),
        ({"DB_PASSWORD": SECRET, "PGSERVICE": "photos"}, {"password": SECRET}),
        ({"DB_DATABASE_NAME": "photos", "PGHOST": "db.lan", "PGPASSFILE": "/pass"},
         {"dbname": "photos", "port": "5432", "user": "postgres"}),
    ],
)  # fmt: skip
def test_libpqs_environment_comes_before_immichs_defaults(environment: dict[str, str], wanted: dict[str, str]) -> None:
    """Where Immich's settings say nothing, PGHOST, PGSERVICE, PGPASSFILE and the others count, and stay libpq's."""
    assert parameters(environment) == wanted


def test_a_password_file_in_the_home_folder_comes_before_the_default_password(tmp_path: Path) -> None:
    """~/.pgpass would not be looked at if a password were given."""
    (tmp_path / ".pgpass").write_text("*:*:*:*:x")
    assert "password" not in parameters({"DB_HOSTNAME": "db", "HOME": str(tmp_path)})


@pytest.mark.parametrize("form", ["service=photos", "postgresql://?service=photos"])
def test_a_service_names_its_database(form: str) -> None:
    """The usual name is not put in place of the one that pg_service.conf has."""
    assert parameters({}, database=form) == {"service": "photos"}


def test_settings_in_files(tmp_path: Path) -> None:
    """NAME_FILE before a systemd credential before NAME; trailing newlines belong to none of them."""
    (tmp_path / "password").write_text(f"{SECRET}\n\n")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "DB_PASSWORD").write_text("of the credential")
    (credentials / "DB_USERNAME").write_text("immich\n")
    environment = {
        "DB_HOSTNAME": "db.lan",
        "DB_PASSWORD": "plain",
        "DB_PASSWORD_FILE": str(tmp_path / "password"),
        "CREDENTIALS_DIRECTORY": str(credentials),
    }
    wanted = {**OF_NOTHING, "host": "db.lan", "user": "immich", "password": SECRET}
    assert parameters(environment) == wanted
    del environment["DB_PASSWORD_FILE"]
    assert parameters(environment) == {**wanted, "password": "of the credential"}
    (tmp_path / "url").write_text(f"{URL}\n")
    assert parameters({**environment, "DB_URL_FILE": str(tmp_path / "url")}) == OF_URL


def test_immich_reads_no_port_and_no_tls_mode_from_files(tmp_path: Path) -> None:
    """What Immich does not know is not taken for a setting."""
    (tmp_path / "n").write_text("1234")
    environment = {"DB_HOSTNAME": "db", "DB_PORT_FILE": str(tmp_path / "n"), "DB_SSL_MODE_FILE": str(tmp_path / "n")}
    assert parameters(environment) == {**OF_NOTHING, "host": "db"}


def test_a_file_that_is_not_there_is_named() -> None:
    """A path inside Immich's container is the usual cause, and --database the way out."""
    with pytest.raises(BadConnectionSettings, match="DB_PASSWORD_FILE names the file") as refused:
        connecting({"DB_HOSTNAME": "db", "DB_PASSWORD_FILE": "/run/secrets/nowhere"})
    assert refused.value.exit_code is ExitCode.USAGE
    assert "--database" in str(refused.value.hint)
    assert parameters({"DB_URL": URL, "DB_PASSWORD_FILE": "/run/secrets/nowhere"}) == OF_URL


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("disable", {"sslmode": "disable"}),
        ("prefer", {"sslmode": "prefer", "sslrootcert": NO_ROOT}),
        ("require", {"sslmode": "require", "sslrootcert": NO_ROOT}),
        ("verify-full", {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}),
    ],
)
def test_tls_modes(mode: str, wanted: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything below verify-full verifies nothing, as in Immich; verify-full trusts the usual authorities."""
    monkeypatch.setattr("migrator.connection.tls.USUAL_BUNDLES", ())
    monkeypatch.setattr("ssl.get_default_verify_paths", lambda: type("Paths", (), {"cafile": "/ca.pem"}))
    monkeypatch.setattr("pathlib.Path.is_file", lambda path: str(path) == "/ca.pem")
    assert parameters({"DB_HOSTNAME": "db", "DB_SSL_MODE": mode}) == {**OF_NOTHING, "host": "db", **wanted}


def test_an_authority_of_ones_own_is_trusted_as_immich_was_told_to(tmp_path: Path) -> None:
    """NODE_EXTRA_CA_CERTS is where people name it to Immich."""
    (tmp_path / "ca.pem").write_text("")
    environment = {"DB_URL": "postgresql://db/immich?sslmode=verify-full", "NODE_EXTRA_CA_CERTS": f"{tmp_path}/ca.pem"}
    assert parameters(environment)["sslrootcert"] == f"{tmp_path}/ca.pem"
    assert "sslrootcert" not in parameters({**environment, "PGSSLROOTCERT": "/mine.pem"})


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"DB_PORT": SECRET}, "DB_PORT is not the number of a port; nothing was changed"),
        ({"DB_PORT": "0"}, "DB_PORT is not the number of a port; nothing was changed"),
        ({"DB_SSL_MODE": SECRET}, "DB_SSL_MODE is none of the modes that Immich knows; nothing was changed"),
        ({"DB_URL": f"postgresql:/{SECRET}"}, "DB_URL is not a connection string; nothing was changed"),
    ],
)
def test_a_setting_that_means_nothing_is_refused_without_repeating_it(
    environment: dict[str, str], sentence: str
) -> None:
    """Its name is enough."""
    with pytest.raises(BadConnectionSettings) as refused:
        connecting(environment)
    assert str(refused.value) == sentence
    assert SECRET not in f"{refused.value!r} {refused.value.hint} {refused.value.facts}"


def test_an_env_file_is_read_instead_of_the_environment(tmp_path: Path) -> None:
    """Settings of two Immichs are not mixed; libpq's own variables still count."""
    file = tmp_path / ".env"
    file.write_text(f"DB_HOSTNAME=db.lan\nDB_PASSWORD='{SECRET}'\n")
    environment = {"DB_URL": "postgresql://elsewhere/x", "DB_USERNAME": "x", "PGUSER": "immich"}
    found = parameters(environment, env_file=file)
    assert found == {"host": "db.lan", "password": SECRET, "port": "5432", "dbname": "immich"}
    (tmp_path / "empty").write_text("TZ=UTC\n")
    assert parameters(environment, env_file=tmp_path / "empty") == {"dbname": "immich"}


def test_an_env_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Missing, or not text."""
    with pytest.raises(BadConnectionSettings, match="no such file"):
        connecting({}, env_file=tmp_path / "missing")
    (tmp_path / "latin").write_bytes(b"DB_PASSWORD=\xe4\n")
    with pytest.raises(BadConnectionSettings, match="not UTF-8"):
        connecting({}, env_file=tmp_path / "latin")


VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=30)


@calmly
@given(VALUE)
def test_any_password_survives_in_single_quotes(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    """Nothing is substituted there: dollars, hashes, quotes, backslashes and newlines are themselves."""
    file = tmp_path_factory.mktemp("env") / ".env"
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    file.write_text(f"DB_HOSTNAME=db\nDB_PASSWORD='{quoted}'\n", encoding="utf-8", newline="")
    assert read_env_file(file, {"a": "b"}) == ({"DB_HOSTNAME": "db", "DB_PASSWORD": value}, ())


@calmly
@given(VALUE.filter(lambda value: "$" not in value))
def test_without_a_dollar_every_line_is_read_as_by_python_dotenv(
    tmp_path_factory: pytest.TempPathFactory, value: str
) -> None:
    """Quotes, comments and escapes are those of python-dotenv, whatever is written behind the sign."""
    file = tmp_path_factory.mktemp("env") / ".env"
    file.write_text(f"DB_PASSWORD={value}\nDB_HOSTNAME=db\n", encoding="utf-8", newline="")
    known = {key: text for key, text in dotenv_values(file, interpolate=False).items() if text is not None}
    assert read_env_file(file, {})[0] == known


@calmly
@given(st.text("$\\{}:-+?_aB1 ", max_size=20))
def test_a_doubled_dollar_is_always_a_dollar(text: str) -> None:
    """Whatever follows it, and whatever is set."""
    plain = text.replace("\\", "")
    assert substitute(plain.replace("$", "$$"), lambda _name: "set") == (plain, True)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("DB_PASSWORD=plain", "plain"),
        ("DB_PASSWORD = spaced ", "spaced"),
        ("export DB_PASSWORD=exported", "exported"),
        ("DB_PASSWORD=pass#word # a comment", "pass#word"),
        ('DB_PASSWORD="a \\"quoted\\" one" # a comment', 'a "quoted" one'),
        ("DB_PASSWORD='$USERNAME ${USERNAME}'", "$USERNAME ${USERNAME}"),
        ("DB_PASSWORD=$USERNAME-${USERNAME}", "immich-immich"),
        ('DB_PASSWORD="a$$b\\$c"', "a$b$c"),
        ("DB_PASSWORD=${NOWHERE:-fallback}${EMPTY-x}${EMPTY:-y}", "fallbacky"),
        ("DB_PASSWORD=${USERNAME:+set}${NOWHERE+unset}", "set"),
        ("DB_PASSWORD=5$ 1$1", "5$ 1$1"),
        ("DB_PASSWORD", "of the environment"),
        ("DB_PASSWORD=windows\r", "windows"),
    ],
)
def test_env_file_lines(tmp_path: Path, line: str, value: str) -> None:
    """Quotes, comments and substitutions are those of Docker Compose."""
    file = tmp_path / ".env"
    file.write_text(f"\ufeffUSERNAME=immich\nEMPTY=\n# a comment\n\n{line}\n", encoding="utf-8", newline="")
    values, notes = read_env_file(file, {"DB_PASSWORD": "of the environment", "USERNAME": "somebody"})
    assert (values["DB_PASSWORD"], notes) == (value, ())


def test_a_dollar_that_swallows_part_of_a_password_is_told_without_it(tmp_path: Path) -> None:
    """Compose leaves out what is set nowhere; so do we, and say so, since PostgreSQL will only say "wrong password"."""
    file = tmp_path / ".env"
    file.write_text(f"\n\nnonsense here\nDB_PASSWORD=a${SECRET}\nDB_HOSTNAME=db\n")
    found = connecting({}, env_file=file)
    assert found.conninfo == connecting({"DB_HOSTNAME": "db", "DB_PASSWORD": "a"}).conninfo
    assert found.notes[0] == ".env: line 3 is no setting; left out"
    assert "in single quotes" in found.notes[1]
    assert SECRET not in repr(found)


def test_the_admins_connection_is_to_the_same_database() -> None:
    """It takes the database's name from Immich's connection, and the journal keeps the name that it has without it."""
    without = connecting({"DB_URL": URL})
    found = connecting({"DB_URL": URL}, admin_database="postgresql://postgres@/?host=/run")
    assert conninfo_to_dict(found.conninfo) == {"user": "postgres", "host": "/run", "dbname": "photos"}
    assert found.application == without.conninfo
    assert found.place == without.place == ("db.lan", "5433", "photos")
    assert without.application is None


def test_the_admins_connection_alone_is_told() -> None:
    """Where nothing of Immich's is known, nothing of it can be looked at."""
    found = connecting({}, admin_database="postgresql://postgres@db.lan")
    assert conninfo_to_dict(found.conninfo) == {"user": "postgres", "host": "db.lan", "dbname": "immich"}
    assert (found.application, found.place) == (None, ("db.lan", "5432", "immich"))
    assert "Immich's own connection is not given" in found.notes[0]


def test_no_record_shows_a_password() -> None:
    """Neither what was given nor what it comes to has a representation that carries it."""
    given_ones = Given(database=URL, admin_database=URL)
    assert SECRET not in f"{given_ones!r} {connections(given_ones, {})!r}"


def test_the_place_is_the_one_that_libpq_will_find(tmp_path: Path) -> None:
    """From the string, its service, the environment and the defaults, in libpq's order, without connecting."""
    (tmp_path / "services").write_text("# two\n[other]\nhost=x\n[photos]\nhost=db.lan\nport=5433\ndbname=photos\n")
    service = {"PGSERVICEFILE": str(tmp_path / "services")}
    assert connecting({**service, "PGSERVICE": "photos"}).place == ("db.lan", "5433", "photos")
    assert connecting({**service, "PGPORT": "1"}, database="service=photos").place == ("db.lan", "5433", "photos")
    assert connecting(service, database="service=photos host=here").place == ("here", "5433", "photos")
    assert connecting({"PGHOST": "db", "PGPORT": "1", "PGDATABASE": "p"}).place == ("db", "1", "p")
    assert connecting({}, database="host=db user=me service=none").place == ("db", "5432", "me")
    assert connecting({}).place == ("", "5432", "immich")
