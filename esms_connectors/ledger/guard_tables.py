"""
The guard's tables in the ledger's database, created together with the others: suppressed phones, sums of charges, stop
marks, overrides. The cap class and the charge of a row are stored with the row.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

suppressed = sa.Table(
    "esms_suppressed",
    metadata,
    sa.Column("phone", sa.String(64), primary_key=True, comment="as the ledger stores phones"),
    sa.Column("phones", sa.String(40), nullable=False, comment="which secret the phone was hashed with"),
    sa.Column("reason", sa.String(300), nullable=False),
    sa.Column("source", sa.String(100), nullable=False),
    sa.Column("added_ms", sa.BigInteger, nullable=False),
    sa.Column("expires_ms", sa.BigInteger, comment="none: forever"),
    # For a fast min and max, which show whether all phones are hashed with the same secret.
    sa.Index("esms_suppressed_phones", "phones"),
)

# Messages outside of runs that count for a cap, such as those of `esms send-sms --to`.
contacts = sa.Table(
    "esms_contacts",
    metadata,
    sa.Column("request_id", sa.String(50), primary_key=True),
    sa.Column("phone", sa.String(64), nullable=False, comment="as the ledger stores phones"),
    sa.Column("message_class", sa.String(20), nullable=False),
    sa.Column("arrives_ms", sa.BigInteger, nullable=False, comment="when it was to reach the phone"),
    sa.Index("esms_contacts_phone", "phone", "message_class", "arrives_ms"),
)

# Sums of the charges of rows, so that a call need not add up a whole month.
spent = sa.Table(
    "esms_spent",
    metadata,
    sa.Column("scope", sa.String(10), primary_key=True, comment="run or month"),
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("vnd", sa.BigInteger, nullable=False),
)

pace = sa.Table(
    "esms_pace",
    metadata,
    sa.Column("run_key", sa.String(200), primary_key=True),
    sa.Column("next_ms", sa.BigInteger, nullable=False, comment="when the next may leave, by the gateway's clock"),
)

canaries = sa.Table(
    "esms_canaries",
    metadata,
    sa.Column("run_key", sa.String(200), primary_key=True),
    sa.Column("passed_ms", sa.BigInteger, nullable=False, comment="when enough of its first messages had arrived"),
    sa.Column("sent", sa.BigInteger, nullable=False),
    sa.Column("delivered", sa.BigInteger, nullable=False),
)

stops = sa.Table(
    "esms_stops",
    metadata,
    sa.Column("scope", sa.String(10), primary_key=True, comment="run, account or all"),
    sa.Column("key", sa.String(200), primary_key=True, comment="run key, or hash of the account, or empty"),
    sa.Column("at_ms", sa.BigInteger, primary_key=True),
    sa.Column("reason", sa.String(300), nullable=False),
    sa.Column("who", sa.String(100), nullable=False),
    sa.Column("code", sa.String(20), comment="the gateway's, of an account that it refused"),
    sa.Column(
        "looked_ms", sa.BigInteger, nullable=False, comment="when it was last checked whether the stop may be lifted"
    ),
    sa.Column("lifted_ms", sa.BigInteger),
    sa.Column("lifted_by", sa.String(100)),
)

overrides = sa.Table(
    "esms_overrides",
    metadata,
    sa.Column("run_key", sa.String(200), primary_key=True),
    sa.Column("rule", sa.String(20), primary_key=True),
    sa.Column("at_ms", sa.BigInteger, primary_key=True),
    sa.Column("who", sa.String(100), nullable=False),
    sa.Column("reason", sa.String(300), nullable=False),
)
