"""The pages in Vietnamese show what the English ones show; those are run, so these need not be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documentation.code_blocks import PAGES, ROOT, TRANSLATED, blocks_of
from markdown_it import MarkdownIt

VIETNAMESE = [ROOT / "README.vi.md", *sorted(ROOT.glob("docs/vi/*.md"))]


def english_of(page: Path) -> Path:
    return ROOT / "README.md" if page.name == "README.vi.md" else ROOT / "docs" / page.name


def outline(page: Path) -> list[str]:
    """Headings by their level, and how many lines a table has."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    return [token.tag for token in tokens if token.type in ("heading_open", "tr_open")]


@pytest.mark.parametrize("page", VIETNAMESE, ids=lambda page: str(page.relative_to(ROOT)))
def test_vietnamese_page_has_the_blocks_and_outline_of_the_english_page(page: Path) -> None:
    """The same ones, in order, in the same sections."""
    english = english_of(page)
    shown, wanted = ([(one.language, one.text, one.output) for one in blocks_of(it)] for it in (page, english))
    assert shown == wanted
    assert outline(page) == outline(english)


@pytest.mark.parametrize("page", VIETNAMESE, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_paragraph_of_a_vietnamese_page_is_vietnamese(page: Path) -> None:
    """Each paragraph, but for those of the promise's kind that are one link."""
    text = re.sub(r"(?s)^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for paragraph in filter(None, (part.strip() for part in text.split("\n\n"))):
        assert re.search("[à-ỹăâđêôơư]", paragraph.casefold()) or paragraph.startswith("#"), paragraph


def test_vietnamese_pages_are_excluded_from_running() -> None:
    assert {page for page in VIETNAMESE if page.parent != ROOT} == set(ROOT.glob(f"{TRANSLATED}/*.md"))
    assert not set(VIETNAMESE) & set(PAGES)
