"""What `import esms_connectors` offers, and what it does not drag in."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from documentation.reference import PUBLIC, SHOWN

import esms_connectors

FRAMEWORKS = {"airflow", "prefect"}
EXTRAS = {"duckdb", "click", "rich", "msgspec", "pyarrow", "sqlalchemy", "psycopg", "jinja2", "pyrate_limiter"}

ADAPTERS = ("esms_connectors.airflow", "esms_connectors.prefect")
CORE = {module: names for module, names in PUBLIC.items() if not module.startswith(ADAPTERS)}


def test_number_of_public_names_in_the_core_is_limited() -> None:
    """Each public name is a promise; plumbing is none. A new name replaces another one, or has a reason."""
    assert sum(map(len, CORE.values())) <= 164


def test_public_names_are_listed_only_in_dunder_all() -> None:
    """In `__all__`: the reference shows that, and chooses only where a framework's users import from many modules."""
    assert [module for module, chosen in SHOWN if chosen and module in CORE] == []
    assert len(SHOWN) == len(PUBLIC)


@pytest.mark.parametrize("framework", ["prefect"])
def test_missing_framework_gives_one_line_error_with_the_extra(
    framework: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In one line, also where a folder of its name lies beside the script."""
    (tmp_path / framework).mkdir()
    for look in range(2):
        if look:
            monkeypatch.syspath_prepend(str(tmp_path))
        with pytest.raises(ModuleNotFoundError) as missing:
            importlib.import_module(f"esms_connectors.{framework}.flows")
        assert str(missing.value).endswith(f": pip install 'esms-connectors[{framework}]'")
        assert "\n" not in str(missing.value)


@pytest.mark.parametrize("module", CORE)
def test_every_public_name_has_its_own_docstring(module: str) -> None:
    """A class or a function has a docstring, of its own and not one that was made."""
    for name in sorted(CORE[module]):
        member = inspect.unwrap(getattr(importlib.import_module(module), name))
        if inspect.isclass(member) or inspect.isroutine(member):
            text = inspect.getdoc(member) or ""
            assert text, name
            assert not text.startswith(f"{name}("), name


def test_dunder_all_lazy_imports_and_type_checking_imports_agree() -> None:
    """`__all__`, the lazy homes and the imports for type checkers say the same."""
    tree = ast.parse(Path(esms_connectors.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    homes = {name: f"esms_connectors.{home}" for name, home in esms_connectors._HOME.items()}
    assert typed == homes
    assert set(esms_connectors.__all__) == {*homes, "__version__"}
    assert len(esms_connectors.__all__) == len(set(esms_connectors.__all__))


@pytest.mark.parametrize("name", esms_connectors.__all__)
def test_every_public_name_is_importable_and_listed_by_dir(name: str) -> None:
    """And is listed by dir()."""
    assert getattr(esms_connectors, name) is not None
    assert name in dir(esms_connectors)


def test_unknown_name_gives_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = esms_connectors.no_such_name


def modules_after(program: str) -> set[str]:
    """Modules that a fresh process has loaded after `program`."""
    result = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return set(result.stdout.split())


def test_importing_the_package_loads_no_dependency() -> None:
    """Schedulers import it again and again."""
    assert not modules_after("import esms_connectors") & {*FRAMEWORKS, *EXTRAS, "requests", "pendulum", "urllib3"}


def test_client_loads_no_framework_or_extra() -> None:
    """Sending needs requests and pendulum; frameworks, terminals and databases stay out."""
    program = (
        "from esms_connectors import Credentials, EsmsClient, NO_RETRIES, NotSentError\n"
        "keys = Credentials('key-of-a-test', 'secret-of-a-test')\n"
        "client = EsmsClient(keys, 'http://127.0.0.1:9', retries=NO_RETRIES)\n"
        "try: client.send_customer_care_sms('0901888484', 'x', 'B')\n"
        "except NotSentError: pass\n"
        "else: raise SystemExit('sent?')"
    )
    loaded = modules_after(program)
    assert {"requests", "pendulum"} <= loaded
    assert not loaded & (FRAMEWORKS | EXTRAS)


def test_command_loads_only_the_modules_it_needs() -> None:
    """Not what the others need: somebody waits for it."""

    def loaded_by(command: str) -> set[str]:
        return modules_after(
            "import click\nfrom esms_connectors.cli.commands import esms\n"
            f"esms.get_command(click.Context(esms), {command!r})"
        )

    assert not loaded_by("explain") & {"requests", "sqlalchemy", "pyarrow", "duckdb", "esms_connectors.ledger"}
    unused = {"ledger.ledger", "recipients.reading", "sending.bulk", "sending.channels.zns"}
    assert not loaded_by("send-sms") & {f"esms_connectors.{name}" for name in unused}


def test_single_sms_without_a_ledger_does_not_load_sqlalchemy_or_rich(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is not a ledger: SQLAlchemy takes as long as everything else before an alert is on its way."""
    settings = {"ESMS_API_KEY": "EMULATOR0A", "ESMS_SECRET_KEY": "EMULATOR0S", "ESMS_BASE_URL": "http://127.0.0.1:9"}
    for name, value in {**settings, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    program = (
        "from esms_connectors.cli.commands import esms\n"
        "try: esms(['send-sms', '--to', '0901888484', '--text', 'x', '--brandname', 'B', '--hours', 'allow'])\n"
        "except SystemExit as end: assert end.code == 4, end.code  # nobody listens there"
    )
    loaded = modules_after(program)
    assert {"requests", "pendulum"} <= loaded
    assert not loaded & {"sqlalchemy", "rich", "pyarrow", "duckdb"}


def test_public_names_load_no_framework_or_extra() -> None:
    """However much of the package is used."""
    loaded = modules_after("import esms_connectors as e\nfor name in e.__all__: getattr(e, name)")
    assert not loaded & (FRAMEWORKS | EXTRAS)


@pytest.mark.in_turn(every=3)
def test_importing_the_warehouse_does_not_load_pandas() -> None:
    """It takes half a second and 30 MB where it is installed, as with Airflow."""
    assert "pandas" not in modules_after("import esms_connectors.warehouse, esms_connectors.reports")
