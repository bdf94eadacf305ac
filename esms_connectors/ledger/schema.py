"""
The ledger's tables, and its statements in the two dialects.

A chunk is passed as one JSON text and expanded to rows inside the database: one statement with one parameter, whatever
its size. SQLite has a fast path for the common case, see `sqlite_fast_path.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from sqlalchemy.sql.elements import TextClause

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.request_ids import MAX_KEY_LENGTH
from esms_connectors.ledger.journeys import add_journey_tables

SCHEMA_VERSION = 3

metadata = sa.MetaData()

_OPEN = sa.text("state NOT IN ('accepted', 'rejected')")

sends = sa.Table(
    "esms_sends",
    metadata,
    sa.Column("request_id", sa.String(50), primary_key=True, comment="idempotency key of the row"),
    sa.Column("run_key", sa.String(200), nullable=False),
    sa.Column(
        "row_key",
        sa.String(MAX_KEY_LENGTH),
        nullable=False,
        comment="the caller's key, else the phone; hashed if asked for",
    ),
    sa.Column("line", sa.BigInteger, comment="position of the row in its source"),
    sa.Column("phone", sa.String(64), nullable=False, comment="plain or keyed hash"),
    sa.Column("payload_hash", sa.String(40), nullable=False),
    sa.Column("chunk", sa.String(50), nullable=False, comment="rows that were sent in one call"),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False, comment="incremented when the row gets a new id"),
    sa.Column(
        "in_doubt",
        sa.Integer,
        nullable=False,
        comment="an earlier attempt may have been accepted: 1, outcome unknown; 2, each was refused with its whole "
        "call; 3, not found by a look-up, so it counts as not sent",
    ),
    sa.Column(
        "id_refused",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="1 when the gateway refused this very row under its present id, which may be used up",
    ),
    sa.Column("code", sa.String(20), comment="the gateway's"),
    sa.Column("message_id", sa.String(64)),
    sa.Column("duplicate", sa.Integer, nullable=False, comment="1 when the gateway answered 124"),
    sa.Column("reason", sa.String(300)),
    sa.Column("claimed_by", sa.String(50)),
    sa.Column("lease_until_ms", sa.BigInteger, nullable=False),
    sa.Column("first_attempt_ms", sa.BigInteger, nullable=False, comment="epoch milliseconds; of the attempt in doubt"),
    sa.Column("witness", sa.String(50), comment="a second clock, as long as first_attempt_ms is not confirmed"),
    sa.Column("witness_ms", sa.BigInteger, comment="what it showed"),
    sa.Column("updated_ms", sa.BigInteger, nullable=False),
    sa.Column("message_class", sa.String(20), comment="for caps; none: it counts for none"),
    sa.Column("arrives_ms", sa.BigInteger, comment="when it was to reach the phone, if message_class is there"),
    sa.Column("charged_vnd", sa.BigInteger, comment="against a budget"),
    sa.Column("charged_month", sa.String(7), comment="of Vietnam, such as 2026-11"),
    # Two small indices instead of one on the state: settling a row only changes the one of open rows, which stays tiny
    # even with millions of settled rows.
    sa.Index("esms_sends_run", "run_key"),
    sa.Index("esms_sends_open", "run_key", "state", sqlite_where=_OPEN, postgresql_where=_OPEN),
    # For look-ups of a person and for caps, which count the messages to a phone around a time.
    sa.Index("esms_sends_phone", "phone", "arrives_ms"),
)

runs = sa.Table(
    "esms_runs",
    metadata,
    sa.Column("run_key", sa.String(200), primary_key=True),
    sa.Column("about", sa.Text, nullable=False, comment="JSON: settings common to all rows"),
    sa.Column("began_ms", sa.BigInteger, nullable=False),
)

resends = sa.Table(
    "esms_resends",
    metadata,
    sa.Column("request_id", sa.String(50), primary_key=True),
    sa.Column("at_ms", sa.BigInteger, primary_key=True),
    sa.Column("was", sa.String(10), nullable=False, comment="the state that a person overruled"),
    sa.Column("reason", sa.Text, nullable=False),
)

gateway_facts = sa.Table(
    "esms_gateway_facts",
    metadata,
    sa.Column("account", sa.String(40), primary_key=True, comment="hash of account and gateway host"),
    sa.Column("endpoint", sa.String(60), primary_key=True),
    sa.Column("request_ids", sa.String(10), nullable=False, comment="honoured or ignored"),
    sa.Column("seen_ms", sa.BigInteger, nullable=False),
)

id_probes = sa.Table(
    "esms_id_probes",
    metadata,
    sa.Column("run_key", sa.String(200), primary_key=True),
    sa.Column("account", sa.String(40), primary_key=True),
    sa.Column("endpoint", sa.String(60), primary_key=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)

version = sa.Table(
    "esms_ledger_version",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
)


add_journey_tables(metadata)


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements, named after their use in `Ledger`."""

    begin_run: TextClause
    run_about: TextClause
    change_about: TextClause
    claim: TextClause
    hold: TextClause
    look: TextClause
    has_row: TextClause
    renew: TextClause
    are_claimed: TextClause
    has_doubt: TextClause
    date: TextClause
    live_claims: TextClause
    unsettled: TextClause
    settle: TextClause
    settle_found: TextClause
    record_resend: TextClause
    release: TextClause
    summary: TextClause
    span: TextClause
    count_sends: TextClause
    begun: TextClause
    rows: TextClause
    rows_of: TextClause
    unresolved: TextClause
    identified: TextClause
    found: TextClause
    found_of_phone: TextClause
    runs_with_prefix: TextClause
    runs: TextClause
    gateway_fact: TextClause
    learn_fact: TextClause
    begin_probe: TextClause
    abandon_probe: TextClause


# Whether the gateway certainly rejects a repeat of a row. A first attempt after :window_end was dated by a wrong clock;
# the same is assumed of an unconfirmed time whose second clock cannot be read here. Before the gateway's time is known
# (:window_start = 0) no row is too old.
_IN_WINDOW = """(:window_start = 0 OR ({row}.first_attempt_ms >= :window_start
    AND {row}.first_attempt_ms <= :window_end AND ({row}.witness IS NULL OR ({row}.witness = CAST(:this_witness AS text)
        AND {witness_ms} - {row}.witness_ms BETWEEN 0 AND :since_start))))"""


def _in_window(witness_ms: str) -> dict[str, str]:
    return {
        "in_window": _IN_WINDOW.format(row="esms_sends", witness_ms=witness_ms),
        "old_in_window": _IN_WINDOW.format(row="old", witness_ms=witness_ms),
    }


_CONSUMED = "given.duplicate = 1 AND esms_sends.code IS NOT NULL AND esms_sends.code NOT IN ('100', '124', '199')"

_DATABASE_MS = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"

# How one JSON parameter is expanded to rows.
_ROWS_SQLITE = {
    "claim": """(SELECT value ->> 'request_id' AS request_id, value ->> 'row_key' AS row_key,
        value ->> 'phone' AS phone, value ->> 'payload_hash' AS payload_hash,
        value ->> 'line' AS line FROM json_each(:rows)) AS given""",
    "settle": """(SELECT value ->> 'request_id' AS request_id, value ->> 'state' AS state, value ->> 'code' AS code,
        value ->> 'message_id' AS message_id, value ->> 'duplicate' AS duplicate, value ->> 'reason' AS reason,
        value ->> 'id_refused' AS id_refused, value ->> 'refused_whole' AS refused_whole
        FROM json_each(:rows)) AS given""",
    "ids": "(SELECT value ->> 'request_id' FROM json_each(:rows))",
    "texts": "(SELECT value FROM json_each(:texts))",
    "in_order": "",
    "consumed": _CONSUMED,
    "witness_ms": ":witness_ms",
    **_in_window(":witness_ms"),
    "own_in_order": "",
}
_ROWS_POSTGRES = {
    "claim": """jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(
        request_id text, row_key text, phone text, payload_hash text, line bigint)""",
    "settle": """jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(
        request_id text, state text, code text, message_id text, duplicate integer, reason text,
        id_refused integer, refused_whole integer)""",
    "ids": "(SELECT request_id FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(request_id text))",
    "texts": "(SELECT jsonb_array_elements_text(CAST(:texts AS jsonb)))",
    "consumed": _CONSUMED,
    "witness_ms": _DATABASE_MS,
    **_in_window(_DATABASE_MS),
    # Several rows are always locked in the order of their ids, as in the claim, to avoid deadlocks such as between the
    # heartbeat and a settlement of the same worker.
    "in_order": """AND esms_sends.request_id IN (
        SELECT locked.request_id FROM esms_sends AS locked WHERE locked.request_id IN (
            SELECT request_id FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(request_id text))
        ORDER BY locked.request_id FOR UPDATE)""",
    "own_in_order": """AND request_id IN (
        SELECT request_id FROM esms_sends WHERE run_key = :run_key AND state = 'claimed' AND claimed_by = :worker
        ORDER BY request_id FOR UPDATE)""",
}

# The columns that a claim writes for a new row, in this order: of the row, of the call, constants.
CLAIMED_COLUMNS = """request_id, row_key, phone, payload_hash, line, run_key, chunk, claimed_by, lease_until_ms,
    first_attempt_ms, witness, witness_ms, updated_ms, message_class, arrives_ms, state, generation, in_doubt,
    id_refused, duplicate"""
NEWLY_CLAIMED = "'claimed', 0, 0, 0, 0"

# Claimed are new rows, rows that were certainly not sent, and with :repeat also rows in doubt whose repeat the gateway
# certainly still rejects, unless a live worker has them. Only a row that was itself refused gets a new request id,
# because the refusal may have used up the old one. The phone must be the same; that of an erased person is unknown.
# Ordered, so that two workers with the same chunk wait for each other instead of deadlocking.
_CLAIM = """
INSERT INTO esms_sends AS old ({claimed_columns})
SELECT request_id, row_key, phone, payload_hash, line, :run_key, :chunk, :worker, :lease_until,
    :first_attempt, CAST(:witness AS text), CASE WHEN CAST(:witness AS text) IS NULL THEN NULL ELSE {witness_ms} END,
    :now, CAST(:message_class AS text), CAST(:arrives AS bigint), {newly_claimed}
FROM {claim} WHERE true ORDER BY request_id
ON CONFLICT (request_id) DO UPDATE SET
    state = 'claimed', claimed_by = excluded.claimed_by, lease_until_ms = excluded.lease_until_ms,
    chunk = excluded.chunk, payload_hash = excluded.payload_hash, line = excluded.line,
    phone = excluded.phone, updated_ms = excluded.updated_ms,
    message_class = coalesce(excluded.message_class, old.message_class),
    arrives_ms = coalesce(excluded.arrives_ms, old.arrives_ms),
    in_doubt = CASE old.state WHEN 'not_sent' THEN 0 WHEN 'unknown' THEN CASE old.in_doubt WHEN 2 THEN 2 ELSE 1 END
        ELSE 1 END,
    first_attempt_ms = CASE old.state WHEN 'not_sent' THEN excluded.first_attempt_ms ELSE old.first_attempt_ms END,
    witness = CASE old.state WHEN 'not_sent' THEN excluded.witness ELSE old.witness END,
    witness_ms = CASE old.state WHEN 'not_sent' THEN excluded.witness_ms ELSE old.witness_ms END,
    generation = old.generation + CASE old.state WHEN 'not_sent' THEN old.id_refused ELSE 0 END,
    code = CASE WHEN old.state = 'not_sent' AND old.id_refused = 1 THEN NULL ELSE old.code END,
    id_refused = CASE old.state WHEN 'not_sent' THEN 0 ELSE old.id_refused END
WHERE old.payload_hash IN (excluded.payload_hash, '') AND old.phone IN (excluded.phone, 'erased') AND (
    old.state = 'not_sent'
    OR (:repeat = 1 AND {old_in_window} AND (:any_chunk = 1 OR old.chunk = excluded.chunk) AND (
        old.state = 'unknown' OR (old.state = 'claimed' AND old.lease_until_ms < :now))))
RETURNING request_id, generation, in_doubt, charged_vnd
"""

# Rows that have been in doubt for too long become held; unrepeatable rows of a dead worker become unknown. Rows that
# were only refused with their whole call are not held: a run looks them up and continues with them by itself.
_HOLD = """
UPDATE esms_sends SET in_doubt = 1, state = CASE WHEN {in_window} THEN 'unknown' ELSE 'held' END
WHERE request_id IN {ids} {in_order} AND (
    (state = 'unknown' AND in_doubt <> 2 AND NOT {in_window})
    OR (state = 'claimed' AND lease_until_ms < :now AND (:repeat = 0 OR NOT {in_window})))
"""

_LOOK = "SELECT request_id, state, in_doubt, code, payload_hash, phone FROM esms_sends WHERE request_id IN {ids}"

# A row in doubt that is not accepted becomes unknown again, whatever the answer to the repeat. Acceptance is proof,
# from any worker; but a 124 after a refusal with the same id is not, because the refusal may have used up the id.
_SETTLE = """
UPDATE esms_sends SET
    state = CASE WHEN (given.state <> 'accepted' AND esms_sends.in_doubt <> 0) OR ({consumed}) THEN 'unknown'
        ELSE given.state END,
    in_doubt = CASE WHEN given.refused_whole = 1 AND esms_sends.in_doubt <> 1 THEN 2
        WHEN given.state = 'unknown' OR ({consumed}) THEN 1 ELSE esms_sends.in_doubt END,
    code = CASE WHEN given.code IS NULL OR (given.code IN ('124', '199') AND esms_sends.code IS NOT NULL)
        THEN esms_sends.code ELSE given.code END,
    message_id = coalesce(given.message_id, esms_sends.message_id),
    duplicate = CASE WHEN {consumed} THEN 0 ELSE given.duplicate END,
    id_refused = CASE WHEN given.id_refused = 1 THEN 1 ELSE esms_sends.id_refused END,
    reason = CASE WHEN given.state = 'not_sent' AND given.reason = '' THEN esms_sends.reason ELSE given.reason END,
    claimed_by = NULL, lease_until_ms = 0, updated_ms = :now
FROM {settle}
WHERE esms_sends.request_id = given.request_id {in_order} AND (
    (esms_sends.claimed_by = :worker AND esms_sends.state = 'claimed')
    OR (given.state = 'accepted' AND esms_sends.state <> 'accepted' AND NOT ({consumed})))
RETURNING esms_sends.request_id, esms_sends.state
"""

# "Not sent" is only concluded about rows that have not changed since the lookup began.
_SETTLE_FOUND = """
UPDATE esms_sends SET
    state = given.state, code = coalesce(given.code, esms_sends.code),
    message_id = coalesce(given.message_id, esms_sends.message_id), reason = given.reason,
    in_doubt = CASE given.state WHEN 'not_sent' THEN 3 ELSE 0 END,
    claimed_by = NULL, lease_until_ms = 0, updated_ms = :now
FROM {settle}
WHERE esms_sends.request_id = given.request_id {in_order}
    AND (given.state <> 'not_sent' OR esms_sends.updated_ms < :untouched_since) AND (
    esms_sends.state IN ('unknown', 'held') OR (esms_sends.state = 'claimed' AND esms_sends.lease_until_ms < :now)
    OR (esms_sends.state = 'not_sent' AND esms_sends.in_doubt = 3 AND given.state = 'accepted')
    OR (esms_sends.state = 'accepted' AND esms_sends.message_id IS NULL AND given.message_id IS NOT NULL))
RETURNING esms_sends.request_id, esms_sends.state
"""


@cache
def statements_for(dialect: str) -> Statements:
    """
    Args:
        dialect: its name in SQLAlchemy.

    Raises:
        ConfigurationError: neither SQLite nor PostgreSQL.
    """
    match dialect:
        case "sqlite":
            rows = _ROWS_SQLITE
        case "postgresql":
            rows = _ROWS_POSTGRES
        case other:
            raise ConfigurationError(f"The ledger is kept in SQLite or PostgreSQL, not in {other}.")

    def text(template: str) -> TextClause:
        return sa.text(template.format(**rows, claimed_columns=CLAIMED_COLUMNS, newly_claimed=NEWLY_CLAIMED))

    return Statements(
        begin_run=text(
            "INSERT INTO esms_runs (run_key, about, began_ms) VALUES (:run_key, :about, :now) ON CONFLICT DO NOTHING"
        ),
        run_about=text("SELECT about FROM esms_runs WHERE run_key = :run_key"),
        change_about=text("UPDATE esms_runs SET about = :about WHERE run_key = :run_key AND about = :known"),
        claim=text(_CLAIM),
        hold=text(_HOLD),
        look=text(_LOOK),
        has_row=text("SELECT 1 FROM esms_sends WHERE request_id = :request_id"),
        renew=text(
            "UPDATE esms_sends SET lease_until_ms = :lease_until "
            "WHERE run_key = :run_key AND state NOT IN ('accepted', 'rejected') AND state = 'claimed' "
            "AND claimed_by = :worker {own_in_order}"
        ),
        are_claimed=text(
            "SELECT count(*) FROM esms_sends WHERE request_id IN {texts} AND state = 'claimed' AND claimed_by = :worker"
        ),
        has_doubt=text(
            "SELECT 1 FROM esms_sends WHERE run_key = :run_key AND state NOT IN ('accepted', 'rejected') "
            "AND (state = 'unknown' OR (state = 'claimed' AND lease_until_ms < :now)) LIMIT 1"
        ),
        date=text(
            "UPDATE esms_sends SET first_attempt_ms = :first_attempt, witness = NULL, witness_ms = NULL "
            "WHERE request_id IN {ids} {in_order} AND state = 'claimed' AND claimed_by = :worker"
        ),
        live_claims=text(
            "SELECT 1 FROM esms_sends WHERE run_key = :run_key AND state NOT IN ('accepted', 'rejected') "
            "AND state = 'claimed' AND updated_ms <= :until AND lease_until_ms >= :now LIMIT 1"
        ),
        unsettled=text(
            "SELECT request_id FROM esms_sends WHERE request_id IN {ids} AND state NOT IN ('accepted', 'rejected')"
            " UNION ALL SELECT request_id FROM {claim} WHERE NOT EXISTS ("
            "SELECT 1 FROM esms_sends WHERE esms_sends.request_id = given.request_id)"
        ),
        settle=text(_SETTLE),
        settle_found=text(_SETTLE_FOUND),
        record_resend=text(
            "INSERT INTO esms_resends (request_id, at_ms, was, reason) "
            "SELECT request_id, :now, state, :reason FROM esms_sends WHERE request_id IN {ids} AND run_key = :run_key "
            "AND NOT (state = 'claimed' AND lease_until_ms >= :now)"
        ),
        release=text(
            "UPDATE esms_sends SET state = 'not_sent', code = NULL, message_id = NULL, duplicate = 0, in_doubt = 0, "
            "id_refused = 0, generation = generation + 1, reason = :reason, updated_ms = :now, "
            # The cost of the old message stays charged; the new message is charged again.
            "charged_vnd = NULL, charged_month = NULL "
            "WHERE request_id IN {ids} AND run_key = :run_key AND NOT (state = 'claimed' AND lease_until_ms >= :now)"
        ),
        summary=text(
            "SELECT state, code, duplicate, count(*), "
            "sum(CASE WHEN state = 'claimed' AND lease_until_ms >= :now THEN 1 ELSE 0 END) "
            "FROM esms_sends WHERE run_key = :run_key GROUP BY state, code, duplicate"
        ),
        span=text(
            "SELECT min(first_attempt_ms), max(updated_ms) FROM esms_sends WHERE run_key = :run_key "
            "AND state IN ('accepted', 'unknown', 'held', 'claimed')"
        ),
        begun=text("SELECT 1 FROM esms_sends WHERE run_key = :run_key AND state <> 'not_sent' LIMIT 1"),
        count_sends=text(
            "SELECT about, state, code, count(request_id) FROM esms_runs "
            "LEFT JOIN esms_sends ON esms_sends.run_key = esms_runs.run_key "
            "WHERE began_ms >= :start AND began_ms < :end GROUP BY esms_runs.run_key, about, state, code"
        ),
        rows=text(
            "SELECT request_id, row_key, line, phone, chunk, state, code, message_id, duplicate, reason, generation, "
            "first_attempt_ms, updated_ms, lease_until_ms FROM esms_sends "
            "WHERE run_key = :run_key AND state IN {texts} ORDER BY line, request_id"
        ),
        rows_of=text(
            "SELECT state, code, message_id, duplicate, reason FROM esms_sends "
            "WHERE request_id IN {texts} ORDER BY line"
        ),
        unresolved=text(
            "SELECT request_id, phone, state, in_doubt, message_id, first_attempt_ms, updated_ms FROM esms_sends "
            "WHERE run_key = :run_key AND (state IN ('unknown', 'held') "
            "OR (state = 'claimed' AND lease_until_ms < :now) OR (state = 'not_sent' AND in_doubt = 3) "
            "OR (state = 'accepted' AND message_id IS NULL)) ORDER BY line, request_id"
        ),
        identified=text(
            "SELECT phone, state, message_id, first_attempt_ms FROM esms_sends "
            "WHERE run_key = :run_key AND message_id IS NOT NULL AND phone IN {texts}"
        ),
        found=text(
            "SELECT run_key, request_id, phone, state, code, message_id, reason, first_attempt_ms FROM esms_sends "
            "WHERE message_id = :message_id OR request_id = :message_id "
            "ORDER BY first_attempt_ms DESC, request_id LIMIT :limit"
        ),
        found_of_phone=text(
            "SELECT run_key, request_id, phone, state, code, message_id, reason, first_attempt_ms FROM esms_sends "
            "WHERE phone = :phone ORDER BY first_attempt_ms DESC, request_id LIMIT :limit"
        ),
        runs_with_prefix=text(
            "SELECT run_key, about FROM esms_runs WHERE substr(run_key, 1, :length) = :prefix AND EXISTS "
            "(SELECT 1 FROM esms_sends WHERE esms_sends.run_key = esms_runs.run_key "
            "AND state NOT IN ('not_sent', 'rejected'))"
        ),
        runs=text("SELECT run_key, began_ms FROM esms_runs ORDER BY began_ms DESC, run_key"),
        gateway_fact=text(
            "SELECT request_ids, seen_ms FROM esms_gateway_facts WHERE account = :account AND endpoint = :endpoint"
        ),
        learn_fact=text(
            "INSERT INTO esms_gateway_facts AS old (account, endpoint, request_ids, seen_ms) "
            "VALUES (:account, :endpoint, :request_ids, :seen) ON CONFLICT (account, endpoint) DO UPDATE SET "
            "request_ids = excluded.request_ids, seen_ms = excluded.seen_ms WHERE old.seen_ms <= excluded.seen_ms"
        ),
        begin_probe=text(
            "INSERT INTO esms_id_probes (run_key, account, endpoint, at_ms) "
            "VALUES (:run_key, :account, :endpoint, :now) ON CONFLICT DO NOTHING"
        ),
        abandon_probe=text(
            "DELETE FROM esms_id_probes WHERE run_key = :run_key AND account = :account AND endpoint = :endpoint"
        ),
    )
