"""The page: what stands in it, for whom, and that nothing from outside becomes part of it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from report_samples import INCOMPLETE, MIDNIGHT, empty_report, sample_report

from esms_connectors import EsmsError
from esms_connectors.reports import Report, charts
from esms_connectors.reports.charts import draw_charts
from esms_connectors.reports.html import render_html
from esms_connectors.reports.language import get_language
from esms_connectors.reports.model import Figure, Kind, Note, Table, Term
from esms_connectors.reports.tables import TABLES

ENGLISH, VIETNAMESE = get_language("en"), get_language("vi")


@pytest.fixture(scope="module")
def month() -> str:
    """The page of a usual month, complete, in English."""
    return render_html(sample_report(), ENGLISH)


@pytest.fixture(scope="module")
def incomplete_month() -> str:
    """The same in Vietnamese, while windows are pending and messages open."""
    return render_html(sample_report(notes=INCOMPLETE), VIETNAMESE)


class Page(HTMLParser):
    """Tags with their attributes, and the text of each table, cell by cell, and of the rest."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: dict[str, list[list[str]]] = {}
        self.texts: list[str] = []
        self._open: list[str] = []
        self._section = ""
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "section" and attributes.get("id"):
            self._section = attributes["id"] or ""
        if tag == "tr":
            self.rows.setdefault(self._section, []).append([])
        if tag in ("th", "td"):
            self.rows[self._section][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, text: str) -> None:
        if "style" in self._open:
            return
        if "td" in self._open or "th" in self._open:
            self.rows[self._section][-1][-1] += text.strip("\n")
        self.texts.append(text)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def with_rows(report: Report, name: str, *rows: tuple[object, ...]) -> Report:
    table = Table(name, TABLES[name], rows)
    return replace(report, tables={**report.tables, name: table})


@pytest.mark.in_turn
@pytest.mark.parametrize("language", [ENGLISH, VIETNAMESE], ids=["en", "vi"])
def test_page_contains_every_cell_of_every_table(language):
    report = sample_report(days=7)

    page = Page(render_html(report, language))

    assert list(page.rows) == list(report.tables)
    for name, table in report.tables.items():
        headings = [language.column(name, column.name) for column in table.columns]
        cells = [
            [language.cell(column.kind, cell) for column, cell in zip(table.columns, row, strict=True)]
            for row in table.rows
        ]
        if table.total is not None:
            last = [language.cell(column.kind, cell) for column, cell in zip(table.columns, table.total, strict=True)]
            cells.append([language.word("total"), *last[1:]])
        assert page.rows[name] == [headings, *cells]


@pytest.mark.in_turn
def test_page_has_no_scripts_or_external_resources(incomplete_month):
    """No script, no address but that of an icon that is empty, and a policy that holds browsers to it."""
    page = Page(incomplete_month)

    tags = {tag for tag, _ in page.tags}
    addresses = {
        attributes[name] for _, attributes in page.tags for name in ("src", "href", "xlink:href") if name in attributes
    }
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert not tags & {"script", "iframe", "img", "object", "embed", "base", "form"}
    assert addresses == {"data:,"}
    assert policy.startswith("default-src 'none'")
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert not re.search(r"@import|url\(", incomplete_month)


@pytest.mark.in_turn
def test_page_declares_and_uses_its_language(month, incomplete_month):
    english, vietnamese = Page(month), Page(incomplete_month)

    assert ("html", {"lang": "en"}) in english.tags
    assert "Messages delivered: 974,634 of 1,047,994 (93.0" in english.text
    assert ("html", {"lang": "vi"}) in vietnamese.tags
    assert "974.634 trên 1.047.994 tin đã đến người nhận" in vietnamese.text
    assert unicodedata.is_normalized("NFC", incomplete_month)


@pytest.mark.in_turn
def test_campaign_names_are_escaped():
    """Markup, quotes, template braces and emoji of a campaign's name come out as they went in."""
    names = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }} & co", "🎉 Tết", "=1+1")

    page = Page(render_html(sample_report(campaigns=names), ENGLISH))

    assert [row[0] for row in page.rows["campaigns"][1:-1]] == list(names)
    assert {"script", "img"}.isdisjoint(tag for tag, _ in page.tags)


@pytest.mark.in_turn
def test_right_to_left_name_is_isolated_with_bdi():
    source = render_html(sample_report(campaigns=("حملة رمضان",)), ENGLISH)

    assert "<bdi>حملة رمضان</bdi>" in source
    assert "<bdi>All others</bdi>" not in source


@pytest.mark.in_turn
def test_chart_labels_of_unknown_reasons_are_escaped():
    """A chart's labels are escaped as well."""
    loss = (Term("<b>&odd"), Term("type.2"), "9/9", 12, 0.5, Term("to_do.row.failed.sms"))

    drawn = draw_charts(with_rows(sample_report(days=1), "reasons", loss), ENGLISH)["reasons"]

    for svg in (drawn.narrow, drawn.wide):
        texts = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]
        assert texts == ["<b>&odd", "SMS customer care", "12 · 50.0%"]


def test_warnings_about_missing_data_precede_the_numbers(incomplete_month):
    page = Page(incomplete_month).text

    assert page.index("Còn 3 trên 744 cửa sổ dữ liệu của kỳ này chưa tải") < page.index("974.634")
    assert page.index("15.624 tin chưa có kết quả cuối") < page.index("974.634")
    assert VIETNAMESE.word("complete") not in page


@pytest.mark.in_turn(every=3)
def test_complete_report_is_marked_as_complete(month):
    assert "All windows are loaded and all messages are final." in Page(month).text


def test_changes_have_an_arrow_and_a_better_or_worse_class(month):
    """Less delivered and more failed are worse; a cost that grew is neither better nor worse."""
    source = re.sub(r"[ \n]+", " ", month)

    assert (
        '<span class="change worse">▼\u00a0−2.1\u00a0points</span> <span class="before">Period before: 95.1' in source
    )
    assert '<span class="change worse">▲\u00a0+100.0%</span>' in source
    assert '<span class="change better">▲\u00a0+13.6%</span>' in source
    assert '<span class="change neither">▲\u00a0+9.9%</span>' in source


def test_negligible_change_is_shown_as_unchanged():
    """Neither better nor worse, whichever way its digits after the last point go."""
    figure = Figure("delivered_share", Kind.SHARE, 0.85, 0.85003, more_is_better=True)

    source = render_html(replace(empty_report(), headline=(figure,)), ENGLISH)

    assert '<span class="change neither">unchanged</span>' in source


def test_to_do_list_is_sorted_by_affected_messages(month):
    page = Page(month).text

    to_do = page[page.index("What to do now") : page.index("From plan to phone")]
    counts = [int(count.replace(",", "")) for count in re.findall(r"([\d,]+) messages", to_do)]
    assert counts == sorted(counts, reverse=True)
    assert "Clean these numbers" in to_do[:200]


@pytest.mark.in_turn
def test_report_without_losses_has_an_empty_to_do_list():
    report = with_rows(with_rows(sample_report(delivered=1.0), "losses"), "reasons")

    page = Page(render_html(report, ENGLISH)).text

    assert "Nothing: no message was lost." in page
    assert "Without entries: Where messages were lost, Reasons and what to do." in page


def test_period_without_messages_gives_a_short_page():
    page = Page(render_html(replace(empty_report(), notes=(Note("nothing"),)), ENGLISH))

    assert "The gateway lists no message in this period." in page.text
    assert "What to do" not in page.text
    assert page.rows == {}
    assert "svg" not in {tag for tag, _ in page.tags}


@pytest.mark.in_turn
@pytest.mark.parametrize(("days", "drawn"), [(1, False), (2, True), (31, True), (366, True)])
def test_day_chart_is_drawn_for_more_than_one_day(days, drawn):
    assert ("days" in draw_charts(sample_report(days=days), VIETNAMESE)) is drawn


def test_charts_are_accessible_and_use_page_colors(month):
    """Well-formed, with ids that are there once, and no colour that light, dark or paper could not change."""
    svgs = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", month, re.DOTALL)]

    assert len(svgs) == 8
    for svg in svgs:
        title, description = svg[0], svg[1]
        assert svg.get("role") == "img"
        assert svg.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert title.text
        assert description.text
        colors = {element.get(name) for element in svg.iter() for name in ("fill", "stroke")} - {None, "none"}
        assert all(re.fullmatch(r"var\(--[a-z]+\)|currentColor|transparent", color) for color in colors), colors
    ids = re.findall(r' id="([^"]+)"', month)
    assert len(ids) == len(set(ids))


@pytest.mark.in_turn
def test_long_list_is_truncated_with_a_note():
    row = ("0901234567", Term("type.2"), "OTP", Term("state.failed"), MIDNIGHT, None)
    page = Page(render_html(with_rows(sample_report(days=1), "recipients", *[row] * 1_001), ENGLISH))

    assert len(page.rows["recipients"]) == 1 + 1_000
    assert "Rows shown: 1,000 of 1,001." in page.text


def test_chart_rendering_failure_gives_one_line_error(monkeypatch):
    """Nothing of the report, and nothing of what vl-convert says, is in the error."""
    monkeypatch.setattr(charts, "_DRAWING", "raise SystemExit('ours')")

    with pytest.raises(EsmsError, match="vl-convert ended with 1") as caught:
        render_html(sample_report(days=1), ENGLISH)

    assert "\n" not in str(caught.value)
    assert caught.value.__context__ is None


def test_commands_are_rendered_as_code(month):
    assert "<code>esms pull --follow-up</code>" in month
