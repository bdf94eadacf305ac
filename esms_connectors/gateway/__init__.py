"""
How the gateway of eSMS.vn is spoken to. Knows nothing of the rest of this package.

`client` has the functions, `endpoints` the catalogue of them, `errors` what may go wrong, `retry` what may be repeated.
"""
