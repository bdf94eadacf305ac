"""
The client of the eSMS.vn gateway. Imports nothing from the rest of this package.

`client` has the functions, `endpoints` their catalogue, `errors` the exceptions, `retry` the retry decisions.
"""
