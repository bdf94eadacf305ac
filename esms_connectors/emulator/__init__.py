"""
A stand-in for the eSMS.vn gateway: real paths, real spellings, real refusals, and faults on demand.

    from esms_connectors.emulator import DEMO_API_KEY, DEMO_SECRET_KEY, Emulator, VirtualClock, drop_after

    emulator = Emulator(clock=VirtualClock("2024-05-15 09:00:00"))
    emulator.faults.add("send_zns_bulk", drop_after(), calls=[1])
    with emulator.serve() as server:
        ...                               # point the program under test at server.base_url
    assert max(emulator.deliveries_by_phone().values()) == 1

Needs the extra `[emulator]`. It shares no code with the client, so that the two cannot agree on a mistake.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapter import EmulatorAdapter
    from .callbacks import CallbackAttempt
    from .calls import Call
    from .config import Callbacks, EmulatorConfig, Progress, Quirks
    from .control import EmulatorControl
    from .emulator import CallRecord, Emulator
    from .faults import (
        FAULTS,
        Fault,
        code,
        cut_body,
        drop_after,
        drop_before,
        empty_body,
        html,
        http_status,
        not_utf8,
        rate_limit,
        redirect,
        refuse_before,
        refuse_taken,
        slow,
    )
    from .handlers import HANDLERS
    from .progress import RealClock, VirtualClock
    from .records import Message
    from .server import EmulatorServer, PortInUseError, run_server
    from .wire import Reply, Request
    from .world import (
        DEMO_API_KEY,
        DEMO_BALANCE_VND,
        DEMO_BRANDNAME,
        DEMO_CALL_TEMPLATE_ID,
        DEMO_INACTIVE_OA_ID,
        DEMO_JOURNEY_TEMPLATE_ID,
        DEMO_MULTI_CHANNEL_TEMPLATE_ID,
        DEMO_OA_ID,
        DEMO_OTP_TEMPLATE_ID,
        DEMO_RECORDING_ID,
        DEMO_SECRET_KEY,
        DEMO_TEMPLATE_ID,
        DEMO_TEMPLATED_BRANDNAME,
        Account,
        Brandname,
        CallScript,
        MultiChannelTemplate,
        OfficialAccount,
        Prices,
        TemplateParam,
        ZnsTemplate,
        default_account,
    )

# Loaded on first use: pytest imports this package wherever the plugin is installed, with or without the extra.
_HOME = {
    "EmulatorAdapter": "adapter",
    "CallbackAttempt": "callbacks",
    "Call": "calls",
    "DEMO_API_KEY": "world",
    "DEMO_BALANCE_VND": "world",
    "DEMO_BRANDNAME": "world",
    "DEMO_CALL_TEMPLATE_ID": "world",
    "DEMO_INACTIVE_OA_ID": "world",
    "DEMO_JOURNEY_TEMPLATE_ID": "world",
    "DEMO_MULTI_CHANNEL_TEMPLATE_ID": "world",
    "DEMO_OA_ID": "world",
    "DEMO_OTP_TEMPLATE_ID": "world",
    "DEMO_RECORDING_ID": "world",
    "DEMO_SECRET_KEY": "world",
    "DEMO_TEMPLATE_ID": "world",
    "DEMO_TEMPLATED_BRANDNAME": "world",
    "Account": "world",
    "Brandname": "world",
    "CallScript": "world",
    "Callbacks": "config",
    "EmulatorConfig": "config",
    "OfficialAccount": "world",
    "Progress": "config",
    "Quirks": "config",
    "TemplateParam": "world",
    "ZnsTemplate": "world",
    "default_account": "world",
    "EmulatorControl": "control",
    "CallRecord": "emulator",
    "Emulator": "emulator",
    "FAULTS": "faults",
    "Fault": "faults",
    "code": "faults",
    "cut_body": "faults",
    "drop_after": "faults",
    "drop_before": "faults",
    "empty_body": "faults",
    "html": "faults",
    "http_status": "faults",
    "not_utf8": "faults",
    "rate_limit": "faults",
    "redirect": "faults",
    "refuse_before": "faults",
    "refuse_taken": "faults",
    "slow": "faults",
    "HANDLERS": "handlers",
    "RealClock": "progress",
    "VirtualClock": "progress",
    "EmulatorServer": "server",
    "PortInUseError": "server",
    "Prices": "world",
    "run_server": "server",
    "Message": "records",
    "MultiChannelTemplate": "world",
    "Reply": "wire",
    "Request": "wire",
}

__all__ = [
    "DEMO_API_KEY",
    "DEMO_BALANCE_VND",
    "DEMO_BRANDNAME",
    "DEMO_CALL_TEMPLATE_ID",
    "DEMO_INACTIVE_OA_ID",
    "DEMO_JOURNEY_TEMPLATE_ID",
    "DEMO_MULTI_CHANNEL_TEMPLATE_ID",
    "DEMO_OA_ID",
    "DEMO_OTP_TEMPLATE_ID",
    "DEMO_RECORDING_ID",
    "DEMO_SECRET_KEY",
    "DEMO_TEMPLATED_BRANDNAME",
    "DEMO_TEMPLATE_ID",
    "FAULTS",
    "HANDLERS",
    "Account",
    "Brandname",
    "Call",
    "CallRecord",
    "CallScript",
    "CallbackAttempt",
    "Callbacks",
    "Emulator",
    "EmulatorAdapter",
    "EmulatorConfig",
    "EmulatorControl",
    "EmulatorServer",
    "Fault",
    "Message",
    "MultiChannelTemplate",
    "OfficialAccount",
    "PortInUseError",
    "Prices",
    "Progress",
    "Quirks",
    "RealClock",
    "Reply",
    "Request",
    "TemplateParam",
    "VirtualClock",
    "ZnsTemplate",
    "code",
    "cut_body",
    "default_account",
    "drop_after",
    "drop_before",
    "empty_body",
    "html",
    "http_status",
    "not_utf8",
    "rate_limit",
    "redirect",
    "refuse_before",
    "refuse_taken",
    "run_server",
    "slow",
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
