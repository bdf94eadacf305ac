"""The pictures of the documentation show what is printed today."""

from __future__ import annotations

from pathlib import Path

import pytest
from documentation.pictures import FOLDER, make

from esms_connectors.gateway import machine_clock


@pytest.mark.in_turn(every=3)
def test_pictures_are_up_to_date_and_show_no_phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make pictures` draws them anew. Nobody's number is in any, and nothing is fetched to show them."""
    monkeypatch.setattr(machine_clock, "source", machine_clock.source)
    drawn = make(tmp_path)
    assert {file.stem for file in FOLDER.glob("*.svg")} == set(drawn)
    for name, svg in drawn.items():
        assert (FOLDER / f"{name}.svg").read_text(encoding="utf-8") == svg, name
        assert "090100" not in svg
        assert "url(" not in svg.replace("url(#", "")
