"""Delivery: which messages, polling, goals, callbacks."""
