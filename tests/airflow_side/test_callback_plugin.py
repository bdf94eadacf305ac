"""The receiver of delivery reports as a plugin: off until it is switched on, and cheap for those who never do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from esms_connectors import ConfigurationError
from esms_connectors.airflow.callbacks import EsmsCallbackPlugin
from esms_connectors.delivery.callbacks import CallbackReceiver

TOKEN = "a-token-of-this-test"


@pytest.fixture(autouse=True)
def off_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EsmsCallbackPlugin, "fastapi_apps", [])


def test_receiver_is_not_mounted_without_a_token() -> None:
    """Nothing listens that nobody asked for."""
    EsmsCallbackPlugin.on_load()
    assert EsmsCallbackPlugin.fastapi_apps == []


def test_token_setting_mounts_the_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment or the configuration, as every option of Airflow."""
    monkeypatch.setenv("AIRFLOW__ESMS__CALLBACK_TOKEN", TOKEN)
    EsmsCallbackPlugin.on_load()
    [mounted] = EsmsCallbackPlugin.fastapi_apps
    assert (type(mounted["app"]), mounted["url_prefix"]) == (CallbackReceiver, "/esms")


def test_short_token_is_rejected_and_receiver_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow shows the line among its plugin errors, and the receiver stays off."""
    monkeypatch.setenv("AIRFLOW__ESMS__CALLBACK_TOKEN", "esms")
    with pytest.raises(ConfigurationError, match="16 letters"):
        EsmsCallbackPlugin.on_load()
    assert EsmsCallbackPlugin.fastapi_apps == []


_PROGRAM = """
import json, sys
from airflow import plugins_manager
apps = plugins_manager.get_fastapi_plugins()[0]
heavy = {"requests", "esms_connectors.gateway.client"} & set(sys.modules)
print("RESULT", json.dumps([[one["url_prefix"] for one in apps], sorted(heavy)]))
"""


@pytest.mark.in_turn
@pytest.mark.parametrize(("token", "prefixes"), [("", []), (TOKEN, ["/esms"])])
def test_plugin_is_discovered_without_importing_http_libraries(token: str, prefixes: list[str], tmp_path: Path) -> None:
    """By the entry point of the installed distribution; even switched on it brings no HTTP library into a process."""
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path)}
    more = {"AIRFLOW__ESMS__CALLBACK_TOKEN": token, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=variables | more, capture_output=True, text=True, timeout=280, check=True
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    assert json.loads(line.removeprefix("RESULT")) == [prefixes, []]
