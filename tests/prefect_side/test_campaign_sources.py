"""Where a campaign's rows come from: memory, and a query about the day that the run was scheduled for."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pendulum
import pyarrow
import pytest
from conftest import everybody_once, phone_of, run_scheduled_for
from prefect import flow
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client

from esms_connectors import InvalidRequestError
from esms_connectors.emulator import DEMO_TEMPLATE_ID, Emulator
from esms_connectors.prefect import ZnsCampaign, zns_campaign
from esms_connectors.prefect.results import CampaignResult, SendResult

ROWS = [
    {
        "phone": phone_of(number),
        "customer_name": f"Khách {number}",
        "service": "Cắt tóc",
        "code": "M",
        "date": "15/05/2024",
    }
    for number in range(3)
]
IN_MEMORY: dict[str, Callable[[], Any]] = {
    "list": lambda: list(ROWS),
    "generator": lambda: (row for row in ROWS),
    "arrow": lambda: pyarrow.Table.from_pylist(ROWS),
    "reader": lambda: pyarrow.Table.from_pylist(ROWS).to_reader(),
}


@pytest.mark.parametrize("kind", ["generator", "reader"])
def test_in_memory_rows_are_sent_but_not_stored_or_pickled(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], kind: str
) -> None:
    """Read twice, also what can be read once; the server and whoever pickles the campaign get no phone."""
    campaign = make_campaign(0, source=IN_MEMORY[kind]())
    told = flow(lambda: zns_campaign(campaign), name="around")()
    assert told["accepted"] == len(ROWS)
    assert told.keys() >= CampaignResult.__annotations__.keys() | SendResult.__annotations__.keys()
    everybody_once(gateway, len(ROWS))
    with get_client(sync_client=True) as api:
        stored = [run.parameters for run in api.read_flow_runs() if run.name == f"zns-campaign {campaign.run_key}"]
    assert stored
    assert ROWS[0]["phone"][1:] not in f"{stored}{campaign!r}{pickle.dumps(campaign)!r}"


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_in_memory_rows_cannot_leave_the_process(kind: str) -> None:
    """A deployment would need them later and elsewhere: one line says what to do."""
    campaign = ZnsCampaign(run_key="r", source=IN_MEMORY[kind](), template_id="1")
    with pytest.raises(ValueError, match=r"not stored with a run.*Write them to a file"):
        campaign.model_dump(mode="json")
    elsewhere: ZnsCampaign = pickle.loads(pickle.dumps(campaign))
    with pytest.raises(InvalidRequestError, match="in the memory of another process"):
        len(elsewhere.source.rows)


def test_campaign_copy_keeps_its_in_memory_rows() -> None:
    """As of a campaign that is sent under one more run key."""
    campaign = ZnsCampaign(run_key="a", template_id="1", source=[{"phone": "0901000001"}])
    copied = campaign.model_copy(update={"run_key": "b"}, deep=True)
    assert copied.source.rows == [{"phone": "0901000001"}]


def test_rows_may_be_given_as_a_flow_parameter() -> None:
    """As JSON, from whoever starts a deployment; what is neither a place nor rows is refused in one line."""
    given = {"run_key": "r", "template_id": "1"}
    found = zns_campaign.validate_parameters({"campaign": {**given, "source": ROWS}})["campaign"]
    assert found.source.rows == ROWS
    assert ZnsCampaign(**given, source=Path("a.csv")).source == "a.csv"
    for source in (5, b"a.csv", ROWS[0]):
        with pytest.raises(ValueError, match="give a path or URL, or rows") as error:
            ZnsCampaign(**given, source=source)
        assert str(error.value).count("[type=") == 1
        assert phone_of(0) not in str(error.value)


@pytest.mark.in_turn
def test_day_placeholder_of_a_query_is_the_scheduled_day(
    gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], tmp_path: Path
) -> None:
    """A run that begins late, and at another day in Vietnam, asks for the day that it was scheduled for."""
    database = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE visits (phone, customer_name, service, code, date, due)")
        due = {0: "2024-05-14", 1: "2024-05-15"}
        rows = [(*ROWS[number].values(), day) for number, day in due.items()]
        connection.executemany("INSERT INTO visits VALUES (?, ?, ?, ?, ?, ?)", rows)
    Secret(value=f"sqlite:///{database}").save("shop", overwrite=True)
    campaign = make_campaign(
        0,
        run_key="evening-{day}",
        query="SELECT * FROM visits WHERE due = :due AND code = :code ORDER BY phone",
        query_parameters={"due": "{day}", "code": "M"},
        database="secret/shop",
    )
    late = pendulum.datetime(2024, 5, 14, 23, 59, tz="Asia/Ho_Chi_Minh")
    assert run_scheduled_for(late, zns_campaign, campaign=campaign)["accepted"] == 1
    assert gateway.deliveries_by_phone() == {phone_of(0): 1}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"query": "SELECT '{day}'", "database": "secret/shop"}, "write :day in it"),
        ({"source": "a.csv", "query_parameters": {"day": "{day}"}}, "query_parameters need a query"),
    ],
)
def test_misplaced_day_placeholder_of_a_query_is_rejected(fields: dict[str, Any], words: str) -> None:
    """It would find no row, which is a quiet day in a schedule."""
    with pytest.raises(ValueError, match=words):
        ZnsCampaign(run_key="r", template_id=DEMO_TEMPLATE_ID, **fields)
