"""
An emulator of the eSMS.vn gateway with its paths, spellings and refusals, and with faults on demand.

    from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator, VirtualClock

    emulator = Emulator(clock=VirtualClock("2024-05-15 09:00:00"))
    emulator.faults.add("send_zns_bulk", "drop_after", calls=[1])
    with emulator.serve() as server:
        ...                               # point the program under test at server.base_url
    assert max(emulator.deliveries_by_phone().values()) == 1

Needs the extra `[emulator]`. It shares no code with the client, so that a mistake cannot cancel out in both.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import Callbacks, EmulatorConfig, Progress, Quirks
    from .control import EmulatorControl
    from .emulator import Emulator
    from .progress import VirtualClock
    from .records import Message
    from .server import EmulatorServer
    from .world import (
        DEMO_API_KEY,
        DEMO_BRANDNAME,
        DEMO_OA_ID,
        DEMO_SECRET_KEY,
        DEMO_TEMPLATE_ID,
        Account,
        Brandname,
        OfficialAccount,
        TemplateParam,
        ZnsTemplate,
        default_account,
    )

# Loaded on first use: pytest imports this package wherever the plugin is installed, even without the extra.
_HOME = {
    "DEMO_API_KEY": "world",
    "DEMO_BRANDNAME": "world",
    "DEMO_OA_ID": "world",
    "DEMO_SECRET_KEY": "world",
    "DEMO_TEMPLATE_ID": "world",
    "Account": "world",
    "Brandname": "world",
    "Callbacks": "config",
    "EmulatorConfig": "config",
    "OfficialAccount": "world",
    "Progress": "config",
    "Quirks": "config",
    "TemplateParam": "world",
    "ZnsTemplate": "world",
    "default_account": "world",
    "EmulatorControl": "control",
    "Emulator": "emulator",
    "VirtualClock": "progress",
    "EmulatorServer": "server",
    "Message": "records",
}

__all__ = [
    "DEMO_API_KEY",
    "DEMO_BRANDNAME",
    "DEMO_OA_ID",
    "DEMO_SECRET_KEY",
    "DEMO_TEMPLATE_ID",
    "Account",
    "Brandname",
    "Callbacks",
    "Emulator",
    "EmulatorConfig",
    "EmulatorControl",
    "EmulatorServer",
    "Message",
    "OfficialAccount",
    "Progress",
    "Quirks",
    "TemplateParam",
    "VirtualClock",
    "ZnsTemplate",
    "default_account",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f".{home}", __name__), name)
    except ModuleNotFoundError as missing:
        if missing.name != "msgspec":
            raise
        raise ImportError("the emulator needs an extra: pip install 'esms-connectors[emulator]'") from missing
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
