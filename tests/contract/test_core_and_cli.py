"""The campaigns of `cases` through the core, and through `esms`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pendulum
import pytest
from contract.alerts import PEOPLE, SPELLINGS, TEXT
from contract.cases import CASES
from contract.chains import CHAINS, ChainCase, ChainOrder, check_chain
from contract.fronts import OA_ID, PARAMS, REASON, TEMPLATE_ID, Answer, Case, Front, Order, World, check
from contract.lists import LISTS, ListCase, check_reached
from contract.statements import check_statements
from esms_processes import Esms, Process

from esms_connectors import Credentials, EsmsClient, EsmsError
from esms_connectors.emulator import DEMO_API_KEY, DEMO_BRANDNAME, DEMO_SECRET_KEY, Emulator, EmulatorServer
from esms_connectors.emulator.progress import RealClock
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.times import read_time
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns, RejectsFile
from esms_connectors.sending.alerts import AlertEvent, send_alert
from esms_connectors.sending.bulk import BulkIncompleteError
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import ZnsChannel
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.sending.guard.choice import GuardChoice
from esms_connectors.sending.steps import Journey
from esms_connectors.sending.steps.parsing import read_step
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.statement import StatementDiffersError, last_month, make_statement, read_invoice

NOON = pendulum.datetime(2024, 5, 15, 12, tz="Asia/Ho_Chi_Minh")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> RealClock:
    """From noon in Vietnam on, for everything here: near midnight what is in doubt is rightly not repeated."""
    clock = RealClock(NOON)
    monkeypatch.setattr(machine_clock, "source", lambda: clock.now)
    return clock


@pytest.fixture
def gateway(clock: RealClock) -> Emulator:
    return Emulator(clock=clock)


@dataclass(frozen=True)
class EsmsAtNoon:
    """`esms` as a process that is started in the time of the test."""

    processes: Esms
    clock: RealClock

    def start(self, *words: str, **job: Any) -> Process:
        return self.processes.start(*words, now=self.clock.now.isoformat(), **job)


@pytest.fixture
def esms(esms: Esms, clock: RealClock) -> EsmsAtNoon:
    return EsmsAtNoon(esms, clock)


@pytest.fixture
def world(server: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    found = World(server, tmp_path, machine_clock.now())
    found.prepare()
    return found


def core(world: World, order: Order) -> Answer:
    rejects = RejectsFile(world.rejects) if order.rejects else None
    credentials = Credentials(DEMO_API_KEY, DEMO_SECRET_KEY)
    given = world.send_at(order)
    send_at = None if given is None else read_time(given, "send_at", whole_days=False)
    try:
        with (
            EsmsClient(credentials, base_url=world.server.base_url, sandbox=order.sandbox) as client,
            Ledger.open(order.ledger or world.ledger) as ledger,
        ):
            campaign = Campaign(
                ZnsChannel(client, TEMPLATE_ID, OA_ID, send_at=send_at),
                world.source(order),
                Columns.parse(PARAMS),
                ledger=ledger,
                run_key=order.run_key,
                at_least=order.at_least,
                on_empty=order.on_empty,
                conflicts=order.conflicts,
                send_at_text=given if isinstance(given, str) else None,
                price_vnd=None if order.max_cost_vnd is None else Decimal(300),
                guard=GuardChoice(
                    hours=order.hours,
                    max_cost_vnd=order.max_cost_vnd,
                    guard=world.rules(order),
                    overrides=order.overrides,
                    override_reason=REASON if order.overrides else None,
                ).over(GuardSettings(), who="Lan"),
            )
            if order.dry_run:
                return Answer("planned", result=campaign.plan(rejects).as_dict())
            result = campaign.send(world.plan if order.plan else None, rejects=rejects).as_dict()
    except BulkIncompleteError as error:
        return Answer("incomplete", str(error))
    except EsmsError as error:
        return Answer("refused", str(error))
    return Answer("sent" if result["rows"]["rows"] else "skipped", result=result)


@pytest.fixture
def cli(esms: EsmsAtNoon) -> Front:
    def call(world: World, order: Order) -> Answer:
        flags: dict[str, Any] = {
            "--template": TEMPLATE_ID,
            "--oa": OA_ID,
            "--params": PARAMS,
            "--run-key": order.run_key,
            "--ledger": order.ledger or world.ledger,
            "--on-empty": order.on_empty,
            "--conflicts": order.conflicts,
            "--at-least": 0 if order.at_least is None else order.at_least,
        }
        if (send_at := world.send_at(order)) is not None:
            flags["--at"] = send_at
        if order.rejects:
            flags["--rejects"] = world.rejects
        if order.plan:
            file = world.folder / "plan.json"
            file.write_text(json.dumps(world.plan), encoding="utf-8")
            flags["--plan-file"] = file
        if order.hours is not None:
            flags["--hours"] = order.hours
        if order.max_cost_vnd is not None:
            flags |= {"--max-cost": order.max_cost_vnd, "--price": 300}
        words = [f"{name}={value}" for name, value in flags.items()]
        words += [f"--guard={name}={value}" for name, value in world.rules(order).items()]
        words += [f"--override={rule}" for rule in order.overrides]
        words += [f"--override-reason={REASON}"] if order.overrides else []
        words += ["--plan"] if order.dry_run else []
        words += ["--sandbox"] if order.sandbox else []
        done = esms.start(world.server.base_url, "send-zns", world.source(order), *words, "--json").finish()
        if done.code == 0:
            decision = "planned" if order.dry_run else "sent" if done.json["rows"]["rows"] else "skipped"
            return Answer(decision, result=done.json)
        assert "Traceback" not in done.err
        if order.dry_run and done.code == 2 and done.json.get("good") is False:
            return Answer("planned", result=done.json)
        said = (done.json["message"] if done.out else done.err).strip().replace("--on-empty", "on_empty")
        return Answer("refused" if done.code == 2 else "incomplete", said)

    return call


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_core_matches_the_contract_cases(case: Case, world: World) -> None:
    """The values in the table are right."""
    check(case, world, core)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_cli_matches_the_contract_cases(case: Case, world: World, cli: Callable[[World, Order], Answer]) -> None:
    """The command line does the same."""
    check(case, world, cli)


@pytest.mark.in_turn
@pytest.mark.parametrize("case", CHAINS, ids=[case.name for case in CHAINS])
def test_core_matches_the_chain_cases(case: ChainCase, world: World) -> None:
    """A fallback does what the table says."""

    def core(world: World, order: ChainOrder) -> Answer:
        credentials = Credentials(DEMO_API_KEY, DEMO_SECRET_KEY)
        try:
            with EsmsClient(credentials, base_url=world.server.base_url) as client, Ledger.open(world.ledger) as ledger:
                first = Campaign(
                    ZnsChannel(client, TEMPLATE_ID, OA_ID),
                    world.source(order),
                    Columns.parse(PARAMS),
                    ledger=ledger,
                    run_key=order.run_key,
                    at_least=order.at_least,
                )
                journey = Journey(first, [read_step(order.fallback, first)], poll_seconds=0.1)
                return Answer("sent", result=journey.run().as_dict())
        except EsmsError as error:
            return Answer("refused", str(error))

    check_chain(case, world, core)


@pytest.mark.in_turn
@pytest.mark.parametrize("case", CHAINS, ids=[case.name for case in CHAINS])
def test_cli_matches_the_chain_cases(case: ChainCase, world: World, esms: EsmsAtNoon) -> None:
    """`--else` does the same."""

    def cli(world: World, order: ChainOrder) -> Answer:
        done = esms.start(world.server.base_url, *order.words(world), "--json").finish()
        assert "Traceback" not in done.err
        if done.code == 0:
            return Answer("sent", result=done.json)
        return Answer("refused" if done.code == 2 else "incomplete", done.json["message"] if done.out else done.err)

    check_chain(case, world, cli)


@pytest.mark.in_turn
@pytest.mark.parametrize("case", LISTS, ids=[case.name for case in LISTS])
def test_cli_matches_the_list_cases(case: ListCase, world: World, esms: EsmsAtNoon) -> None:
    """The arguments of the core, as options."""
    flags = {"--template": TEMPLATE_ID, "--oa": OA_ID, "--params": PARAMS, "--run-key": "r", "--ledger": world.ledger}
    words = [f"{name}={value}" for name, value in flags.items()]
    for name, value in case.arguments.items():
        words.append(f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}"))
    done = esms.start(world.server.base_url, "send-zns", str(case.make(world.folder)), *words).finish()
    assert done.code == 0, done.err
    check_reached(case, world.gateway)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("case", LISTS, ids=[case.name for case in LISTS])
def test_core_matches_the_list_cases(case: ListCase, world: World) -> None:
    """With the arguments the people are reached."""
    path = case.make(world.folder)
    credentials = Credentials(DEMO_API_KEY, DEMO_SECRET_KEY)
    with EsmsClient(credentials, base_url=world.server.base_url) as client, Ledger.open(world.ledger) as ledger:
        channel = ZnsChannel(client, TEMPLATE_ID, OA_ID)
        Campaign(channel, path, Columns.parse(PARAMS), ledger=ledger, run_key="r", **case.arguments).send()
    check_reached(case, world.gateway)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_core_alerts_each_phone_once(spelling: str, world: World) -> None:
    """Two people, one message each."""
    with EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), base_url=world.server.base_url) as client:
        event = AlertEvent(("nightly", "run 1"), "failed")
        result = send_alert(client, spelling, TEXT, DEMO_BRANDNAME, event=event, fallback=TEXT)
    assert (result.sent, result.problems) == (2, ())
    assert world.gateway.deliveries_by_phone() == dict.fromkeys(PEOPLE, 1)


@pytest.mark.in_turn(every=3)
def test_core_matches_the_statement_cases(clock: RealClock, tmp_path: Path) -> None:
    """The values in the table are right."""

    def core(address: str, month: str | None, invoice: str | None) -> Answer:
        try:
            lines = None if invoice is None else read_invoice(invoice)
            with open_warehouse(address) as warehouse:
                made = make_statement(warehouse, month or last_month(machine_clock.now()), lines)
            made.check()
        except StatementDiffersError as error:
            return Answer("incomplete", str(error), made.as_dict())
        except EsmsError as error:
            return Answer("refused", str(error))
        return Answer("sent", result=made.as_dict())

    check_statements(tmp_path, core)


def test_cli_matches_the_statement_cases(esms: EsmsAtNoon, tmp_path: Path) -> None:
    """`esms statement` does the same; it has no month of its own."""

    def cli(address: str, month: str | None, invoice: str | None) -> Answer:
        words = ["statement", month or last_month(esms.clock.now), f"--into={address}", "--json"]
        done = esms.start("http://127.0.0.1:9", *words, *([] if invoice is None else [f"--invoice={invoice}"])).finish()
        assert "Traceback" not in done.err
        if done.code == 2:
            return Answer("refused", done.json["message"])
        return Answer({0: "sent", 4: "incomplete"}[done.code], result=done.json)

    check_statements(tmp_path, cli)
