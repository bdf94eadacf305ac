"""A plugin of pytest: files in a random order, the same one in each process of a run. Tests of a file stay together."""

from __future__ import annotations

import os
import random
from itertools import groupby

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    files = [list(tests) for _, tests in groupby(items, key=lambda item: item.path)]
    random.Random(os.environ["SHUFFLED_FILES_SEED"]).shuffle(files)
    items[:] = [item for file in files for item in file]
