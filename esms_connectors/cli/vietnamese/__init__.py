"""The message catalogue of `esms`, English -> Vietnamese; `{names}` are values, see `cli/language.py`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from esms_connectors.cli.vietnamese.errors import ERRORS
from esms_connectors.cli.vietnamese.gateway import GATEWAY
from esms_connectors.cli.vietnamese.kinds import ERROR_KINDS as ERROR_KINDS
from esms_connectors.cli.vietnamese.lists import LISTS
from esms_connectors.cli.vietnamese.output import OUTPUT
from esms_connectors.cli.vietnamese.places import PLACES
from esms_connectors.cli.vietnamese.sends import SENDS
from esms_connectors.cli.vietnamese.sources import SOURCES
from esms_connectors.cli.vietnamese.usage import USAGE
from esms_connectors.cli.vietnamese.warehouses import WAREHOUSES

VIETNAMESE: Mapping[str, str] = MappingProxyType(
    {**OUTPUT, **ERRORS, **GATEWAY, **SENDS, **LISTS, **PLACES, **WAREHOUSES, **SOURCES, **USAGE}
)
