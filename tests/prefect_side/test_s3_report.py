"""The flows that people read, on an S3 server: `make test-s3`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import NOON, name_of, run_scheduled_for
from s3_server import serve_s3

from esms_connectors.emulator import Emulator
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.prefect import (
    EsmsCredentials,
    EsmsWarehouse,
    daily_sent_messages_export,
    month_statement,
    sent_messages_report,
)

pytestmark = [pytest.mark.s3, pytest.mark.filterwarnings("default")]  # the server's own warnings are not ours


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket, and the keys for it in the environment, as on a worker."""
    import s3fs

    with serve_s3() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        files: Any = s3fs.S3FileSystem(use_listings_cache=False)
        files.mkdir("bucket")
        yield files
        files.rm("bucket", recursive=True)


def test_reports_and_invoices_may_be_in_an_s3_bucket(
    store: Any, gateway: Emulator, credentials: EsmsCredentials, tmp_path: Path
) -> None:
    """Each file is there as a whole, and where it is is told; a bucket that is not there is one line."""
    today = NOON.start_of("day")
    gateway.populate(300, start=today.subtract(days=1), end=today, sms_type=2)
    warehouse = EsmsWarehouse(url=f"duckdb:///{tmp_path / 'rows.duckdb'}")
    warehouse.save(f"s3-{uuid.uuid4().hex[:8]}")
    block = {"warehouse": name_of(warehouse)}
    loaded = {"credentials": name_of(credentials), "sms_types": [2], "follow_up_days": 0}
    run_scheduled_for(NOON, daily_sent_messages_export, **loaded, **block)
    targets = [f"s3://bucket/reports/r.{suffix}" for suffix in ("html", "xlsx", "csv")]
    told = run_scheduled_for(NOON, sent_messages_report, targets=targets, **block)
    stored = {f"s3://{path}" for path in store.find("bucket/reports")}
    assert {*told["files"]} == stored
    assert {*targets[:2], "s3://bucket/reports/r.days.csv"} <= stored
    assert store.cat("bucket/reports/r.html").startswith(b"<!DOCTYPE html>")
    assert store.cat("bucket/reports/r.xlsx").startswith(b"PK")
    with pytest.raises(EsmsError, match=r"s3://nowhere/r\.html cannot be written") as error:
        run_scheduled_for(NOON, sent_messages_report, targets=["s3://nowhere/r.html"], **block)
    assert "\n" not in str(error.value)

    store.pipe("bucket/invoice.csv", b"sms_type,messages,amount_vnd\n2,1,1\n")
    given = {"month": "2024-05", "invoice": "s3://bucket/invoice.csv", "fail": False, **block}
    [line] = run_scheduled_for(NOON, month_statement, **given)["lines"]
    assert (line["invoiced_messages"], line["agrees"]) == (1, False)


def test_rows_are_loaded_once_into_an_s3_bucket(store: Any, gateway: Emulator, credentials: EsmsCredentials) -> None:
    """A block with the address of a folder there."""
    today = NOON.start_of("day")
    gateway.populate(300, start=today.subtract(days=1), end=today, sms_type=2)
    lake = EsmsWarehouse(url="s3://bucket/lake?format=parquet")
    lake.save(f"s3-{uuid.uuid4().hex[:8]}")
    names = {"credentials": name_of(credentials), "warehouse": name_of(lake)}
    told = [
        run_scheduled_for(NOON, daily_sent_messages_export, sms_types=[2], follow_up_days=0, **names) for _ in range(2)
    ]
    assert [one["inserted"] for one in told] == [300, 0]
    assert "bucket/lake/esms_sent_messages/day=2024-05-14/type=2/messages.parquet" in store.find("bucket/lake")
