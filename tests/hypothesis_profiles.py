"""
Which examples hypothesis draws: the same ones every time, so that a change is to blame when a test fails; or, with
`--hypothesis-profile=random` (`make test-random`), others each time and many more.
"""

from __future__ import annotations

from hypothesis import settings

_MORE = 20

# No example has a deadline: how long one takes depends on what else the machine does.
settings.register_profile("fixed", derandomize=True, database=None, deadline=None, max_examples=100)
settings.register_profile("random", deadline=None, max_examples=100 * _MORE, print_blob=True)
settings.load_profile("fixed")


def examples(fixed: int) -> int:
    """How many examples a test draws that draws so many of the fixed ones. To be asked when tests are read."""
    return fixed * settings.default.max_examples // 100
