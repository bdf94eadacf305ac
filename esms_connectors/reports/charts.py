"""
The charts of a report, as SVG to embed in an HTML page.

They are drawn by Vega-Lite through vl-convert: one wheel without dependencies, no browser and no network. Colours are
passed through unchanged, so they are CSS variables of the page, defined for light, dark and print. Headings and legends
are part of the page, where they can wrap; only the labels of bars and axes are in the SVG.

Drawing runs in a subprocess: vl-convert keeps threads that do not survive a fork and would wait for them forever, and
Airflow's workers, among others, fork.
"""

from __future__ import annotations

import html
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import vl_convert  # noqa: F401 - used by the subprocess; imported here to detect a missing extra
from babel.dates import format_date
from babel.numbers import format_compact_decimal

from esms_connectors.gateway.errors import EsmsError
from esms_connectors.reports.language import Language
from esms_connectors.reports.model import Cell, Kind, Report, Table

# In stacking order from the bottom: delivered, still open, lost. Neighbours differ in lightness, so that they can be
# distinguished without colour vision.
STATES = ("delivered", "open", "failed", "rejected")

# CSS pixels. Charts are drawn in two sizes, because text scaled down to a phone's width would be illegible.
_NARROW, _HALF, _FULL = 340, 500, 1000
_ROW_HEIGHT, _FIRST_LINE, _LINE_HEIGHT, _BAR_HEIGHT, _FONT_SIZE = 44, 12, 17, 13, 13
_WIDEST_COLUMN = 64
_MOST_BARS = 8
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class Chart:
    """
    Attributes:
        table: the table with the same numbers.
        legend: colour names and their meanings; empty for a single colour.
        narrow, wide: the chart as `<svg>`, for phones and for desktop screens.
    """

    name: str
    table: str
    legend: tuple[tuple[str, str], ...]
    narrow: str
    wide: str


@dataclass(frozen=True, slots=True)
class _Sketch:
    """A chart that is not drawn yet. `narrow`, `wide`: width and Vega-Lite specification."""

    name: str
    table: str
    legend: tuple[tuple[str, str], ...]
    narrow: tuple[int, dict[str, Any]]
    wide: tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Bar:
    """A bar with its label and `detail` above. `rest`: the loss since the previous bar, drawn behind it."""

    label: str
    value_text: str
    value: float
    rest: float = 0.0
    detail: str = ""


def draw_charts(report: Report, language: Language) -> dict[str, Chart]:
    """
    The charts for which the report has data, by name: funnel, days, costs, reasons.

    Raises:
        EsmsError: they cannot be drawn on this machine.
    """
    sketches = [
        sketch
        for sketch in (
            _funnel(report.tables.get("funnel"), language),
            _days(report.tables.get("days"), language),
            _costs(report.tables.get("types"), language),
            _reasons(report.tables.get("reasons"), language),
        )
        if sketch is not None
    ]
    if not sketches:
        return {}
    drawn = iter(_draw([spec for sketch in sketches for _, spec in (sketch.narrow, sketch.wide)]))
    charts = {}
    for sketch in sketches:
        narrow, wide = (_named(next(drawn), sketch.name, width, language) for width, _ in (sketch.narrow, sketch.wide))
        charts[sketch.name] = Chart(sketch.name, sketch.table, sketch.legend, narrow, wide)
    return charts


def _funnel(table: Table | None, language: Language) -> _Sketch | None:
    if table is None or not any(table.values("messages")):
        return None
    bars, before = [], 0.0
    for stage, messages, share in zip(*map(table.values, ("stage", "messages", "share")), strict=True):
        count = _number(messages)
        bars.append(
            _Bar(_text(stage, language), _with_share(messages, share, language), count, max(before - count, 0.0))
        )
        before = count
    legend = (("delivered", language.word("chart.reached")), ("lost", language.word("chart.lost")))
    return _bar_chart("funnel", "funnel", bars, "delivered", legend)


def _days(table: Table | None, language: Language) -> _Sketch | None:
    # A single day needs no chart.
    if table is None or len(table.rows) < 2 or not any(table.values("messages")):
        return None
    days = [day for day in table.values("day") if isinstance(day, date)]
    counts = {state: [_number(count) for count in table.values(state)] for state in STATES}
    legend = tuple((state, language.column("days", state)) for state in STATES if any(counts[state]))

    def sized(width: int, most_labels: int) -> tuple[int, dict[str, Any]]:
        # Backwards, so that the last day always has a label.
        labelled = days[:: -math.ceil(len(days) / most_labels)]
        return width, _days_spec(days, counts, labelled, language, width)

    return _Sketch("days", "days", legend, narrow=sized(_NARROW, 5), wide=sized(_FULL, 16))


def _costs(table: Table | None, language: Language) -> _Sketch | None:
    if table is None:
        return None
    rows = [(kind, cost) for kind, cost in zip(table.values("sms_type"), table.values("cost"), strict=True) if cost]
    if len(rows) < 2:
        return None
    rows.sort(key=lambda row: -_number(row[1]))
    bars = [
        _Bar(_text(kind, language), language.cell(Kind.MONEY, cost), _number(cost)) for kind, cost in rows[:_MOST_BARS]
    ]
    return _bar_chart("costs", "types", bars, "cost")


def _reasons(table: Table | None, language: Language) -> _Sketch | None:
    if table is None or not table.rows:
        return None
    columns = map(table.values, ("reason", "sms_type", "messages", "share"))
    bars = [
        _Bar(
            _text(reason, language),
            _with_share(messages, share, language),
            _number(messages),
            detail="" if sms_type is None else _text(sms_type, language),
        )
        for reason, sms_type, messages, share in list(zip(*columns, strict=True))[:_MOST_BARS]
    ]
    return _bar_chart("reasons", "reasons", bars, "failed")


def _bar_chart(
    name: str, table: str, bars: Sequence[_Bar], color: str, legend: tuple[tuple[str, str], ...] = ()
) -> _Sketch:
    narrow, wide = ((width, _bars_spec(bars, color, width)) for width in (_NARROW, _HALF))
    return _Sketch(name, table, legend, narrow, wide)


def _bars_spec(bars: Sequence[_Bar], color: str, width: int) -> dict[str, Any]:
    longest = max(bar.value + bar.rest for bar in bars) or 1.0
    rows = [
        {
            "row": row,
            "label": bar.label,
            "value_text": bar.value_text,
            "detail": bar.detail,
            "value": bar.value / longest,
            "until": (bar.value + bar.rest) / longest,
            "all": 1,
        }
        for row, bar in enumerate(bars)
    ]
    where = {"field": "row", "type": "ordinal", "axis": None}
    two_lines = any(bar.detail for bar in bars)
    height = _ROW_HEIGHT + (_LINE_HEIGHT if two_lines else 0)
    # Bars are at the bottom of their rows, below their labels.
    below = (height - _BAR_HEIGHT) / 2 - 1
    along: dict[str, Any] = {"type": "quantitative", "axis": None, "scale": {"domain": [0, 1], "nice": False}}
    first_line = {"type": "text", "baseline": "top", "dy": _FIRST_LINE - height / 2}
    second_line = {**first_line, "dy": _FIRST_LINE + _LINE_HEIGHT - height / 2}

    def bar_layer(fill: str, until: str) -> dict[str, Any]:
        return {
            "mark": {"type": "bar", "height": _BAR_HEIGHT, "fill": fill, "cornerRadius": 2, "yOffset": below},
            "encoding": {"x": {"field": until, "stack": None, **along}},
        }

    # Space left beside the value; a longer label is truncated, and shown in full in the table.
    beside = width - 12 - max(_text_width(bar.value_text) for bar in bars)
    return {
        "width": width,
        "height": {"step": height},
        "data": {"values": rows},
        "encoding": {"y": where},
        "layer": [
            bar_layer("var(--track)", "all"),
            bar_layer("var(--lost)", "until"),
            bar_layer(f"var(--{color})", "value"),
            {
                "mark": {**first_line, "align": "left", "limit": width if two_lines else max(beside, 80)},
                "encoding": {"x": {"value": 0}, "text": {"field": "label", "type": "nominal"}},
            },
            {
                "mark": {**second_line, "align": "left", "limit": max(beside, 80), "fill": "var(--quiet)"},
                "encoding": {"x": {"value": 0}, "text": {"field": "detail", "type": "nominal"}},
            },
            {
                "mark": {**(second_line if two_lines else first_line), "align": "right", "fontWeight": 600},
                "encoding": {"x": {"value": width}, "text": {"field": "value_text", "type": "nominal"}},
            },
        ],
        "padding": 0,
        "config": _CONFIG,
    }


def _days_spec(
    days: Sequence[date],
    counts: dict[str, list[float]],
    labelled: Sequence[date],
    language: Language,
    width: int,
) -> dict[str, Any]:
    rows = [
        {"day": day.isoformat(), "state": state, "order": order, "messages": counts[state][position]}
        for position, day in enumerate(days)
        for order, state in enumerate(STATES)
        if counts[state][position]
    ]
    highest = max(sum(counts[state][position] for state in STATES) for position in range(len(days)))
    ticks = _ticks(highest)
    # Gaps between columns of one or two pixels would make them look pale.
    between = 0.15 if width / len(days) > 5 else 0.0
    return {
        "width": width,
        "height": 240,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": rows},
        "mark": {"type": "bar", **({"size": _WIDEST_COLUMN} if width / len(days) > 1.5 * _WIDEST_COLUMN else {})},
        "encoding": {
            "x": {
                "field": "day",
                "type": "ordinal",
                "scale": {"domain": [day.isoformat() for day in days], "paddingInner": between, "paddingOuter": 0.1},
                "axis": {
                    "title": None,
                    "labelAngle": 0,
                    "values": [day.isoformat() for day in labelled],
                    "labelExpr": _labels({day.isoformat(): _short_day(day, language) for day in labelled}),
                    "labelOverlap": False,
                    "ticks": False,
                    "domainColor": "var(--axis)",
                },
            },
            "y": {
                "field": "messages",
                "type": "quantitative",
                "scale": {"domain": [0, highest], "nice": False},
                "axis": {
                    "title": None,
                    "values": ticks,
                    "labelExpr": _labels({tick: _short_number(tick, language) for tick in ticks}),
                    "domain": False,
                    "ticks": False,
                    "gridColor": "var(--line)",
                },
            },
            "color": {
                "field": "state",
                "type": "nominal",
                "scale": {"domain": list(STATES), "range": [f"var(--{state})" for state in STATES]},
                "legend": None,
            },
            "order": {"field": "order", "type": "quantitative"},
        },
        "padding": {"left": 2, "right": 2, "top": 8, "bottom": 2},
        "config": _CONFIG,
    }


# The page describes each chart and has its table, so a screen reader need not read every mark.
_CONFIG: dict[str, Any] = {
    "aria": False,
    "background": None,
    "view": {"stroke": None},
    "font": _FONT,
    "text": {"fill": "currentColor", "fontSize": _FONT_SIZE},
    "axis": {"labelColor": "currentColor", "labelFontSize": _FONT_SIZE - 1, "labelPadding": 6},
}


# The program of the subprocess. No base URL is allowed, so nothing is fetched from the network.
_DRAWING = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
import vl_convert
drawn = [vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]) for spec in json.load(sys.stdin)]
json.dump(drawn, sys.stdout)
"""
_DRAWING_SECONDS = 120


def _draw(specs: list[dict[str, Any]]) -> list[str]:
    """Specifications -> `<svg>` as rendered by Vega."""
    problem = ""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _DRAWING, json.dumps(sys.path)],
            input=json.dumps(specs).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_DRAWING_SECONDS,
            check=False,
        )
        if done.returncode == 0:
            drawn: list[str] = json.loads(done.stdout)
            return drawn
        problem = f"vl-convert ended with {done.returncode}"
    except subprocess.TimeoutExpired:
        problem = f"vl-convert took more than {_DRAWING_SECONDS} seconds"
    except OSError as error:
        problem = f"Python cannot be started again ({type(error).__name__})"
    raise EsmsError(f"The charts of the report cannot be drawn: {problem}. Other formats than HTML need no charts.")


def _named(drawn: str, name: str, width: int, language: Language) -> str:
    """Add a title and a description for screen readers, and remove the size, so that the page determines it."""
    view_box = drawn[drawn.index("viewBox=") :].split('"')[1]
    identity = f"chart-{name}-{width}"
    title, description = language.word(f"chart.{name}"), language.word(f"chart.{name}.text")
    opening = (
        f'<svg role="img" aria-labelledby="{identity}-title {identity}-description" viewBox="{view_box}">'
        f'<title id="{identity}-title">{html.escape(title)}</title>'
        f'<desc id="{identity}-description">{html.escape(description)}</desc>'
    )
    return opening + drawn[drawn.index(">") + 1 :]


def _labels(texts: dict[Any, str]) -> str:
    """A Vega expression: the value of a tick -> its text."""
    values, shown = json.dumps(list(texts)), json.dumps(list(texts.values()))
    return f"{shown}[indexof({values}, datum.value)]"


def _ticks(highest: float) -> list[float]:
    """About three to five round numbers from 0 up to at most `highest`."""
    step = 10.0 ** math.floor(math.log10(highest / 4))
    steps = [step * times for times in (1, 2, 2.5, 5, 10)]
    # Message counts are integers.
    step = next(one for one in steps if one * 4 >= highest and one.is_integer())
    return [step * count for count in range(math.floor(highest / step) + 1)]


def _text_width(text: str) -> float:
    """Approximate width in pixels; digits of common fonts are not wider."""
    return len(text) * _FONT_SIZE * 0.55


def _short_day(day: date, language: Language) -> str:
    return format_date(day, format="dd/MM" if language.code == "vi" else "d MMM", locale=language.code)


def _short_number(number: float, language: Language) -> str:
    """1.5M, 1,5 Tr."""
    return format_compact_decimal(number, fraction_digits=1, locale=language.code)


def _with_share(messages: Cell, share: Cell, language: Language) -> str:
    shown = language.cell(Kind.COUNT, messages)
    return shown if share is None else f"{shown} · {language.cell(Kind.SHARE, share)}"


def _text(cell: Cell, language: Language) -> str:
    return language.cell(Kind.TERM, cell)


def _number(cell: Cell) -> float:
    return float(cell) if isinstance(cell, (int, float, Decimal)) else 0.0
