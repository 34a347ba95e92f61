import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .household import Household


@pytest.fixture
def household() -> Iterator[Household]:
    # Not tmp_path: a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="h"))
    home = Household(folder)
    yield home
    home.clear()
    shutil.rmtree(folder)
