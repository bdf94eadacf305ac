"""
A Google Sheet by its link, through the export that Google offers to anyone who has the link.

The whole workbook is exported as .xlsx; for a link to one tab (`#gid=…`), that tab is exported as CSV, as it is shown.
For a sheet that is not shared, Google returns a sign-in page, which is reported in one line; there is no sign-in here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from esms_connectors.databases.scratch import scratch_folder
from esms_connectors.recipients.delimited import source_error

NAME = "the Google Sheet"
_HOST = "https://docs.google.com"
_LINK = re.compile(
    r"https?://docs\.google\.com/spreadsheets/(?:u/\d+/)?d/(?P<id>[A-Za-z0-9_-]{10,100})(?:[/?#]|$)", re.I
)
_TAB = re.compile(r"[#&?]gid=(\d{1,20})")
_SECONDS = (10, 60)
_MOST_BYTES = 500_000_000


def is_google_sheet(address: str) -> bool:
    """Whether it is a link to a sheet, as shown by the browser or as shared."""
    return _LINK.match(address) is not None


@contextmanager
def downloaded(link: str, sheet: str | None) -> Iterator[Path]:
    """
    The sheet as a file, for the duration of the block.

    Args:
        sheet: a tab by its name; None takes the tab of the link, or all tabs.

    Raises:
        InvalidRequestError: it is not shared, does not exist, or cannot be fetched.
    """
    sheet_id: str = _LINK.findall(link)[0]
    tab = _TAB.search(link)
    kind = "csv" if tab is not None and sheet is None else "xlsx"
    address = f"{_HOST}/spreadsheets/d/{sheet_id}/export?format={kind}"
    if kind == "csv" and tab is not None:
        address += f"&gid={tab[1]}"
    with scratch_folder() as folder:
        path = folder / f"sheet.{kind}"
        _fetch(address, path)
        yield path


def _fetch(address: str, path: Path) -> None:
    import requests

    problem = ""
    try:
        with requests.get(address, timeout=_SECONDS, stream=True) as answer:
            problem = _problem_of(answer.status_code, answer.url, answer.headers.get("Content-Type", ""))
            if not problem:
                size = 0
                with path.open("wb") as file:
                    for piece in answer.iter_content(1 << 16):
                        size += len(piece)
                        if size > _MOST_BYTES:
                            problem = f"is larger than {_MOST_BYTES // 1_000_000} MB: export it, and give the file"
                            break
                        file.write(piece)
    except requests.RequestException as error:
        problem = f"cannot be fetched ({type(error).__name__}): try again, or export it as .xlsx and give the file"
    except OSError as error:
        problem = f"cannot be stored temporarily: {error.strerror}"
    if problem:
        raise source_error(NAME, problem)


def _problem_of(status: int, url: str, content_type: str) -> str:
    signs_in = (urlsplit(url).hostname or "").startswith("accounts.") or "ServiceLogin" in url
    if status in (401, 403) or signs_in or (status == 200 and "html" in content_type):
        return (
            "is not shared: Google asks to sign in. In Google Sheets choose Share, Anyone with the link, Viewer; or "
            "export it as .xlsx and give the file"
        )
    if status in (400, 404, 410):
        return "does not exist: check its link and the gid of the tab"
    return "" if status == 200 else f"cannot be fetched (HTTP {status}): try again later"
