"""Immich's own settings: where they are found, which of them counts, and what stands for those that are not set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from migrator.connection import tls
from migrator.connection.env_file import read_env_file
from migrator.connection.url import LAST_PORT, Parsed, parse
from migrator.errors import BadConnectionSettings

URL = "DB_URL"
PARTS: Mapping[str, str] = {
    "DB_HOSTNAME": "host",
    "DB_PORT": "port",
    "DB_USERNAME": "user",
    "DB_PASSWORD": "password",
    "DB_DATABASE_NAME": "dbname",
}
"""Immich's settings for the parts of a connection, and libpq's names for them."""
SSL_MODE = "DB_SSL_MODE"
IN_FILES = frozenset({URL, "DB_HOSTNAME", "DB_USERNAME", "DB_PASSWORD", "DB_DATABASE_NAME"})
"""Settings that Immich also takes from a file: NAME_FILE says which, or $CREDENTIALS_DIRECTORY/NAME is it."""
DEFAULTS: Mapping[str, str] = {
    "host": "database",
    "port": "5432",
    "user": "postgres",
    "password": "postgres",
    "dbname": "immich",
}
"""What Immich takes for a part that is not set."""
OF_LIBPQ: Mapping[str, tuple[str, ...]] = {
    "host": ("PGHOST", "PGHOSTADDR"),
    "port": ("PGPORT",),
    "user": ("PGUSER",),
    "password": ("PGPASSWORD", "PGPASSFILE"),
    "dbname": ("PGDATABASE",),
}
"""libpq's own variables, which come before Immich's defaults: somebody set them for this machine."""


@dataclass(frozen=True, slots=True)
class ImmichSettings:
    """Immich's settings, from the environment or, where one is given, from an env file alone.

    Attributes:
        origin: What the settings came from, for messages: "" = the environment.
    """

    values: Mapping[str, str] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    origin: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, env_file: Path | None, environment: Mapping[str, str]) -> ImmichSettings:
        """Read the settings.

        Raises:
            BadConnectionSettings: the env file cannot be read.
        """
        if env_file is None:
            return cls(environment, environment)
        values, notes = read_env_file(env_file, environment)
        return cls(values, environment, f" in {env_file.name}", notes)

    def get(self, name: str) -> str | None:
        """Return a setting, or None where it is not set or empty: from NAME_FILE, a credential, or NAME, in this order.

        Raises:
            BadConnectionSettings: the file that it is said to be in cannot be read.
        """
        if name in IN_FILES:
            if file := self.values.get(f"{name}_FILE"):
                return self._content(Path(file), f"{name}_FILE{self.origin}") or None
            folder = self.values.get("CREDENTIALS_DIRECTORY")
            if folder and (Path(folder) / name).exists():
                return self._content(Path(folder) / name, f"credential {name}") or None
        return self.values.get(name) or None

    @property
    def vector_extension(self) -> str | None:
        """DB_VECTOR_EXTENSION; "" where an env file does not set it, None where the environment does not."""
        return self.values.get("DB_VECTOR_EXTENSION", "" if self.origin else None)

    @property
    def config_file(self) -> Path | None:
        """IMMICH_CONFIG_FILE: where Immich has its settings from, as its own file system calls it."""
        name = self.values.get("IMMICH_CONFIG_FILE")
        return Path(name) if name else None

    def names(self) -> tuple[str | None, str | None]:
        """Return the database and the role that Immich's settings name; None for what they do not.

        Raises:
            BadConnectionSettings: a setting means nothing; the message does not repeat it.
        """
        if url := self.get(URL):
            parameters = parse(url, f"{URL}{self.origin}").parameters
            return parameters.get("dbname"), parameters.get("user")
        return self.get("DB_DATABASE_NAME"), self.get("DB_USERNAME")

    def _content(self, path: Path, what: str) -> str:
        try:
            return path.read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeError):
            raise BadConnectionSettings(
                f'{what} names the file "{path}", which cannot be read; nothing was changed',
                hint="a path of Immich's container is none here: give --database URL, or the file as seen from here",
            ) from None

    def connection(self) -> Parsed | None:
        """Return the parameters that Immich connects with, or None where no setting says anything.

        Raises:
            BadConnectionSettings: a setting means nothing; the message does not repeat it.
        """
        extra = self.values.get("NODE_EXTRA_CA_CERTS", "")
        if url := self.get(URL):
            parsed = parse(url, f"{URL}{self.origin}")
            parameters = tls.with_roots(parsed.parameters, self.environment, extra)
            return Parsed(parameters, (*self.notes, *parsed.notes))
        given = {part: value for name, part in PARTS.items() if (value := self.get(name)) is not None}
        mode = self.get(SSL_MODE)
        if not given and mode is None:
            return None
        port = given.get("port", "1")
        if not (port.isascii() and port.isdecimal() and 0 < int(port) <= LAST_PORT):
            raise BadConnectionSettings(
                f"DB_PORT{self.origin} is not the number of a port; nothing was changed", hint="it is usually 5432"
            )
        defaults = self._defaults(given)
        parameters = {**defaults, **given}
        if mode is not None:
            parameters |= tls.of_immich(mode, f"{SSL_MODE}{self.origin}")
        notes = list(self.notes)
        if "host" in defaults:
            notes.append(f'DB_HOSTNAME{self.origin} is not set: "{DEFAULTS["host"]}" is tried, as Immich does')
        return Parsed(tls.with_roots(parameters, self.environment, extra), tuple(notes))

    def _defaults(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return Immich's defaults for the parts that neither it nor libpq's environment has."""
        if "PGSERVICE" in self.environment:
            return {}
        known = {part for part, names in OF_LIBPQ.items() if any(self.environment.get(name) for name in names)}
        if (Path(self.environment.get("HOME", "/")) / ".pgpass").exists():
            known.add("password")
        return {part: value for part, value in DEFAULTS.items() if part not in given and part not in known}
