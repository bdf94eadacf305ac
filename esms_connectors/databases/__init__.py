"""
Database code shared by ledger, warehouse and queries: `urls.py` checks addresses without showing passwords,
`postgresql.py` has the settings of connections and transactions, `scratch.py` creates temporary folders for rows,
`file_systems.py` opens folders and objects by an address of fsspec.
"""
