"""The cases of the contract, with the right value of each; see `fronts` for what one is."""

from __future__ import annotations

from typing import Any

from contract.fronts import LANDLINE, OA_ID, TEMPLATE_ID, Case, Order, Step

from esms_connectors.emulator import Emulator
from esms_connectors.emulator.faults import code, refuse_before


def _all(count: int, **more: Any) -> dict[str, Any]:
    return {"rows": count, "recipients": count, "accepted": count, "sent_by_this_try": count, "complete": True, **more}


def _down(gateway: Emulator) -> None:
    gateway.faults.add("send_zns_bulk", refuse_before(), every=1)


def _no_money(gateway: Emulator) -> None:
    gateway.faults.add("send_zns_bulk", code("103"), every=1)


def _disabled(gateway: Emulator) -> None:
    gateway.change_template(TEMPLATE_ID, status="DISABLE")


def _low_quality(gateway: Emulator) -> None:
    gateway.change_template(TEMPLATE_ID, quality="LOW")


def _little_quota(gateway: Emulator) -> None:
    gateway.change_official_account(OA_ID, daily_quota=2)


def _no_template(gateway: Emulator) -> None:
    gateway.faults.add("get_zns_template", code("99"), every=1)


def _up(gateway: Emulator) -> None:
    gateway.faults.clear()


TEN = (*range(1, 10), LANDLINE)

CASES = (
    Case("a list", (Step(Order(), "sent", counts=_all(3, rejected=0, unknown=0, at_least=1.0)),), (1, 2, 3)),
    Case(
        "again is the resume",
        (
            Step(Order(people=(1, 2)), "sent", counts=_all(2)),
            Step(
                Order(),
                "sent",
                counts={"recipients": 3, "accepted": 3, "sent_by_this_try": 1, "complete": True},
            ),
        ),
        (1, 2, 3),
    ),
    Case("a time that is over", (Step(Order(send_at=-1), "refused", "lies in the past"),), ()),
    Case("a time to come", (Step(Order(send_at=2), "sent", counts=_all(3)),), (1, 2, 3)),
    Case(
        "a time that is over when a try comes again",
        (
            Step(Order(people=(1, 2)), "sent", counts=_all(2)),
            Step(Order(send_at=-1), "sent", counts={"accepted": 3, "sent_by_this_try": 1}),
        ),
        (1, 2, 3),
    ),
    Case(
        "at_least is of all rows, and out of reach",
        (Step(Order(people=TEN, at_least=0.95), "refused", "1 of 10 rows cannot be sent"),),
        (),
    ),
    Case(
        "at_least just within reach",
        (
            Step(
                Order(people=TEN, at_least=0.9),
                "sent",
                counts={"rows": 10, "recipients": 9, "accepted": 9, "accepted_share": 0.9},
            ),
        ),
        tuple(range(1, 10)),
    ),
    Case("at_least of all", (Step(Order(people=TEN), "refused", "at_least"),), ()),
    Case(
        "no at_least, and the rows that cannot be sent are listed",
        (Step(Order(people=TEN, at_least=None, rejects=True), "sent", counts={"recipients": 9, "accepted": 9}),),
        tuple(range(1, 10)),
        ("11",),
    ),
    Case("a list without rows", (Step(Order(people=()), "refused", "on_empty"),), ()),
    Case("a list without rows by choice", (Step(Order(people=(), on_empty="skip"), "skipped"),), ()),
    Case("nobody can be sent to", (Step(Order(people=(LANDLINE,), at_least=0), "refused", "No row"),), ()),
    Case(
        "rows that were sent as something else",
        (
            Step(Order(people=(1, 2)), "sent", counts=_all(2)),
            Step(Order(service="Cắt tóc"), "refused", "conflicts"),
            Step(
                Order(service="Cắt tóc", conflicts="skip", rejects=True),
                "sent",
                counts={"rows": 3, "conflicts": 2, "recipients": 1, "accepted": 1, "sent_by_this_try": 1},
            ),
        ),
        (1, 2, 3),
        ("2", "3"),
    ),
    Case(
        "a plan sends nothing, and what it has is sent",
        (
            Step(
                Order(dry_run=True),
                "planned",
                counts={"rows": 3, "recipients": 3, "to_send": 3, "already_settled": 0, "conflicts": 0, "chunks": 1},
            ),
            Step(Order(plan=True), "sent", counts=_all(3)),
        ),
        (1, 2, 3),
    ),
    Case(
        "more rows than the approved plan has",
        (
            Step(Order(people=(1,), dry_run=True), "planned", counts={"to_send": 1}),
            Step(Order(plan=True), "refused", "differs from the plan"),
        ),
        (),
    ),
    Case(
        "as many rows as the approved plan has, with other words",
        (
            Step(Order(dry_run=True), "planned", counts={"to_send": 3}),
            Step(Order(plan=True, service="Cắt tóc"), "refused", "differs from the plan"),
        ),
        (),
    ),
    Case(
        "another time of sending than the approved plan has",
        (
            Step(Order(send_at=2, dry_run=True), "planned", counts={"to_send": 3}),
            Step(Order(send_at=5, plan=True), "refused", "send_at is"),
            Step(Order(plan=True), "refused", "send_at is None and was"),
            Step(Order(send_at=2, plan=True), "sent", counts=_all(3)),
        ),
        (1, 2, 3),
    ),
    Case(
        "a time of sending in words, which means what it did when the plan was made",
        (
            Step(Order(send_at="+30h", dry_run=True), "planned", counts={"to_send": 3, "send_at_text": "+30h"}),
            Step(Order(send_at="+31h", plan=True), "refused", "send_at is"),
            Step(Order(send_at="+30h", plan=True), "sent", counts=_all(3)),
        ),
        (1, 2, 3),
    ),
    *(
        Case(f"a ledger whose address has a slip: {ledger}", (Step(Order(ledger=ledger), "refused", "ledger"),), ())
        for ledger in ("postgresql://me:p@ss:w0rd@127.0.0.1:1/l", "sqlite:/ledger.sqlite")
    ),
    *(
        Case(f"a bad run key: {run_key[:12]!r}", (Step(Order(run_key=run_key), "refused", "run"),), ())
        for run_key in ("", " ", "evening ", "None", "visits-None", "visits-", "visits--1", "a" * 201, "two\nlines")
    ),
    Case(
        "a sandbox runs the whole campaign, and the real one after it reaches everybody",
        (
            Step(Order(sandbox=True), "sent", counts=_all(3, sandbox=True)),
            Step(Order(), "sent", counts=_all(3, sandbox=False)),
        ),
        (1, 2, 3),
    ),
    Case(
        "a plan in the sandbox",
        (Step(Order(sandbox=True, dry_run=True), "planned", counts={"sandbox": True, "to_send": 3}),),
        (),
    ),
    Case(
        "a template of low quality, and one that is not enabled",
        (
            Step(Order(dry_run=True), "planned", counts={"to_send": 3, "good": True, "price_vnd": 300}),
            Step(Order(dry_run=True), "planned", counts={"to_send": 3, "good": False}, before=_low_quality),
            Step(Order(), "refused", "is DISABLE, not ENABLE", before=_disabled),
            Step(Order(dry_run=True), "planned", counts={"to_send": 3, "good": False}),
        ),
        (),
    ),
    Case(
        "a plan of what would be refused is a plan",
        (
            Step(Order(people=TEN, dry_run=True), "planned", counts={"rows": 10, "recipients": 9}),
            Step(Order(people=(LANDLINE,), dry_run=True), "planned", counts={"recipients": 0, "good": False}),
            Step(Order(people=(), dry_run=True), "planned", counts={"rows": 0, "recipients": 0}),
        ),
        (),
    ),
    Case(
        "more rows than the OA may send today",
        (Step(Order(dry_run=True), "planned", counts={"to_send": 3, "good": False}, before=_little_quota),),
        (),
    ),
    Case(
        "columns by position, and no template to hold them against",
        (Step(Order(), "sent", counts=_all(3), before=_no_template),),
        (1, 2, 3),
    ),
    Case(
        "killed in the middle, and again",
        (
            Step(
                Order(people=(1, 2, 3, 4, 5)),
                "sent",
                counts={"accepted": 5, "sent_by_this_try": 3, "complete": True},
                killed_at=3,
            ),
        ),
        (1, 2, 3, 4, 5),
    ),
    Case(
        "no connection, and again",
        (
            Step(Order(), "incomplete", before=_down),
            Step(Order(), "sent", counts=_all(3), before=_up),
        ),
        (1, 2, 3),
    ),
    Case(
        "no money, and again after a top-up",
        (
            Step(Order(), "incomplete", "103", before=_no_money),
            Step(Order(), "sent", counts=_all(3), before=_up),
        ),
        (1, 2, 3),
    ),
    Case(
        "outside their hours, refused, and again with the rule set aside",
        (
            Step(Order(shut=True, hours="refuse"), "refused", "its hours are"),
            Step(Order(shut=True, hours="refuse", overrides=("hours",)), "sent", counts=_all(3)),
        ),
        (1, 2, 3),
    ),
    Case(
        "outside their hours, put off, and again when they have begun",
        (
            Step(Order(shut=True, hours="defer"), "incomplete", "its hours are"),
            Step(Order(hours="defer"), "sent", counts=_all(3)),
        ),
        (1, 2, 3),
    ),
    Case(
        "outside their hours, sent for the next ones", (Step(Order(shut=True, hours="reschedule"), "sent"),), (1, 2, 3)
    ),
    Case(
        "a cap counts over runs",
        (
            Step(Order(guard={"transaction_cap": 1}), "sent", counts=_all(3, skipped=0)),
            Step(
                Order(people=(1, 2, 3, 4), run_key="night", guard={"transaction_cap": 1}),
                "sent",
                counts={"sent_by_this_try": 1, "skipped": 3, "skipped_by_rule": {"frequency": 3}, "complete": True},
            ),
        ),
        (1, 2, 3, 4),
    ),
    Case(
        "a budget that is too small, and raised",
        (
            Step(Order(max_cost_vnd=800), "incomplete", "budget"),
            Step(Order(max_cost_vnd=900), "sent", counts=_all(3)),
        ),
        (1, 2, 3),
    ),
    Case(
        "a balance that is too small, refused by choice",
        (
            Step(
                Order(guard={"low_balance": "refuse"}, max_cost_vnd=10_000),
                "refused",
                "balance",
                before=lambda gateway: gateway.set_balance(300),
            ),
        ),
        (),
    ),
    Case(
        "a rule that there is not", (Step(Order(guard={"advertising_houres": "defer"}), "refused", "no setting"),), ()
    ),
)
