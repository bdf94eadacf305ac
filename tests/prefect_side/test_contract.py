"""The campaigns of `tests/contract` through the flow of Prefect."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from conftest import NOON, artifacts, run_scheduled_for
from contract.cases import CASES
from contract.chains import CHAINS, ChainCase, ChainOrder, check_chain
from contract.fronts import OA_ID, PARAMS, REASON, TEMPLATE_ID, Answer, Case, Order, World, check
from contract.lists import LISTS, ListCase, check_reached
from contract.statements import check_statements
from prefect import flow

from esms_connectors import EsmsError
from esms_connectors.emulator import EmulatorServer
from esms_connectors.emulator.progress import RealClock
from esms_connectors.gateway import machine_clock
from esms_connectors.prefect import (
    ChannelCampaign,
    EsmsCredentials,
    EsmsLedger,
    EsmsWarehouse,
    ZnsCampaign,
    campaign,
    month_statement,
    plan_zns_bulk,
    zns_campaign,
)
from esms_connectors.prefect.artifacts import artifact_key
from esms_connectors.sending.bulk import BulkIncompleteError
from esms_connectors.warehouse.statement import StatementDiffersError

# What the flow tells beside what every front end tells.
MORE = {"account", "unsettled", "shards", "shards_passed_over", "not_in_ledger"}


@pytest.fixture
def world(server: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    found = World(server, tmp_path, machine_clock.now())
    found.prepare()
    return found


def prefect(world: World, order: Order, credentials: EsmsCredentials) -> Answer:
    # Receipts are kept by account and run key, and the table has one run key.
    name = f"contract-{uuid.uuid4().hex[:8]}"
    credentials.model_copy(update={"sandbox": order.sandbox, "account": world.folder.name.strip("_")[:50]}).save(name)
    ledger = f"contract-{uuid.uuid4().hex[:8]}"
    try:
        EsmsLedger(url=order.ledger or world.ledger).save(ledger)
        campaign = ZnsCampaign(
            run_key=order.run_key,
            source=world.source(order),
            template_id=TEMPLATE_ID,
            oa_id=OA_ID,
            params=PARAMS.split(","),
            send_at=world.send_at(order),
            at_least=order.at_least,
            on_empty=order.on_empty,
            conflicts=order.conflicts,
            rejects=str(world.rejects) if order.rejects else None,
            credentials=name,
            ledger=ledger,
            hours=order.hours,
            max_cost_vnd=order.max_cost_vnd,
            price_vnd=None if order.max_cost_vnd is None else 300,
            guard=world.rules(order),
            overrides=list(order.overrides),
            override_reason=REASON if order.overrides else None,
        )
        if order.dry_run:
            return Answer("planned", result=flow(lambda: plan_zns_bulk(campaign)["plan"], name="plan")())
        result = zns_campaign(campaign, plan=world.plan if order.plan else None)
    except BulkIncompleteError as error:
        return Answer("incomplete", str(error))
    except EsmsError as error:
        return Answer("refused", str(error))
    except ValueError as error:
        # Refused by the form already: what pydantic says has lines of its own.
        return Answer("refused", str(error).replace("\n", " "))
    result = {key: value for key, value in json.loads(json.dumps(result)).items() if key not in MORE}
    return Answer("sent" if result["rows"]["rows"] else "skipped", result=result)


@pytest.mark.in_turn
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_zns_campaign_flow_meets_the_campaign_contract(case: Case, world: World, credentials: EsmsCredentials) -> None:
    """Flows do what the table says."""
    check(case, world, lambda world, order: prefect(world, order, credentials))


@pytest.mark.in_turn
@pytest.mark.parametrize("case", CHAINS, ids=[case.name for case in CHAINS])
def test_campaign_flow_meets_the_fallback_contract(case: ChainCase, world: World, credentials: EsmsCredentials) -> None:
    """`fallback` does the same."""
    name = f"chains-{uuid.uuid4().hex[:8]}"
    credentials.model_copy(update={"account": world.folder.name.strip("_")[:50]}).save(name)
    EsmsLedger(url=world.ledger).save(name)

    def prefect(world: World, order: ChainOrder) -> Answer:
        try:
            asked = ChannelCampaign(
                channel="zns",
                options={"template_id": TEMPLATE_ID, "oa_id": OA_ID},
                run_key=order.run_key,
                source=world.source(order),
                params=PARAMS.split(","),
                at_least=order.at_least,
                fallback=[order.fallback],
                poll_seconds=0.1,
                credentials=name,
                ledger=name,
            )
            return Answer("sent", result=json.loads(json.dumps(campaign(asked))))
        except (EsmsError, ValueError) as error:
            # What pydantic says has lines of its own.
            return Answer("refused", str(error).replace("\n", " "))

    check_chain(case, world, prefect)


@pytest.mark.in_turn
@pytest.mark.parametrize("case", LISTS, ids=[case.name for case in LISTS])
def test_zns_campaign_flow_meets_the_recipient_list_contract(
    case: ListCase, world: World, credentials: EsmsCredentials
) -> None:
    """The arguments of the core, under the same names."""
    name = f"lists-{uuid.uuid4().hex[:8]}"
    credentials.model_copy(update={"account": world.folder.name.strip("_")[:50]}).save(name)
    EsmsLedger(url=world.ledger).save(name)
    campaign = ZnsCampaign(
        run_key="r",
        source=str(case.make(world.folder)),
        template_id=TEMPLATE_ID,
        oa_id=OA_ID,
        params=PARAMS.split(","),
        credentials=name,
        ledger=name,
        **case.arguments,
    )
    zns_campaign(campaign)
    check_reached(case, world.gateway)


@pytest.mark.in_turn
def test_month_statement_flow_meets_the_statement_contract(
    prefect_server: str, noon: RealClock, tmp_path: Path
) -> None:
    """The flow `month_statement` does the same, also for a run that begins late; with `fail=False` it only tells."""
    block = f"contract-{uuid.uuid4().hex[:8]}"

    def prefect(address: str, month: str | None, invoice: str | None) -> Answer:
        EsmsWarehouse(url=address).save(block, overwrite=True)
        given = {"month": month, "invoice": invoice, "warehouse": block}
        try:
            return Answer("sent", result=run_scheduled_for(NOON, month_statement, **given))
        except StatementDiffersError as error:
            result = run_scheduled_for(NOON, month_statement, **given, fail=False)
            return Answer("incomplete", str(error), result)
        except EsmsError as error:
            return Answer("refused", str(error))

    check_statements(tmp_path, prefect)
    # Those of a failed run are there, too.
    shown = artifacts(artifact_key("esms-statement", block))
    assert sum("differs: ZNS" in one.description and '"invoiced_vnd": 850' in one.data for one in shown) == 4
