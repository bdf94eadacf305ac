"""The dashboard for Grafana: each query of it on real views in PostgreSQL, its macros as Grafana expands them."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from targets import DELIVERED, FAILED, NEXT_WINDOW, REJECTED, SENT, Target, merge, row

from esms_connectors.warehouse.marts import INVOICES, create_marts, mart_views
from esms_connectors.warehouse.outcomes import OUTCOMES_TABLE

DASHBOARD = json.loads((Path(__file__).parents[2] / "dashboards" / "grafana.json").read_text("utf-8"))
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
# The third of November in Vietnam, to its last second; and that as the data source writes it into a query.
DAY = ("2026-11-02T17:00:00Z", "2026-11-03T16:59:59Z")


def sql_of(panel: dict[str, Any], start: str = DAY[0], end: str = DAY[1]) -> str:
    (target,) = panel["targets"]
    sql = str(target["rawSql"]).replace("$__timeFrom()", f"'{start}'").replace("$__timeTo()", f"'{end}'")
    assert "$" not in sql
    return sql


def asked(target: Target, title: str, *span: str) -> list[tuple[Any, ...]]:
    sql = sql_of(PANELS[title], *span)
    return target.warehouse.ask(lambda reader: [*reader.read(sql)])


@pytest.mark.parametrize("sql_target", ["postgresql"], indirect=True)
def test_each_panel_returns_the_numbers_of_the_selected_days(sql_target: Target) -> None:
    """Days are Vietnamese: a message a second before midnight is of that day, one a second after of the next."""
    late = datetime(2026, 11, 3, 16, 59, 59, tzinfo=UTC)
    run = "nightly-2026-11-0{} #0123456789ab"
    merge(sql_target, [row(1, DELIVERED, campaign=run.format(2))])
    merge(
        sql_target,
        [
            row(2, DELIVERED, NEXT_WINDOW, campaign=run.format(3), sent_at=late, price_vnd=Decimal(250)),
            row(3, FAILED, NEXT_WINDOW, campaign=run.format(3), sent_at=late, price_vnd=Decimal(250)),
            row(4, SENT, NEXT_WINDOW, campaign=None, sent_at=late, price_vnd=None, sms_type=2),
            row(5, REJECTED, NEXT_WINDOW, campaign=None, sent_at=late.replace(hour=17, minute=0, second=1)),
        ],
        window=NEXT_WINDOW,
    )
    create_marts(sql_target.warehouse)
    month, midnight = date(2026, 11, 1), datetime(2026, 11, 2, 17, tzinfo=UTC)
    seen = {title: asked(sql_target, title) for title in PANELS}
    assert seen.pop("Messages") == [(3,)]
    assert seen.pop("Share delivered") == [(pytest.approx(1 / 3),)]
    assert seen.pop("Not final yet") == [(1,)]
    assert seen.pop("Cost") == [(Decimal(500),)]
    assert seen.pop("Messages a day by outcome") == [(midnight, 1, 1, 1, 0)]
    assert seen.pop("Cost a day by type") == [(midnight, "SMS customer care", None), (midnight, "ZNS", Decimal(500))]
    assert seen.pop("Share delivered by carrier") == [(midnight, "MobiFone", pytest.approx(1 / 3))]
    assert [line[:2] for line in seen.pop("Time to final state, 90 % within")] == [(midnight, "ZNS")]
    # Whole months, the runs of a campaign in one row.
    nightly = (month, "nightly", 2, 3, 2, Decimal(800), 0)
    assert nightly in seen.pop("Cost by month and campaign")
    assert [line[:3] for line in seen.pop("Why messages did not arrive")] == [("ZNS", "nightly", "failed")]
    assert [line[:3] for line in seen.pop("Statement and invoice")] == [
        (month, "SMS customer care", 0),
        (month, "ZNS", 4),
    ]
    assert seen == {}
    # Nothing was sent then: stats are nought or empty, and no query fails on it.
    assert asked(sql_target, "Messages", "2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z") == [(0,)]
    assert asked(sql_target, "Share delivered", "2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z") == [(None,)]


def test_panels_query_only_views_without_phone_numbers() -> None:
    """Who may see the dashboard sees no person: neither tables of loads, nor a view with a row for each message."""
    people = {"esms_message_facts", "esms_customers", OUTCOMES_TABLE.name, INVOICES.name}
    for title, panel in PANELS.items():
        sql = sql_of(panel)
        tables = set(re.findall(r"\b(?:FROM|JOIN) (\w+)", sql))
        assert tables <= {*mart_views()} - people, title
        assert "phone" not in sql


def test_panel_ids_layout_and_queries_are_valid_for_grafana() -> None:
    """Each panel has an id and a place of its own, and asks the source that the variable names; series have a time."""
    (variable,) = DASHBOARD["templating"]["list"]
    source = {"type": variable["query"], "uid": f"${{{variable['name']}}}"}
    assert len({panel["id"] for panel in PANELS.values()}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"] == panel["targets"][0]["datasource"] == source
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken
        taken |= cells
        is_series = panel["type"] == "timeseries"
        assert (panel["targets"][0]["format"] == "time_series") is is_series
        assert (" AS time," in panel["targets"][0]["rawSql"]) is is_series
