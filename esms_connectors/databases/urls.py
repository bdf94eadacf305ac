"""
Addresses of databases.

Each library takes an address apart in its own way. Where a password has a character that ought to be written %XX, one
takes the tail of it for a host, the other for a port or a path, and quotes that in an error. Such addresses are refused
before any library sees them.
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
# What pathlib makes of an address: s3:/bucket/file. One letter is a drive of Windows.
LOST_SLASH = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:/(?!/)")
_KEYWORDS = re.compile(r"(?:^|\s)(?:host|hostaddr|port|dbname|user|password|service|sslmode)\s*=", re.IGNORECASE)


def check_database_url(url: str, what: str) -> None:
    """
    Whether every library reads this address in the same way. Addresses without a host are not looked at.

    Args:
        what: whose address it is, for the error: "The ledger's URL".

    Raises:
        ConfigurationError: it can be read in two ways, is libpq's `key=value` text, or lost a slash and would be a file
            or folder of this machine. It is not quoted.
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
