"""The provider as Airflow discovers it. Airflow itself is real and installed."""

import importlib
import inspect
import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import jsonschema
import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.sdk import BaseHook, BaseNotifier, BaseOperator
from packaging.utils import canonicalize_name

from esms_connectors.airflow.connections import Settings
from esms_connectors.airflow.hooks import EsmsHook
from esms_connectors.airflow.ladder import AlertLadderOperator
from esms_connectors.airflow.literals import arguments_of
from esms_connectors.airflow.operators import CampaignOperator, SendSmsOperator, SmsBulkOperator, ZnsBulkOperator
from esms_connectors.airflow.provider_info import get_provider_info
from esms_connectors.airflow.transfers import SENT_MESSAGES


def schema(name: str) -> dict[str, object]:
    return dict(json.loads((resources.files("airflow") / name).read_text()))


def test_provider_info_is_valid_and_named_as_the_distribution() -> None:
    """A mistake here would make every Airflow command on the machine fail."""
    info = get_provider_info()
    jsonschema.validate(info, schema("provider_info.schema.json"))
    assert info["package-name"] == canonicalize_name("esms-connectors")


def test_every_section_passes_the_provider_yaml_schema() -> None:
    """The one that Airflow's own providers are built with; it catches what the other lets through."""
    strict = schema("provider.yaml.schema.json")
    for name, value in get_provider_info().items():
        if name in strict["properties"] and name not in ("package-name", "name", "description"):
            jsonschema.validate({name: value}, {**strict, "required": []})


def test_every_named_class_and_module_is_importable() -> None:
    """A wrong path would be a traceback in every command that lists it."""
    info = get_provider_info()
    for part in ("hooks", "operators", "sensors", "triggers"):
        for integration in info[part]:
            for module in integration["python-modules"]:
                importlib.import_module(module)
    for transfer in info["transfers"]:
        importlib.import_module(transfer["python-module"])
    for decorator in info["task-decorators"]:
        module, _, name = decorator["class-name"].rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))
    for path in info["notifications"]:
        module, _, name = path.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), name), BaseNotifier)
    module, _, name = info["connection-types"][0]["hook-class-name"].rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), name), BaseHook)


def test_every_operator_and_extra_link_is_registered() -> None:
    """An operator, a sensor or a transfer that no listed module offers is in no reference and loads no link."""
    info = get_provider_info()
    listed = {one["python-module"] for one in info["transfers"]}
    listed |= {module for part in ("operators", "sensors") for one in info[part] for module in one["python-modules"]}
    offered = {id(kind) for module in listed for kind in vars(importlib.import_module(module)).values()}
    links = set()
    for file in (resources.files("esms_connectors.airflow")).iterdir():
        if not file.name.endswith(".py") or file.name.startswith("_"):
            continue
        module = importlib.import_module(f"esms_connectors.airflow.{file.name.removesuffix('.py')}")
        for name, kind in vars(module).items():
            if isinstance(kind, type) and issubclass(kind, BaseOperator) and kind.__module__ == module.__name__:
                assert id(kind) in offered or name in ("EsmsTask", "SendingOperator", "EsmsDecoratedOperator"), name
                links |= {f"{type(link).__module__}.{type(link).__name__}" for link in kind.operator_extra_links}
    assert links == set(info["extra-links"])


def test_how_to_guides_and_logo_exist() -> None:
    """The guides as the documentation has them, the logo in the package."""
    root, info = Path(__file__).parents[2], get_provider_info()
    for integration in info["integrations"]:
        assert all((root / page.lstrip("/")).is_file() for page in integration["how-to-guide"])
        logo = resources.files("esms_connectors.airflow") / integration["logo"].lstrip("/")
        assert logo.read_text().startswith("<svg")
    assert all((root / one["how-to-guide"].lstrip("/")).is_file() for one in info["transfers"])


def test_asset_uris_are_normalized_and_invalid_ones_rejected() -> None:
    """By the functions that the metadata names, as Airflow calls them; keys stand in no address."""
    [about] = get_provider_info()["asset-uris"]
    by_name = {}
    for part in ("handler", "factory", "to_openlineage_converter"):
        module, _, name = about[part].rpartition(".")
        by_name[part] = getattr(importlib.import_module(module), name)
    made = by_name["factory"](path="/campaigns/march/")
    assert made.uri == made.name == "esms://rest.esms.vn/campaigns/march"
    assert by_name["handler"](urlsplit("esms://REST.esms.vn/sent-data/")).geturl() == SENT_MESSAGES.uri
    for wrong in ("esms://rest.esms.vn", "esms:///sent-data", "esms://key@rest.esms.vn/a", "esms://rest.esms.vn/a?k=1"):
        with pytest.raises(ValueError, match="URI format esms://"):
            by_name["handler"](urlsplit(wrong))
    assert callable(by_name["to_openlineage_converter"])


@pytest.mark.parametrize(
    "kind", [SendSmsOperator, CampaignOperator, ZnsBulkOperator, SmsBulkOperator, AlertLadderOperator]
)
def test_every_argument_is_in_the_operator_signature(kind: type) -> None:
    """Whoever reads the reference, or asks an editor; what is left over is Airflow's own."""
    named = {one.name for one in inspect.signature(kind.__init__).parameters.values()}
    assert set(arguments_of(kind)) <= named
    assert {"esms_conn_id", "ledger_conn_id", "ledger_url"} <= named


def test_airflow_3_1_connection_form_matches_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for as Airflow's API does it, with its stand-ins for the packages of the old UI."""
    fields_of_ui = {
        f"{kind}Field": getattr(HookMetaService, f"Mock{kind}Field") for kind in ("String", "Password", "Boolean")
    }
    widgets_of_ui = {f"BS3{kind}FieldWidget": HookMetaService.MockAnyWidget for kind in ("Text", "Password")}
    for module, names in {
        "wtforms": fields_of_ui,
        "flask_babel": {"lazy_gettext": str},
        "flask_appbuilder": {},
        "flask_appbuilder.fieldwidgets": widgets_of_ui,
    }.items():
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**names))
    widgets = EsmsHook.get_connection_form_widgets()
    fields = get_provider_info()["connection-types"][0]["conn-fields"]
    assert list(widgets) == list(fields)
    for name, field in fields.items():
        hidden = field["schema"].get("format") == "password"
        kind = "Password" if hidden else "Boolean" if name == "sandbox" else "String"
        assert type(widgets[name]).__name__ == f"Mock{kind}Field", name
        assert widgets[name].param.dump()["description"] == field["description"]
    behaviour = EsmsHook.get_ui_field_behaviour()
    jsonschema.validate(behaviour, schema("customized_form_field_behaviours.schema.json"))
    assert behaviour["relabeling"]["login"] == "ApiKey"


def test_connection_form_fields_match_the_settings() -> None:
    """And no field that nobody reads."""
    fields = set(get_provider_info()["connection-types"][0]["conn-fields"])
    assert fields == set(Settings.__slots__) - {"secret_key", "base_url"}


def test_reading_provider_info_does_not_import_airflow_or_requests() -> None:
    """Every Airflow command does it."""
    program = (
        "import sys; from esms_connectors.airflow.provider_info import get_provider_info; get_provider_info(); "
        "print(*[name for name in sys.modules if name.startswith(('airflow', 'requests', 'pendulum'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=280, check=True)
    assert done.stdout.strip() == ""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("airflow")


def listed(home: Path, what: str) -> str:
    """What `airflow providers <what>` prints in a home of its own; it must say nothing of us on stderr."""
    command = [sys.executable, "-m", "airflow", "providers", what, "--output", "json"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "esms" not in done.stderr, done.stderr[-2000:]
    return done.stdout


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("list", "esms-connectors"),
        ("hooks", "esms_connectors.airflow.hooks.EsmsHook"),
        ("notifications", "esms_connectors.airflow.notifications.EsmsNotifier"),
        ("triggers", "esms_connectors.airflow.triggers"),
    ],
)
def test_airflow_lists_the_provider(home: Path, what: str, expected: str) -> None:
    """Airflow finds it through the entry point of the installed distribution, and has nothing to complain of."""
    assert expected in listed(home, what)
