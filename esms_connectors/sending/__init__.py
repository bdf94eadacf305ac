"""Sending: channels, chunks, the run, plan, campaign, reconcile."""
