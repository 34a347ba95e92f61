import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .household import Household


@pytest.fixture
def household() -> Iterator[Household]:
    """A user whose resident may be hurt."""
    with moved_in() as home:
        yield home


@pytest.fixture(scope="session")
def settled() -> Iterator[Household]:
    """A user whose resident lives on from test to test."""
    with moved_in() as home:
        yield home


@contextmanager
def moved_in(**settings: str) -> Iterator[Household]:
    """A user with these settings."""
    # Not tmp_path: a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="rag-"))
    home = Household(folder)
    home.environment.update(settings)
    try:
        yield home
    finally:
        home.clear()
        shutil.rmtree(folder)
