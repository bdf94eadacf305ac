"""
What ledger, warehouse and queries share about databases: `urls.py` reads addresses without showing passwords,
`postgresql.py` has what a connection and a transaction are told, `scratch.py` makes folders for rows on their way.
"""
