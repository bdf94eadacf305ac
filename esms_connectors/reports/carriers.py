"""
Vietnamese mobile prefixes -> carriers, according to the numbering plan.

A ported number keeps its prefix, so this is the original carrier.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_PREFIXES = {
    "Viettel": "031 032 033 034 035 036 037 038 039 086 096 097 098",
    "VinaPhone": "081 082 083 084 085 088 091 094",
    "MobiFone": "030 051 070 076 077 078 079 089 090 093",
    "Vietnamobile": "052 056 058 092",
    "Gmobile": "059",
    "Wintel": "055",
    "iTel": "087",  # on VinaPhone's network
    "Gmobile / iTel": "099",  # they differ in the fourth digit, which a masked phone lacks
}

CARRIERS: Mapping[str, str] = MappingProxyType(
    {prefix: carrier for carrier, prefixes in _PREFIXES.items() for prefix in prefixes.split()}
)
