"""Connection strings of every form become what libpq, or Immich's own driver, would make of them."""

import re
from collections.abc import Mapping
from urllib.parse import quote

import pytest
from hypothesis import event, given, reject, settings
from hypothesis import strategies as st
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from migrator.connection.tls import NO_ROOT
from migrator.connection.url import parse
from migrator.errors import BadConnectionSettings, ExitCode

calmly = settings(deadline=None)
"""A busy machine is no failure."""
SECRET = "kanarienvogel"  # noqa: S105 - of no server
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
HOST = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,12}[a-z0-9])?", fullmatch=True),
    st.ip_addresses().map(str),
    st.text("abc/ %:?&=@#'\"\\ä", max_size=10).map(lambda rest: f"/{rest}"),
)
PORT = st.integers(1, 65535).map(str)


PIECE = st.text("abZ09._-~!$'()*+;\"é", max_size=6) | st.sampled_from(["%20", "%2Frun", "a%40b", "%c3%a4"])
ONE_PLACE = st.builds("{}{}".format, PIECE | st.just("[::1]"), st.just("") | PORT.map(":{}".format))
URL = st.builds(
    "{}://{}{}{}{}".format,
    st.sampled_from(["postgres", "postgresql"]),
    st.just("") | PIECE.map("{}@".format) | st.builds("{}:{}@".format, PIECE, PIECE),
    st.lists(ONE_PLACE, max_size=3).map(",".join),
    st.just("") | PIECE.map("/{}".format),
    st.just("") | st.lists(st.builds("{}={}".format, st.sampled_from(["user", "options", "host", "passfile"]), PIECE),
                           min_size=1, max_size=3).map(lambda pairs: "?" + "&".join(pairs)),
)  # fmt: skip


def read(text: str) -> dict[str, str]:
    """Return the parameters that are read from a connection string."""
    return parse(text, "--database").parameters


def encoded(text: str) -> str:
    """Percent-encode everything that could mean something."""
    return quote(text, safe="")


def written_host(host: str) -> str:
    """Return a host as a URL has it."""
    return f"[{host}]" if ":" in host and not host.startswith("/") else encoded(host)


@calmly
@given(TEXT, TEXT, HOST, PORT, TEXT)
def test_a_url_survives(user: str, password: str, host: str, port: str, database: str) -> None:
    """Whatever a role, a password, a host, a folder or a database is called, it is read back as it was written."""
    url = f"postgresql://{encoded(user)}:{encoded(password)}@{written_host(host)}:{port}/{encoded(database)}"
    wanted = {"user": user, "password": password, "host": host, "port": port, "dbname": database}
    assert read(url) == wanted
    assert conninfo_to_dict(make_conninfo("", **read(url))) == wanted


@calmly
@given(TEXT, TEXT, HOST, PORT, TEXT)
def test_a_url_is_read_as_libpq_reads_it(user: str, password: str, host: str, port: str, database: str) -> None:
    """Names that come as options count as those in their places do, for libpq and for us."""
    query = f"user={encoded(user)}&password={encoded(password)}&application_name={encoded(database)}"
    url = f"postgres://{written_host(host)}:{port}/{encoded(database)}?{query}"
    assert read(url) == conninfo_to_dict(url)


@calmly
@given(URL)
def test_a_url_with_anything_left_out_is_read_as_libpq_reads_it(url: str) -> None:
    """What libpq takes means the same here, whichever parts are there."""
    try:
        libpq = conninfo_to_dict(url)
    except ProgrammingError:
        reject()
    assert _meant(read(url)) == _meant(libpq)


def _meant(parameters: Mapping[str, object]) -> dict[str, str]:
    """Leave out what says nothing: empty values, and lists of empty ones."""
    return {key: str(value) for key, value in parameters.items() if str(value or "").strip(",")}


@calmly
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_our_words(text: str) -> None:
    """Nothing that is typed ends in another error than the one that says how to write it."""
    try:
        parsed = parse(text, "--database")
    except BadConnectionSettings:
        event("refused")
    else:
        assert conninfo_to_dict(make_conninfo("", **parsed.parameters)) == parsed.parameters


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("postgresql://", {}),
        ("postgres://db/immich", {"host": "db", "dbname": "immich"}),
        ("postgresql://immich:p%40ss%2Fw%25rd@db:5433/immich",
         {"user": "immich", "password": "p@ss/w%rd", "host": "db", "port": "5433", "dbname": "immich"}),
        ("postgresql://i:p@ss@db/immich", {"user": "i", "password": "p@ss", "host": "db", "dbname": "immich"}),
        ("postgresql://i:100%@db/immich", {"user": "i", "password": "100%", "host": "db", "dbname": "immich"}),
        ("postgresql://%2Fvar%2Frun%2Fpostgresql/immich", {"host": "/var/run/postgresql", "dbname": "immich"}),
        ("postgresql://immich@/immich?host=/run/pg", {"user": "immich", "host": "/run/pg", "dbname": "immich"}),
        ("postgresql://[::1]:5433/immich", {"host": "::1", "port": "5433", "dbname": "immich"}),
        ("postgresql://a:1,b:2/immich", {"host": "a,b", "port": "1,2", "dbname": "immich"}),
        ("/run/postgresql immich", {"host": "/run/postgresql", "dbname": "immich"}),
        ("/run/postgresql", {"host": "/run/postgresql"}),
        ("socket:/run/post%20gres/?db=immich&encoding=utf8", {"host": "/run/post gres", "dbname": "immich"}),
        ("socket://immich:p%40ss@/run?db=immich",
         {"user": "immich", "password": "p@ss", "host": "/run", "dbname": "immich"}),
        (r"host=db password='a b\'c' dbname=immich", {"host": "db", "password": "a b'c", "dbname": "immich"}),
        ("service=photos", {"service": "photos"}),
    ],
)  # fmt: skip
def test_forms(text: str, wanted: dict[str, str]) -> None:
    """The documented forms, those of Immich's driver, and characters that people forget to encode."""
    assert read(text) == wanted


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("sslmode=require", {"sslmode": "require"}),
        ("sslmode=require&sslmode=no-verify", {"sslmode": "require", "sslrootcert": NO_ROOT}),
        ("sslmode=no-verify&sslmode=verify-full", {"sslmode": "verify-full"}),
        ("sslmode=no-verify&sslrootcert=/ca.pem", {"sslmode": "require", "sslrootcert": NO_ROOT}),
        ("sslmode=verify-ca&sslrootcert=/ca.pem", {"sslmode": "verify-ca", "sslrootcert": "/ca.pem"}),
        ("ssl=true", {"sslmode": "require"}),
        ("ssl=1", {"sslmode": "require"}),
        ("ssl=0", {"sslmode": "disable"}),
        ("ssl=0&sslmode=prefer", {"sslmode": "prefer"}),
    ],
)
def test_tls(query: str, mode: dict[str, str]) -> None:
    """The last sslmode counts, it counts more than ssl, and no-verify is a mode of libpq that verifies nothing."""
    assert read(f"postgresql://db/immich?{query}") == {"host": "db", "dbname": "immich", **mode}


@pytest.mark.parametrize("asked", ["sslmode=sometimes", "ssl=perhaps", "sslmode="])
def test_an_unknown_tls_mode_is_refused(asked: str) -> None:
    """Nobody believes to be encrypted because of a typing error."""
    with pytest.raises(BadConnectionSettings, match="asks for TLS in words") as refused:
        read(f"postgresql://db/immich?{asked}")
    assert "no-verify" in str(refused.value.hint)


def test_options_of_others_are_left_out_with_a_note() -> None:
    """Other drivers have options that libpq refuses; the person is told their names and never their values."""
    parsed = parse(f"postgresql://db/immich?schema=public&pool.max={SECRET}&connect_timeout=5&schema=x", "DB_URL")
    assert parsed.parameters == {"host": "db", "dbname": "immich", "connect_timeout": "5"}
    assert parsed.notes == ('DB_URL: PostgreSQL\'s client library does not know "schema", "pool.max"; left out',)


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://immich:{SECRET}/1@db/immich",
        f"postgresql://immich:1/{SECRET}@db/immich",
        f"postgresql://immich:{SECRET}?x=1@db/immich",
        f"postgresql://immich:12?{SECRET}=1@db/immich",
        f"postgresql://immich:x@db/immich?{SECRET}",
        f"postgresql://immich:x@db/immich?{SECRET}%20=1",
        f"postgresql://immich:{SECRET}@[db/immich",
        f"postgresql://immich:%FF{SECRET}@db/immich",
        f"postgresql://immich:%00{SECRET}@db/immich",
        f"postgresql://immich@db:{SECRET}/immich",
        f"postgresql://immich@db:99999/{SECRET}",
        f"postgresql:/immich:{SECRET}@db/immich",
        f"mysql://immich:{SECRET}@db/immich",
        f"host=db password={SECRET} nonsense",
        f"host=db pasword={SECRET}",
        f"host=db port={SECRET}",
        f"socket:immich?db={SECRET}",
        SECRET,
    ],
)
def test_what_is_no_connection_string_is_refused_without_repeating_it(text: str) -> None:
    """A password with an unencoded character ends up where a port, a name or an option is expected: it is not shown."""
    with pytest.raises(BadConnectionSettings) as refused:
        read(text)
    error = refused.value
    assert str(error) == "--database is not a connection string; nothing was changed"
    assert error.exit_code is ExitCode.USAGE
    assert re.search("special characters percent-encoded", str(error.hint))
    shown = f"{error!r} {error.hint} {error.facts} {error.__cause__} {error.__suppress_context__}"
    assert SECRET not in shown
    assert error.__suppress_context__


def test_what_was_read_is_not_shown_by_accident() -> None:
    """The record that carries the password has no representation that shows it."""
    assert SECRET not in repr(parse(f"postgresql://immich:{SECRET}@db/immich", "--database"))
