"""The page in a real browser: Chromium as the machine has it, on a phone, at a desk, in the dark and on paper."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from report_samples import INCOMPLETE, empty_report, sample_report

from esms_connectors.reports import Report
from esms_connectors.reports.html import render_html
from esms_connectors.reports.language import get_language

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: apt-get install chromium)"),
    pytest.mark.in_turn(on=4),
]

PHONE, DESK = 360, 1280
# The part of an A4 sheet between the margins of `@page`, in CSS pixels.
PAPER = 703

ODD_NAMES = (
    "<script>document.title = 'run'</script>",
    '"><img src=x onerror="document.title = \'run\'">',
    "Chiến dịch tri ân khách hàng thân thiết khu vực miền Trung và Tây Nguyên quý IV năm 2026 " * 3,
    "x" * 250,
    "حملة رمضان",
    "🎉 Tết",
)
REPORTS: dict[str, Callable[[], Report]] = {
    "month": lambda: sample_report(notes=INCOMPLETE),
    "day": lambda: sample_report(days=1),
    "odd names": lambda: sample_report(days=2, campaigns=ODD_NAMES),
    "60 campaigns": lambda: sample_report(days=7, campaigns=tuple(f"camp-{number}" for number in range(60))),
    "none delivered": lambda: sample_report(days=3, delivered=0.0),
    "billions": lambda: sample_report(days=2, a_day=4_000_000, price=Decimal("1000.5")),
    "empty": empty_report,
}

# Elements that are seen, by a selector.
SHOWN = "(selector => [...document.querySelectorAll(selector)].filter(one => one.checkVisibility()))"

# Contrast as WCAG 2 has it, of every text that is shown, against what is behind it.
WORST_CONTRAST = """
() => {
  const rgb = color => color.match(/[\\d.]+/g).map(Number);
  const light = color => {
    const [r, g, b] = rgb(color).map(part => part / 255)
      .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((rgb(color)[3] ?? 1) > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].filter(node => node.nodeType === 3);
    const text = own.map(node => node.textContent.trim()).join("");
    if (!text || !element.getClientRects().length || element.closest("title, desc")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(element.tagName === "text" ? style.fill : style.color), light(behind(element))];
    found.push({text, ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)});
  }
  return found.sort((one, other) => one.ratio - other.ratio)[0];
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Each report is drawn once a language."""
    folder = tmp_path_factory.mktemp("pages")

    def made(name: str, language: str = "vi") -> Path:
        path = folder / f"{name}-{language}.html"
        if not path.exists():
            path.write_text(render_html(REPORTS[name](), get_language(language)), encoding="utf-8")
        return path

    return made


@pytest.fixture
def show(browser: Browser, pages: Callable[..., Path]) -> Iterator[Callable[..., Page]]:
    """Opens a report; at the end nothing was asked of any network, and the browser had nothing to complain about."""
    complaints: list[str] = []
    requests: list[str] = []
    contexts = []

    def show(name: str, width: int = DESK, *, language: str = "vi", **context: Any) -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, **context))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(pages(name, language).as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.split(":")[0] for url in requests} <= {"file", "data"}
    assert len([url for url in requests if url.startswith("file")]) == len(contexts)


def too_wide(page: Page) -> str | None:
    """What reaches over the right edge of the page, None where nothing does."""
    return page.evaluate("""
        () => {
          if (document.documentElement.scrollWidth <= document.documentElement.clientWidth) return null;
          const edge = document.documentElement.clientWidth;
          const over = [...document.querySelectorAll("*")].filter(one => one.getBoundingClientRect().right > edge + 1);
          return over.map(one => one.outerHTML.slice(0, 200)).join("\\n") || "unknown";
        }
    """)


@pytest.mark.parametrize("name", REPORTS)
def test_page_fits_the_screen_width_without_horizontal_scrolling(show, name):
    """Nothing is scrolled sideways but wide tables, each in its own frame; names from outside do nothing."""
    page = show(name, PHONE)

    assert too_wide(page) is None
    page.set_viewport_size({"width": DESK, "height": 800})
    assert too_wide(page) is None
    assert page.title().startswith("Báo cáo tin nhắn")


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_text_contrast_meets_wcag_aa_in_light_and_dark(show, width):
    """WCAG 2, level AA: 4.5 to 1."""
    page = show("month", width)

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        worst = page.evaluate(WORST_CONTRAST)
        assert worst["ratio"] >= 4.5, (scheme, worst)


def test_background_follows_the_color_scheme(show):
    behind = "getComputedStyle(document.body).backgroundColor"

    assert show("day", color_scheme="dark").evaluate(behind) == "rgb(18, 22, 28)"
    assert show("day", color_scheme="light").evaluate(behind) == "rgb(244, 245, 247)"


@pytest.mark.parametrize(("width", "drawn"), [(PHONE, "narrow"), (DESK, "wide")])
def test_each_chart_is_shown_once_with_legible_text(show, width, drawn):
    """Letters in a chart are never smaller than 10 pixels on the screen."""
    page = show("month", width)

    shown = page.evaluate(f"{SHOWN}('svg').map(one => one.parentElement.className)")
    letters = f"{SHOWN}('svg text').map(one => parseFloat(one.getAttribute('font-size')) * one.getScreenCTM().d)"
    assert shown == [drawn] * 4
    assert min(page.evaluate(letters)) >= 10


def test_bar_lengths_match_the_numbers(show):
    report = REPORTS["month"]()

    lengths = show("month").evaluate(
        f"{SHOWN}(`#chart-funnel path[fill='var(--delivered)']`).map(one => one.getBBox().width)"
    )

    counts = report.tables["funnel"].values("messages")
    assert lengths == pytest.approx([500 * count / counts[0] for count in counts], rel=1e-3)


@pytest.mark.parametrize("state", ["delivered", "open", "failed", "rejected"])
def test_daily_column_heights_match_the_numbers(show, state):
    report = REPORTS["month"]()

    heights = show("month").evaluate(
        f"{SHOWN}(`#chart-days path[fill='var(--{state})']`).map(one => one.getBBox().height)"
    )

    counts = report.tables["days"].values(state)
    assert len(heights) == len(counts) == 31
    assert heights == pytest.approx([heights[0] * count / counts[0] for count in counts], rel=0.02)


def test_states_are_distinguishable_by_lightness(show):
    """Neighbours in a column differ in lightness, in light and in dark."""
    for scheme in ("light", "dark"):
        contrast = show("month", color_scheme=scheme).evaluate("""
            () => {
              const light = name => {
                const hex = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
                const [r, g, b] = hex.match(/[\\da-f]{2}/g).map(part => parseInt(part, 16) / 255)
                  .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
              };
              const ratio = (one, other) => Math.max(light(one) / light(other), light(other) / light(one));
              return [ratio("delivered", "open"), ratio("open", "failed"), ratio("failed", "rejected")];
            }
        """)
        assert min(contrast) >= 1.8, (scheme, contrast)


@pytest.mark.parametrize("name", ["month", "odd names", "billions"])
def test_printed_page_fits_the_paper_and_is_light(show, name):
    """A4, whatever the screen is like, and wide tables in full."""
    page = show(name, PAPER, color_scheme="dark")
    page.emulate_media(media="print")

    cut = page.evaluate(f"{SHOWN}('.scroll').filter(one => one.scrollWidth > one.clientWidth + 1).length")
    assert too_wide(page) is None
    assert cut == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(WORST_CONTRAST)["ratio"] >= 4.5
    sheets = len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
    assert 2 <= sheets <= 5
