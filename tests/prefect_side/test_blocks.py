"""The blocks: what Prefect's own suite asks of them, and what it does not."""

from __future__ import annotations

import asyncio
import io
import json
import pickle
import socket
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cloudpickle
import pytest
from conftest import name_of
from prefect import flow, task
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate, BlockTypeCreate
from prefect.results import ResultRecord, ResultRecordMetadata
from prefect.serializers import JSONSerializer, PickleSerializer
from prefect.testing import standard_test_suites
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from prefect.utilities.dispatch import get_registry_for_type
from pydantic import ValidationError

from esms_connectors import ConfigurationError, EsmsClient, NotSentError
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_BRANDNAME,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Emulator,
)
from esms_connectors.prefect import EsmsCredentials, EsmsLedger, EsmsNotification, EsmsWarehouse
from esms_connectors.prefect.blocks.base import DOCUMENTATION_URL, LOGO_URL, load_block
from esms_connectors.prefect.blocks.ledger import open_default_ledger
from esms_connectors.prefect.pool import borrow_ledger

ROOT = Path(__file__).parents[2]
BLOCKS = [EsmsCredentials, EsmsLedger, EsmsNotification, EsmsWarehouse]
LEDGER_PASSWORD = "correct-horse-battery"
PHONE = "0901234567"
SECRETS = [DEMO_API_KEY, DEMO_SECRET_KEY, LEDGER_PASSWORD, PHONE]


def some_block(kind: type[Block]) -> Block:
    credentials = EsmsCredentials(account="demo", api_key=DEMO_API_KEY, secret_key=DEMO_SECRET_KEY)
    if kind is EsmsCredentials:
        return credentials
    if kind is EsmsLedger:
        return EsmsLedger(url=f"postgresql://me:{LEDGER_PASSWORD}@db/ledger", phone_secret=LEDGER_PASSWORD)
    if kind is EsmsWarehouse:
        return EsmsWarehouse(url=f"postgresql://me:{LEDGER_PASSWORD}@db/rows", phone_secret=LEDGER_PASSWORD)
    return EsmsNotification(credentials=credentials, phones=PHONE, brandname="Baotrixemay")


@pytest.fixture
def packaged_logo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect's suite fetches the logo from the web; here it gets the one that the package brings along."""
    logo = files("esms_connectors.prefect").joinpath("logo.png").read_bytes()
    monkeypatch.setattr(standard_test_suites.blocks, "urlopen", lambda url: io.BytesIO(logo))


@pytest.mark.usefixtures("packaged_logo")
class TestStandards(BlockStandardTestSuite):
    """Prefect's own tests of a block."""

    @pytest.fixture(params=BLOCKS)
    def block(self, request: pytest.FixtureRequest) -> type[Block]:
        return request.param


def test_logo_and_documentation_urls_point_to_files_in_the_repository() -> None:
    """Prefect takes no other ones for a picture; the project's own addresses lead to them."""
    about = {"name": "eSMS", "slug": "esms"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    *_, raw = str(LOGO_URL).partition(project["Source"].replace("//github.com", "//raw.githubusercontent.com"))
    assert (ROOT / raw.removeprefix("/main/")).read_bytes().startswith(b"\x89PNG")
    *_, page = str(DOCUMENTATION_URL).partition(project["Documentation"].removesuffix("docs/index.md"))
    assert (ROOT / page).read_text(encoding="utf-8").startswith("# Prefect")
    assert BlockTypeCreate(**about, logo_url=LOGO_URL, documentation_url=DOCUMENTATION_URL).logo_url == LOGO_URL
    with pytest.raises(ValidationError, match="scheme should be 'http'"):
        BlockTypeCreate(**about, logo_url="data:image/png;base64,iVBORw0KGgo=")


@pytest.mark.in_turn
def test_registering_and_saving_blocks_connects_only_to_loopback(
    prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registering, saving and loading one asks for neither picture nor page: loopback is all that is connected to."""
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", _noting(asked, socket.getaddrinfo))
    for kind in BLOCKS:
        kind.register_type_and_schema()
        some_block(kind).save(f"offline-{uuid.uuid4().hex[:8]}")
    assert {one for one in asked if one is not None} <= {"127.0.0.1", b"127.0.0.1", "localhost"}


def _noting(asked: list[object], resolve: Callable[..., Any]) -> Callable[..., Any]:
    def look_up(host: object, *rest: object, **more: object) -> Any:
        asked.append(host)
        return resolve(host, *rest, **more)

    return look_up


@pytest.mark.parametrize(
    ("kind", "slug", "fields"),
    [
        (
            EsmsCredentials,
            "esms-credentials",
            """account api_key secret_key base_url sandbox brandname oa_id requests_per_second template_id proxy
            ca_bundle connect_timeout_seconds read_timeout_seconds guard""",
        ),
        (EsmsLedger, "esms-ledger", "url phone_secret lease_seconds"),
        (EsmsWarehouse, "esms-warehouse", "url phones phone_secret content"),
        (
            EsmsNotification,
            "esms-notification",
            """credentials phones brandname text plain_text max_segments same_text_minutes patience_seconds
            quiet_hours once_per_run""",
        ),
    ],
)
def test_block_slugs_and_field_order_are_unchanged(kind: type[Block], slug: str, fields: str) -> None:
    """Slug and order of fields are in the checksum of the schema: append to the list, never change it."""
    assert kind.get_block_type_slug() == slug
    assert list(kind.model_fields) == fields.split()


@pytest.mark.parametrize("kind", BLOCKS)
def test_block_representations_contain_no_secrets(kind: type[Block]) -> None:
    """repr, str, JSON, dump and Prefect's serializer."""
    block = some_block(kind)
    shown = [repr(block), str(block), block.model_dump_json(), repr(block.model_dump())]
    shown.append(JSONSerializer().dumps(block).decode())
    for text in shown:
        assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps, PickleSerializer().dumps])
def test_unsaved_block_cannot_be_pickled(kind: type[Block], dumps: object) -> None:
    """A pickled SecretStr is plain text, and runners and result storages pickle."""
    with pytest.raises(ConfigurationError, match="save it"):
        dumps(some_block(kind))


@pytest.mark.in_turn
@pytest.mark.parametrize("kind", BLOCKS)
def test_saved_block_is_pickled_by_reference_without_secrets(prefect_server: str, kind: type[Block]) -> None:
    """No secret is in the bytes, and what comes out has them again."""
    block = some_block(kind)
    block.save(f"pickled-{uuid.uuid4().hex[:8]}")
    data = cloudpickle.dumps(block)
    assert not [secret for secret in SECRETS if secret.encode() in data]
    again = pickle.loads(data)
    assert again.model_dump(context={"include_secrets": True}) == block.model_dump(context={"include_secrets": True})


def test_persisted_block_result_contains_no_secrets(credentials: EsmsCredentials) -> None:
    """Whoever returns a block from a persisted task gets away with it."""
    record = ResultRecord(result=credentials, metadata=ResultRecordMetadata(serializer=PickleSerializer()))
    data = record.serialize()
    assert DEMO_API_KEY.encode() not in data
    assert DEMO_SECRET_KEY.encode() not in data


@pytest.mark.in_turn
def test_block_register_command_registers_all_blocks(prefect_server: str) -> None:
    """`prefect block register -m` finds all of them."""
    command = [sys.executable, "-m", "prefect", "block", "register", "-m", "esms_connectors.prefect"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=True)
    assert f"registered {len(BLOCKS)} block" in done.stdout


def test_block_registry_contains_only_the_public_blocks() -> None:
    """It registers every class of its registry when it starts, and the base of ours is nothing to save."""
    ours = {kind for kind in (get_registry_for_type(Block) or {}).values() if kind.__module__.startswith("esms_")}
    assert ours == set(BLOCKS)


def test_credentials_block_creates_a_working_client(credentials: EsmsCredentials) -> None:
    """It reaches the gateway that the block names, with the keys that the block holds."""
    loaded = EsmsCredentials.load(name_of(credentials))
    with loaded.get_client() as client:
        assert isinstance(client, EsmsClient)
        assert client.get_balance().balance_vnd > 0


def test_credentials_check_verifies_keys_and_senders_without_sending(
    credentials: EsmsCredentials, gateway: Emulator
) -> None:
    """Keys, and the senders that it names: all findings, or one line of what is wrong. Nothing is sent."""
    named = {"brandname": DEMO_BRANDNAME, "oa_id": DEMO_OA_ID, "template_id": DEMO_TEMPLATE_ID}
    found = {one["check"]: one["ok"] for one in credentials.model_copy(update=named).check()}
    assert {"keys", "brandname", "OA", "OA quota", "template"} <= {name for name, ok in found.items() if ok}
    with pytest.raises(ConfigurationError, match=r"^brandname: Nobody is not registered.*template: .*789.*$"):
        credentials.model_copy(update={**named, "brandname": "Nobody", "template_id": "999"}).check()
    assert gateway.message_count == 0


@pytest.mark.in_turn
def test_network_settings_of_a_block_are_validated_and_used_by_the_client(prefect_server: str, tmp_path: Path) -> None:
    """Proxy, CA bundle and timeouts; what cannot be used is told when it is saved, and the proxy's password nowhere."""
    keys = {"account": "a", "api_key": "k" * 9, "secret_key": "s" * 9}
    with pytest.raises(ConfigurationError, match="missing"):
        EsmsCredentials(**keys, ca_bundle=str(tmp_path / "missing.pem")).get_client()
    with pytest.raises(ConfigurationError, match="proxy"):
        EsmsCredentials(**keys, proxy="nonsense").save(f"network-{uuid.uuid4().hex[:8]}")
    block = EsmsCredentials(**keys, proxy="http://u:PASSWORD1234@127.0.0.1:9", read_timeout_seconds=7)
    assert "PASSWORD1234" not in repr(block)
    with block.get_client() as client, pytest.raises(NotSentError) as refused:
        client.without_repeats().get_balance()
    assert ("proxy" in str(refused.value), "PASSWORD1234" in str(refused.value)) == (True, False)


def test_numeric_oa_id_is_stored_as_text() -> None:
    """An OA id has more digits than a float keeps; forms hand over numbers."""
    block = EsmsCredentials(account="a", api_key="k" * 9, secret_key="s" * 9, oa_id=4097311281936189049)
    assert block.oa_id == "4097311281936189049"


def test_account_name_with_special_characters_is_rejected() -> None:
    """It becomes part of paths, keys and names of resources."""
    for account in ("", "../other", "a b", "tài-khoản", "a/b"):
        with pytest.raises(ValueError, match="account"):
            EsmsCredentials(account=account, api_key="k" * 9, secret_key="s" * 9)


def test_missing_block_gives_one_line_error(prefect_server: str) -> None:
    """It says which, and how to save it."""
    with pytest.raises(ConfigurationError, match=r"^There is no block esms-credentials/nobody\. Save one: .*$"):
        load_block(EsmsCredentials, "nobody")


@pytest.mark.in_turn
def test_unreachable_prefect_server_gives_one_line_error_without_password() -> None:
    """Without its address, which may hold a password."""
    program = (
        "from esms_connectors import ConfigurationError\n"
        "from esms_connectors.prefect import EsmsCredentials\n"
        "from esms_connectors.prefect.blocks.base import DOCUMENTATION_URL, LOGO_URL, load_block\n"
        "try: load_block(EsmsCredentials, 'default')\n"
        "except ConfigurationError as error: print(error)"
    )
    environment = {"PREFECT_API_URL": "http://user:hunter2hunter2@127.0.0.1:9/api", "PREFECT_HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=280, env=environment, check=False
    )
    assert done.stdout.startswith("Block esms-credentials/default could not be loaded from the Prefect server (")
    assert done.stdout.count("\n") == 1
    assert "hunter2" not in done.stdout


def test_invalid_stored_block_gives_one_line_error_without_values(prefect_server: str) -> None:
    """What is stored was written by a version with other rules: which field and which rule, not its value."""
    block = EsmsCredentials(account="demo", api_key=DEMO_API_KEY, secret_key=DEMO_SECRET_KEY)
    name = f"other-{uuid.uuid4().hex[:8]}"
    block.account = "not a plain word"
    block.save(name)
    with pytest.raises(ConfigurationError, match=f"/{name} cannot be used: account: String should match") as error:
        load_block(EsmsCredentials, name)
    assert "plain word" not in str(error.value)
    assert "\n" not in str(error.value)


def test_block_validation_errors_contain_no_secrets() -> None:
    """The field and the rule; pydantic would print all other fields beside one that is missing."""
    keys = {"account": "demo", "api_key": "HUNTER2HUNTER2"}
    for make, field in (
        (lambda: EsmsCredentials(**keys), "secret_key\n  Field required"),
        (lambda: EsmsCredentials(**keys, secret_key=918273645), "secret_key\n  Input should be a valid string"),
        (lambda: EsmsNotification(credentials=keys, phones=PHONE), "credentials.secret_key\n  Field required"),
        (lambda: EsmsNotification(phones=PHONE), "credentials\n  Field required"),
        (lambda: EsmsWarehouse(url="postgresql://u:HUNTER2@db", phones="hashed"), "phone_secret is required"),
    ):
        with pytest.raises(ValidationError) as error:
            make()
        assert field in str(error.value)
        assert not [secret for secret in ("HUNTER2", "918273645", PHONE) if secret in str(error.value)]


@pytest.mark.in_turn
def test_block_can_be_passed_to_a_flow_and_to_submitted_tasks(credentials: EsmsCredentials) -> None:
    """As a parameter of a flow and of a task, by name and as the block itself."""

    @task
    def balance(block: EsmsCredentials) -> str:
        with block.get_client() as client:
            return str(client.get_balance().balance_vnd)

    @flow
    def use(block: EsmsCredentials) -> list[str]:
        return [balance(block), balance.submit(block).result()]

    assert len(set(use(credentials))) == 1


def test_each_unsaved_ledger_block_opens_its_own_ledger(tmp_path: Path) -> None:
    """Also where it is made in the place in memory of one that is gone, whose ledger is still open."""
    found = []
    for number in range(5):
        with borrow_ledger(EsmsLedger(url=f"sqlite:///{tmp_path / str(number)}.db")) as ledger:
            found.append(ledger.name)
    assert len(set(found)) == 5, found


def test_block_can_be_loaded_on_a_running_event_loop(credentials: EsmsCredentials) -> None:
    """As Prefect has it; `load_block` is not, because threads of ours call it."""

    async def inside() -> tuple[str, str]:
        loaded = await EsmsCredentials.aload(name_of(credentials))
        return loaded.account, load_block(EsmsCredentials, name_of(credentials)).account

    assert asyncio.run(inside()) == ("demo", "demo")


def test_block_schema_marks_secret_fields() -> None:
    """So that the server encrypts and the UI hides it, nested fields too."""
    secret = {kind: set(json.loads(json.dumps(kind.model_json_schema()))["secret_fields"]) for kind in BLOCKS}
    assert secret[EsmsCredentials] == {"api_key", "secret_key", "proxy"}
    assert secret[EsmsLedger] == {"url", "phone_secret"}
    assert secret[EsmsWarehouse] == {"url", "phone_secret"}
    assert secret[EsmsNotification] == {*(f"credentials.{name}" for name in secret[EsmsCredentials]), "phones"}


FILES: list[tuple[type[EsmsLedger | EsmsWarehouse], str]] = [
    (EsmsLedger, "sqlite:///{}ledger.sqlite"),
    (EsmsWarehouse, "duckdb:///{}rows.duckdb"),
    (EsmsWarehouse, "{}rows?format=csv"),
]


@pytest.mark.parametrize(("kind", "url"), FILES)
@pytest.mark.parametrize("saves", ["save", "asave"])
def test_relative_path_is_saved_as_an_absolute_path(
    prefect_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[EsmsLedger | EsmsWarehouse],
    url: str,
    saves: str,
) -> None:
    """A worker runs each flow in a folder of its own: the path is made absolute where the block is saved."""
    monkeypatch.chdir(tmp_path)
    block, name = kind(url=url.format("")), f"relative-{uuid.uuid4().hex[:8]}"
    if saves == "save":
        block.save(name)
    else:
        asyncio.run(block.asave(name))
    monkeypatch.chdir("/")
    loaded = load_block(kind, name)
    assert loaded.url.get_secret_value() == url.format(f"{tmp_path}/")
    with loaded.open() as opened:
        assert opened.name.startswith(str(tmp_path))


@pytest.mark.parametrize(("kind", "url"), FILES)
def test_stored_relative_path_is_rejected(
    prefect_server: str, kind: type[EsmsLedger | EsmsWarehouse], url: str
) -> None:
    """As the page of the server stores it: it would be another file in each run."""
    block, name = kind(url=url.format("/")), f"typed-{uuid.uuid4().hex[:8]}"
    block.save(name)
    with get_client(sync_client=True) as api:
        update = BlockDocumentUpdate(data={"url": url.format("")}, merge_existing_data=True)
        api.update_block_document(block._block_document_id, update)
    with pytest.raises(ConfigurationError, match=f"of block {name} is the relative path") as error:
        load_block(kind, name).open()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("kind", "url"), FILES)
def test_file_in_the_temporary_run_folder_is_rejected(
    prefect_server: str, monkeypatch: pytest.MonkeyPatch, kind: type[EsmsLedger | EsmsWarehouse], url: str
) -> None:
    """Not saved, and opened where a process worker runs a flow: the worker deletes the folder at its end."""
    with TemporaryDirectory(suffix="prefect") as folder:
        monkeypatch.chdir(folder)
        for block in (kind(url=url.format("")), kind(url=url.format(f"{folder}/code/"))):
            for use in (block.open, lambda block=block: block.save("never")):
                with pytest.raises(ConfigurationError, match="which the worker deletes after the run") as error:
                    use()
                assert "\n" not in str(error.value)
        monkeypatch.setenv("ESMS_LEDGER", "ledger.sqlite")
        with pytest.raises(ConfigurationError, match="which the worker deletes after the run"):
            open_default_ledger()
        assert list(Path(folder).iterdir()) == []
        monkeypatch.chdir("/")


def test_dlt_duckdb_warehouse_in_the_working_folder_is_rejected(
    prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dlt makes it in the working folder of whoever loads, which a process worker deletes."""
    block = EsmsWarehouse(url="dlt://duckdb?dataset=esms")
    with TemporaryDirectory(suffix="prefect") as folder:
        monkeypatch.chdir(folder)
        for use in (block.open, lambda: block.save("never")):
            with pytest.raises(ConfigurationError, match="which the worker deletes after the run"):
                use()
        monkeypatch.chdir("/")
    name = f"behind-dlt-{uuid.uuid4().hex[:8]}"
    block.save(name)
    with pytest.raises(ConfigurationError, match=f"of block {name} is the relative path esms_connectors.duckdb"):
        load_block(EsmsWarehouse, name).open()
