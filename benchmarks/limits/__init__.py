"""The measurements of `make bench`: each kind of work compared with its lower bound."""
