"""What the embedding tests share: a folder with the default model's files, and real local HTTP servers."""

from pathlib import Path

import pytest

from mcp_rag.embedding import locate
from mcp_rag.local_models.locate import ModelFiles
from tests.serving import serve as serve


@pytest.fixture(scope="session")
def default_files() -> ModelFiles:
    """The default model's files, in the package that carries them."""
    return locate.find("bge-small-en-v1.5", "onnx", path=None, allow_download=False)


@pytest.fixture
def model_folder(tmp_path: Path, default_files: ModelFiles) -> Path:
    """A user's own folder with the default model's weights and tokenizer, which a test may add to."""
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "model.onnx").symlink_to(default_files.weights[0])
    (folder / "tokenizer.json").symlink_to(default_files.folder / "tokenizer.json")
    return folder
