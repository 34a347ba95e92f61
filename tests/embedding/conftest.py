"""What the embedding tests share: a folder with the default model's files, and real local HTTP servers."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

from mcp_rag.embedding import locate
from mcp_rag.local_models.locate import ModelFiles


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


@pytest.fixture
def serve() -> Iterator[Callable[[Starlette], str]]:
    """Serves an app on a free port of this machine, and gives its base URL."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(app: Starlette) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join()
