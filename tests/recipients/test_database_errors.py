"""What a database says when a query fails, without the rows that it quotes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from postgres_server import PostgresServer

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.redaction import database_words
from esms_connectors.recipients import Columns, SqlQuery, read_recipients

NAME = Columns(params=("name",))
PEOPLE = 'Nguyen "Tý" Van', "Huong0901888484", "0901888484"


def failure(url: str, query: str) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        list(read_recipients(SqlQuery(url, query), NAME))
    said = str(caught.value)
    assert "\n" not in said
    assert caught.value.__cause__ is None
    for word in ("Nguyen", "Tý", "Huong", "0901888484", "1888484"):
        assert word not in said
    return said


def test_sqlite_decoding_error_does_not_quote_the_row(tmp_path: Path) -> None:
    """It quotes the cell."""
    with sqlite3.connect(tmp_path / "legacy.sqlite") as made:
        made.execute("create table v(phone text, name text)")
        made.execute("insert into v values('0901888484', cast(x'4e677579ea6e20303930303030303030312056616e' as text))")
    made.close()
    said = failure(f"sqlite:///{tmp_path / 'legacy.sqlite'}", "select * from v")
    assert "'name' that is not UTF-8" in said


@pytest.mark.parametrize(
    "query",
    [
        "drop table v",
        " -- tidy up\n/* first */ (DELETE from v)",
        "create table w as select * from v",
        "attach 'other.sqlite' as other",
        "with old as (select 1) delete from v",
        "replace into v values ('0901888484', 'x') returning *",
    ],
)
def test_statement_that_changes_data_is_rejected_before_it_runs(tmp_path: Path, query: str) -> None:
    """SQLite and others commit a DROP by themselves."""
    file = tmp_path / "shop.sqlite"
    with sqlite3.connect(file) as made:
        made.execute("create table v(phone text, name text)")
        made.execute("insert into v values('0901888484', 'Lan')")
    made.close()
    before = file.read_bytes()
    said = failure(f"sqlite:///{file}", query)
    assert "a single SELECT is needed" in said or "readonly" in said
    assert file.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["shop.sqlite"]
    [found] = read_recipients(SqlQuery(f"sqlite:///{file}", "with a as (select * from v) select * from a"), NAME)
    assert found.template_params == ("Lan",)


def test_missing_sqlite_database_is_not_created(tmp_path: Path) -> None:
    """SQLite would make an empty file of a slip in the path."""
    assert "shop.sqlite does not exist" in failure(f"sqlite:///{tmp_path / 'shop.sqlite'}", "select * from v")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "begin", ["", "select '0901888400' as phone, '1' as name from generate_series(1, 3000) union all "]
)
def test_postgresql_conversion_error_does_not_quote_the_row(postgres: PostgresServer, begin: str) -> None:
    """On the first row, or after thousands were read."""
    for person in PEOPLE:
        query = f"{begin}select '0901888401', (name || 'x')::int::text as name from (values ($${person}$$)) v(name)"
        said = failure(postgres.uri, query.replace("select '0901888401',", "select '0901888401' as phone,"))
        assert "SQLSTATE 22P02" in said


def test_error_raised_by_a_postgresql_function_does_not_quote_the_row(postgres: PostgresServer) -> None:
    """Only the state is told."""
    schema = postgres.new_schema()
    postgres.execute(
        f"create function {schema}.fail(who text) returns text language plpgsql as "
        "$$ begin raise exception 'bad customer %', who; end $$"
    )
    said = failure(postgres.uri, f"select '0901888401' as phone, {schema}.fail('Nguyen 0901888484') as name")
    assert "SQLSTATE P0001" in said


def test_unknown_tables_and_columns_are_named_in_the_error(postgres: PostgresServer) -> None:
    """Whoever wrote the query mends it by them."""
    assert 'relation "no_such_table" does not exist' in failure(postgres.uri, "select phone, name from no_such_table")
    assert 'column "nam" does not exist' in failure(postgres.uri, "select '1' as phone, nam as name")
    assert "syntax error" in failure(postgres.uri, "selct 1")


class OperationalError(Exception):
    """As drivers without states name it."""


class DataError(Exception):
    pass


class ProgrammingError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DataError("Incorrect integer value: Nguyen"), "DataError"),
        (ProgrammingError("Conversion failed when converting the varchar value 'Nguyen's' to int."), "value … to int."),
        (
            OperationalError("connection to server at 'db', port 1 failed: no user 'crm'"),
            "at …, port 1 failed: no user …",
        ),
        (OperationalError(""), "OperationalError"),
        (ValueError("a\nb 'Nguyen'"), "a"),
    ],
)
def test_driver_errors_without_sqlstate_are_redacted(error: Exception, words: str) -> None:
    """Quoted words may be values, hosts or parts of a password."""
    said = database_words(error)
    assert said.endswith(words)
    assert "Nguyen" not in said


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://crm:p@ss:w0rd@127.0.0.1:1/crm",
        "postgresql://crm:p@ss:w0rd/x@127.0.0.1:1/crm",
        "postgresql://crm:s3cretword@127.0.0.1:port/crm",
        "postgresql://crm:s3cretword@[::1/crm",
        "://crm:s3cretword@host/db",
    ],
)
def test_database_url_with_unescaped_password_gives_error_without_exposing_it(url: str) -> None:
    """One line that says how it is written, and no part of it."""
    with pytest.raises((InvalidRequestError, ConfigurationError)) as caught:
        list(read_recipients(SqlQuery(url, "select 1"), NAME))
    said = str(caught.value)
    assert not any(part in said for part in ("ss:", "w0rd", "s3cretword", "127.0.0.1"))
    assert "%XX" in said or "The query failed" in said
