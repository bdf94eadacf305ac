"""Sent data: all rows of a closed time window, with a proof of completeness."""
