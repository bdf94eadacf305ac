"""The connection form in a real browser: Debian's Chromium, led by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from playwright.sync_api import Locator

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
]


def chromium() -> str | None:
    """Where it is; Playwright's own download is not used."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def missing() -> str:
    """Why no browser can be led on this machine; empty where one can."""
    if chromium() is None:
        return "there is no Chromium on this machine (apt install chromium)"
    return "" if find_spec("playwright") else "Playwright is not installed (pip install playwright)"


class Form:
    """Connections in Airflow's UI, as a person uses it. Everything the pages ever showed is kept."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._shown: list[str] = []

    def __enter__(self) -> Self:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=chromium(), args=_FLAGS)
        self._page = self._browser.new_page(viewport={"width": 1200, "height": 1600})
        # A busy machine needs its time.
        self._page.set_default_timeout(30_000)
        self._page.goto(f"{self._url}/connections")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._browser.close()
        self._playwright.stop()

    @property
    def _dialog(self) -> Locator:
        return self._page.get_by_role("dialog")

    def _row(self, conn_id: str) -> Locator:
        return self._page.get_by_role("row").filter(has=self._page.get_by_role("cell", name=conn_id, exact=True))

    def add(self, conn_id: str, standard: Mapping[str, str]) -> None:
        """Open the form, choose our type, and fill fields by their labels."""
        self._page.get_by_role("button", name="Add Connection").click()
        self._dialog.locator("input[name=connection_id]").fill(conn_id)
        self._dialog.get_by_role("combobox").fill("eSMS")
        self._page.get_by_role("option", name="eSMS.vn").click()
        for label, value in standard.items():
            self._dialog.get_by_label(label, exact=True).fill(value)

    def extra(self, values: Mapping[str, str], switch: str | None = None) -> None:
        """Fill fields of ours by their names, and press a switch by its label."""
        self._dialog.get_by_role("button", name="Extra Fields", exact=True).click()
        for name, value in values.items():
            field = self._dialog.locator(f"input[name=element_{name}]")
            field.fill(value)
            # A number is taken over when its field is left.
            field.press("Tab")
        if switch is not None:
            self._dialog.get_by_text(switch, exact=True).click()

    def save(self, conn_id: str) -> None:
        self._dialog.get_by_role("button", name="Save").click()
        self._dialog.wait_for(state="hidden")
        self._row(conn_id).wait_for()
        self._look()

    def edit(self, conn_id: str, values: Mapping[str, str]) -> None:
        """Change fields of ours and leave the others, keys included, as they are."""
        self._row(conn_id).get_by_role("button", name="Edit Connection").click()
        self._dialog.get_by_role("button", name="Extra Fields", exact=True).wait_for()
        self._look()
        self.extra(values)
        self._look()
        self.save(conn_id)

    def test(self, conn_id: str) -> str:
        """Press "Test Connection"; gives what the server says."""
        with self._page.expect_response("**/connections/test") as answered:
            self._row(conn_id).get_by_role("button", name="Test Connection").click()
        self._look()
        return str(answered.value.json()["message"])

    def seen(self) -> str:
        """All that was shown so far; what is typed into a field is no part of it."""
        self._look()
        return "\n".join(self._shown)

    def _look(self) -> None:
        self._shown.append(self._page.content())
