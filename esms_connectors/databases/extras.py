"""Optional packages: what an address needs is named before anything is tried."""

from __future__ import annotations

import importlib.util

from esms_connectors.gateway.errors import ConfigurationError


def need(module: str, extra: str) -> None:
    """One line that names the extra, instead of an ImportError."""
    if importlib.util.find_spec(module) is None:
        raise ConfigurationError(f"This needs the extra [{extra}]: pip install 'esms-connectors[{extra}]'")
