"""Connection strings as people have them, turned into libpq's parameters.

Four forms: URLs, libpq's own `key=value`, and the two of Immich's driver for sockets, `socket:/folder?db=name` and
`/folder name`. No error repeats any of the text: it may carry a password, and a password with an unencoded `/` or `?`
in it looks like a port, a database or an option.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict

from migrator.connection.tls import SSL_SWITCH, translate_mode
from migrator.errors import BadConnectionSettings

WRITE = "write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE, special characters percent-encoded"
LAST_PORT = 65535

_URL = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_SOCKET = re.compile(r"socket:(?://)?", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_OF_THE_DRIVER: Mapping[str, str] = {"db": "dbname", "encoding": ""}
"""Keys of a socket URL; what they are to libpq, "" = nothing."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """libpq's parameters, and what the person should know about how they were read. Never shown as a whole."""

    parameters: dict[str, str] = field(repr=False)
    notes: tuple[str, ...] = ()


def parse(text: str, origin: str) -> Parsed:
    """Read a connection string of any form; `origin` is what it came from, for messages.

    Raises:
        BadConnectionSettings: it has none of the forms; the message repeats nothing of it.
    """
    try:
        text = text.strip()
        if text.startswith("/"):
            return _socket_and_name(text, origin)
        if found := _SOCKET.match(text):
            return _socket_url(text[found.end() :], origin)
        if found := _URL.match(text):
            return _url(text[found.end() :], origin)
        given = {key: str(value) for key, value in conninfo_to_dict(text).items() if value is not None}
        return _checked({}, list(given.items()), origin)
    except (ProgrammingError, UnicodeError, ValueError):
        raise refusal(origin) from None


def refusal(origin: str) -> BadConnectionSettings:
    """Return the error that says that a connection string is none."""
    return BadConnectionSettings(f"{origin} is not a connection string; nothing was changed", hint=WRITE)


def _socket_and_name(text: str, origin: str) -> Parsed:
    folder, _, database = text.partition(" ")
    return _checked({"host": folder, "dbname": database.strip()}, [], origin)


def _socket_url(rest: str, origin: str) -> Parsed:
    place, _, query = rest.partition("?")
    userinfo, at, folder = place.rpartition("@")
    parameters = {"host": _folder(_decoded(folder)), **(_userinfo(userinfo) if at else {})}
    if not parameters["host"].startswith("/"):
        raise ValueError("no folder")
    options = [(_OF_THE_DRIVER.get(key, key), value) for key, value in _options(query)]
    return _checked(parameters, [(key, value) for key, value in options if key], origin)


def _folder(path: str) -> str:
    return path if len(path) == 1 else path.rstrip("/")


def _url(rest: str, origin: str) -> Parsed:
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    after = rest[len(authority) :]
    userinfo, at, places = authority.rpartition("@")
    if not at and "@" in after:
        raise ValueError("an unencoded character ends the password early")
    path, _, query = after.partition("?")
    parameters = _userinfo(userinfo) if at else {}
    parameters |= _places(places)
    parameters["dbname"] = _decoded(path.removeprefix("/"))
    return _checked(parameters, _options(query), origin)


def _userinfo(text: str) -> dict[str, str]:
    user, _, password = text.partition(":")
    return {"user": _decoded(user), "password": _decoded(password)}


def _places(text: str) -> dict[str, str]:
    """Read `host:port,host:port`; a host may be an IPv6 address in brackets, or a percent-encoded folder."""
    hosts, ports = [], []
    for place in text.split(","):
        if place.startswith("["):
            host, closed, port = place[1:].partition("]")
            if not closed or (port and not port.startswith(":")):
                raise ValueError("brackets")
            port = port.removeprefix(":")
        else:
            host, _, port = place.partition(":")
        hosts.append(_decoded(host))
        ports.append(port)
    return {
        "host": ",".join(hosts) if any(hosts) else "",
        "port": ",".join(ports) if any(ports) else "",
    }


def _options(query: str) -> list[tuple[str, str]]:
    pairs = []
    for part in query.split("&") if query else []:
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError("an option without a value")
        pairs.append((_decoded(key), _decoded(value)))
    return pairs


def _decoded(text: str) -> str:
    """Percent-decode; what is no code stands for itself, as in Immich's driver."""
    decoded = unquote(text, errors="strict")
    if "\0" in decoded:
        raise ValueError("a zero byte")
    return decoded


def _checked(parameters: dict[str, str], options: list[tuple[str, str]], origin: str) -> Parsed:
    """Add the options, of which the last one of a name counts, and keep what libpq knows."""
    known = {default.keyword.decode() for default in pq.Conninfo.get_defaults()}
    kept = {key: value for key, value in parameters.items() if value}
    unknown: list[str] = []
    for key, value in options:
        if key in known or key == SSL_SWITCH:
            kept[key] = value
        elif not _NAME.fullmatch(key):
            raise ValueError("not the name of an option")
        elif key not in unknown:
            unknown.append(key)
    for port in kept.get("port", "").split(","):
        if port and not (port.isascii() and port.isdecimal() and 0 < int(port) <= LAST_PORT):
            raise ValueError("a port that is none")
    names = ", ".join(f'"{key}"' for key in unknown)
    notes = (f"{origin}: PostgreSQL's client library does not know {names}; left out",) if unknown else ()
    return Parsed(translate_mode(kept, origin), notes)
