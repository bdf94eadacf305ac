"""The campaigns of `tests/contract` through the operator of Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowSkipException, TaskDeferred
from contract.cases import CASES
from contract.chains import CHAINS, ChainCase, ChainOrder, check_chain
from contract.fronts import OA_ID, PARAMS, REASON, TEMPLATE_ID, Answer, Case, Order, World, check
from contract.lists import LISTS, ListCase, check_reached
from contract.statements import NEXT_MONTH, check_statements
from task_runs import Runs

from esms_connectors import EsmsError
from esms_connectors.airflow.operators import ZnsBulkOperator
from esms_connectors.airflow.reports import MonthStatementOperator
from esms_connectors.emulator import Emulator, EmulatorServer
from esms_connectors.gateway import machine_clock
from esms_connectors.sending.bulk import BulkIncompleteError
from esms_connectors.warehouse.statement import StatementDiffersError


@pytest.fixture
def world(gateway: Emulator, server: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    found = World(server, tmp_path, machine_clock.now())
    found.prepare()
    return found


@pytest.mark.in_turn
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_bulk_operator_meets_the_campaign_contract(
    case: Case, world: World, connect: Callable[..., None], runs: Runs
) -> None:
    """Tasks do what the table says."""

    def operator(world: World, order: Order) -> Answer:
        connect({"oa_id": OA_ID, "sandbox": order.sandbox})
        more: dict[str, Any] = {"plan": world.plan} if order.plan else {}
        if order.max_cost_vnd is not None:
            more |= {"max_cost_vnd": order.max_cost_vnd, "price_vnd": 300}
        if order.overrides:
            more |= {"overrides": list(order.overrides), "override_reason": REASON}
        try:
            task = made(world, order, more)
            result = runs(task)
        except TaskDeferred as waiting:
            return Answer("incomplete", f"its hours are not now: {waiting.trigger}")
        except AirflowSkipException as skip:
            return Answer("skipped", str(skip))
        except BulkIncompleteError as error:
            return Answer("incomplete", str(error))
        except (EsmsError, AirflowException) as error:
            return Answer("refused", str(error))
        return Answer("planned" if order.dry_run else "sent", result=json.loads(json.dumps(result)))

    def made(world: World, order: Order, more: dict[str, Any]) -> ZnsBulkOperator:
        return ZnsBulkOperator(
            task_id="send",
            source=world.source(order),
            template_id=TEMPLATE_ID,
            template_params=PARAMS,
            ledger_url=order.ledger or world.ledger,
            run_key=order.run_key,
            send_at=world.send_at(order),
            at_least=order.at_least,
            on_empty=order.on_empty,
            conflicts=order.conflicts,
            rejects=world.rejects if order.rejects else None,
            dry_run=order.dry_run,
            hours=order.hours,
            guard=world.rules(order) or None,
            **more,
        )

    check(case, world, operator)


@pytest.mark.in_turn
@pytest.mark.parametrize("case", CHAINS, ids=[case.name for case in CHAINS])
def test_bulk_operator_meets_the_fallback_contract(
    case: ChainCase, world: World, connect: Callable[..., None], runs: Runs
) -> None:
    """`fallback` does the same."""

    def operator(world: World, order: ChainOrder) -> Answer:
        connect({"oa_id": OA_ID})
        try:
            task = ZnsBulkOperator(
                task_id="send",
                source=world.source(order),
                template_id=TEMPLATE_ID,
                template_params=PARAMS,
                ledger_url=world.ledger,
                run_key=order.run_key,
                at_least=order.at_least,
                fallback=[order.fallback],
                poll_seconds=0.1,
            )
            return Answer("sent", result=json.loads(json.dumps(runs(task))))
        except (EsmsError, AirflowException) as error:
            return Answer("refused", str(error))

    check_chain(case, world, operator)


@pytest.mark.in_turn
@pytest.mark.parametrize("case", LISTS, ids=[case.name for case in LISTS])
def test_bulk_operator_meets_the_recipient_list_contract(
    case: ListCase, world: World, connect: Callable[..., None], runs: Runs
) -> None:
    """The arguments of the core, under the same names."""
    connect({"oa_id": OA_ID})
    task = ZnsBulkOperator(
        task_id="send",
        source=str(case.make(world.folder)),
        template_id=TEMPLATE_ID,
        template_params=PARAMS,
        ledger_url=world.ledger,
        run_key="r",
        **case.arguments,
    )
    runs(task)
    check_reached(case, world.gateway)


def test_statement_operator_meets_the_statement_contract(runs: Runs, tmp_path: Path) -> None:
    """`MonthStatementOperator` does the same; with `fail=False` it only tells."""

    def operator(address: str, month: str | None, invoice: str | None) -> Answer:
        given = {"task_id": "statement", "month": month, "invoice": invoice, "warehouse": address}
        try:
            return Answer("sent", result=runs(MonthStatementOperator(**given)))
        except StatementDiffersError as error:
            answer = Answer("incomplete", str(error), runs(MonthStatementOperator(**given, fail=False)))
            # Days may still be loaded; what differs from an invoice stays so.
            return answer if error.retryable is (month == NEXT_MONTH) else Answer("retried in vain", str(error))
        except EsmsError as error:
            return Answer("refused", str(error))

    check_statements(tmp_path, operator)
