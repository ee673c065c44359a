"""How Immich's ways to ask for TLS are said to libpq."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from migrator.errors import BadConnectionSettings

SSL_SWITCH = "ssl"
"""The option `ssl=true|1|0` of other drivers; libpq itself has only `sslmode`."""
SWITCHED: Mapping[str, str] = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
UNCHECKED = "no-verify"
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
IMMICH_MODES = ("disable", "allow", "prefer", "require", "verify-full")
NO_ROOT = "/dev/null/no-root-certificate"
"""A file that cannot exist. Otherwise libpq checks certificates in every mode once ~/.postgresql/root.crt exists."""
USUAL_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def translate_mode(parameters: Mapping[str, str], origin: str) -> dict[str, str]:
    """Return the parameters in libpq's terms: `sslmode` decides, then `ssl`; `no-verify` is TLS that checks nothing.

    Raises:
        BadConnectionSettings: a mode that nobody knows.
    """
    translated = {key: value for key, value in parameters.items() if key != SSL_SWITCH}
    mode = parameters.get("sslmode")
    if mode is None and SSL_SWITCH in parameters:
        mode = SWITCHED.get(parameters[SSL_SWITCH].lower(), "")
    if mode is None:
        return translated
    if mode == UNCHECKED:
        return {**translated, **encrypted_unchecked("require")}
    if mode not in MODES:
        raise BadConnectionSettings(
            f"{origin} asks for TLS in words that neither Immich nor PostgreSQL knows; nothing was changed",
            hint=f"sslmode is one of {', '.join(MODES)} or {UNCHECKED}",
        )
    return {**translated, "sslmode": mode}


def encrypted_unchecked(mode: str) -> dict[str, str]:
    """Return the parameters for a mode in which no certificate is looked at, whatever files lie in the home folder."""
    return {"sslmode": mode, "sslrootcert": NO_ROOT}


def of_immich(mode: str, origin: str) -> dict[str, str]:
    """Return the parameters for DB_SSL_MODE, where everything below verify-full checks no certificate.

    Raises:
        BadConnectionSettings: Immich knows no such mode.
    """
    if mode not in IMMICH_MODES:
        raise BadConnectionSettings(
            f"{origin} is none of the modes that Immich knows; nothing was changed",
            hint=f"it is one of {', '.join(IMMICH_MODES)}",
        )
    return {"sslmode": mode} if mode in ("disable", "verify-full") else encrypted_unchecked(mode)


def with_roots(parameters: Mapping[str, str], environment: Mapping[str, str], extra: str) -> dict[str, str]:
    """Name the root certificates for verify-full as Immich has them: the usual ones, or the `extra` file given to it.

    libpq looks only into ~/.postgresql/root.crt, and its own "system" is a folder of the build machine in some builds.
    """
    if parameters.get("sslmode") not in ("verify-ca", "verify-full") or "sslrootcert" in parameters:
        return dict(parameters)
    home = Path(environment.get("HOME", "/")) / ".postgresql" / "root.crt"
    if "PGSSLROOTCERT" in environment or home.exists():
        return dict(parameters)
    usual = ssl.get_default_verify_paths().cafile
    found = next((path for path in (extra, usual, *USUAL_BUNDLES) if path and Path(path).is_file()), "system")
    return {**parameters, "sslrootcert": found}
