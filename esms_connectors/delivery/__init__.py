"""Delivery of messages: targets, polling, goals, callbacks."""
