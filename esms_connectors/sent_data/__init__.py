"""Sent data: a closed window of time -> every row, proven complete."""
