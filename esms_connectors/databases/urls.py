"""
Checks of database addresses.

Libraries parse addresses differently. If a password has an unescaped special character, one takes the rest of it as the
host, another as the port or the path, and quotes that in an error. Such addresses are rejected before a library sees
them.
"""

from __future__ import annotations

import re

from esms_connectors.gateway.errors import ConfigurationError

HINT = (
    "give scheme://user:password@host:port/database; special characters in a password are written %XX "
    "(@ is %40, : %3A, / %2F, ? %3F, # %23, % %25)"
)

_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# host, host:port or [::1]:port, several with commas in between.
_HOSTS = re.compile(r"(?:[^\[\]:@]*|\[[0-9A-Fa-f:.%]+\])(?::\d*)?", re.ASCII)
# An address that was converted by pathlib: s3:/bucket/file. A single letter is a Windows drive.
LOST_SLASH = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:/(?!/)")
_KEYWORDS = re.compile(r"(?:^|\s)(?:host|hostaddr|port|dbname|user|password|service|sslmode)\s*=", re.IGNORECASE)


def check_database_url(url: str, what: str) -> None:
    """
    Check that all libraries parse this address in the same way. Addresses without a host are not checked.

    Args:
        what: the subject of the error, such as "The ledger's URL".

    Raises:
        ConfigurationError: it is ambiguous, is libpq's `key=value` text, or lacks a slash, so that it would be a local
            file or folder. The error does not quote it.
    """
    if "://" not in url:
        if LOST_SLASH.match(url):
            raise ConfigurationError(f"{what} begins with {url.partition(':')[0]}:/, which lacks a slash: {HINT}.")
        if _KEYWORDS.search(url):
            raise ConfigurationError(f"{what} cannot be read: {HINT}.")
        return
    rest = url.partition("://")[2]
    if not rest or rest.startswith("/"):
        return
    place, question, query = rest.partition("?")
    authority, _, path = place.partition("/")
    hosts = authority.rpartition("@")[2]
    ambiguous = (
        "#" in rest
        or authority.count("@") > 1
        or "@" in path
        or not all(_HOSTS.fullmatch(host) for host in hosts.split(","))
        or (question and any("=" not in part for part in query.split("&") if part))
        or _NO_ESCAPE.search(authority) is not None
        or any(not character.isprintable() or character.isspace() for character in rest)
    )
    if ambiguous:
        raise ConfigurationError(f"{what} cannot be read: {HINT}.")
