"""
Where keys may be sent: to known hosts only, over https, or over plain http on this machine. Keys of an emulator are not
secret and may be sent over plain http to any host, such as another container.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from esms_connectors.gateway.endpoints import DEFAULT_BASE_URL, STATUS_BASE_URL, VOICE_BASE_URL, Endpoint
from esms_connectors.gateway.errors import ConfigurationError

_PORT_BEHIND_PATH = re.compile(r":\d+/?$")
_GATEWAY_URLS = (DEFAULT_BASE_URL, STATUS_BASE_URL, VOICE_BASE_URL)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_base_url(base_url: str, *, secret_keys: bool = True) -> str:
    """
    The base URL without a trailing slash.

    Args:
        secret_keys: False for keys of an emulator.

    Raises:
        ConfigurationError: no scheme or host, plain http to another machine, keys or a query in it, or a URL that ends
            with the path of a gateway function.
    """
    hint = f"Give scheme and host, such as {DEFAULT_BASE_URL}."
    try:
        parts = urlsplit(base_url.strip())
        host = parts.hostname
        port_is_bad = parts.port == 0
    except (ValueError, AttributeError):
        raise ConfigurationError(f"The base URL cannot be read. {hint}") from None
    if parts.scheme not in ("http", "https") or not host or port_is_bad:
        raise ConfigurationError(f"The base URL needs a scheme and a host. {hint}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(f"The base URL must not contain a user, query or fragment. {hint}")
    if _PORT_BEHIND_PATH.search(parts.path):
        raise ConfigurationError(f"The base URL has its port after the path: it belongs after the host. {hint}")
    if any(character.isspace() or not character.isprintable() for character in base_url.strip()):
        raise ConfigurationError(f"The base URL contains a space. {hint}")
    if "mainservice.svc" in parts.path.lower():
        raise ConfigurationError(f"The base URL must end before /MainService.svc. {hint}")
    if parts.scheme == "http" and secret_keys and not is_loopback(host):
        raise ConfigurationError(
            f"The base URL of {host} is plain http, which would expose the keys to everyone on the network path. Use "
            "https."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of `url`."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


class Addresses:
    """The URL of each function, and the hosts that may receive the keys."""

    def __init__(self, base_url: str, *, secret_keys: bool = True) -> None:
        self.base_url = check_base_url(base_url, secret_keys=secret_keys)
        self.allowed = frozenset(origin(url) for url in (self.base_url, *_GATEWAY_URLS[1:]))
        self._is_gateway = origin(self.base_url) == origin(DEFAULT_BASE_URL) and not urlsplit(self.base_url).path

    def url_of(self, endpoint: Endpoint) -> str:
        """The URL of a function. With another base URL (an emulator, a relay) all functions are called there."""
        return (endpoint.base_url if self._is_gateway else self.base_url) + endpoint.path

    def check(self, url: str) -> None:
        """The last check before the keys are sent."""
        if origin(url) not in self.allowed:
            raise ConfigurationError(f"Keys are not sent to {urlsplit(url).hostname}: it is not the base URL's host.")
