"""mcp-rag demo: what it shows, and that nothing of it stays."""

import signal
from pathlib import Path

import pytest

from mcp_rag.postgres.embedded import EmbeddedServer
from tests.cli.command import Command, Finished, finish, stopped, until


class Demo:
    """A demo under way, with a folder of its own for what is temporary."""

    def __init__(self, command: Command, temporary: Path, *arguments: str) -> None:
        temporary.mkdir()
        self._command, self._temporary = command.with_environment(TMPDIR=str(temporary)), temporary
        self.process = self._command.start("demo", *arguments)
        self._home = EmbeddedServer(self._folder()).home

    def _folder(self) -> Path:
        return until(lambda: list(self._temporary.glob("mcp-rag-demo-*")), self.process)[0]

    def finished(self) -> Finished:
        return finish(self.process)

    def server_is_there(self) -> bool:
        return (self._home / "data18" / "postmaster.pid").exists()

    def left(self) -> list[str]:
        """The files and processes that are there although it has ended."""
        files = [str(path) for path in (*self._temporary.iterdir(), self._home) if path.exists()]
        return files + [str(process) for process in self._command.processes()]


def test_the_demo_shows_the_main_job_without_a_home_and_leaves_nothing(
    anywhere: Command, tmp_path: Path
) -> None:
    elsewhere = "postgresql://nobody@127.0.0.1:1/nothing"
    demo = Demo(anywhere.with_environment(HOME=None, MCP_RAG_DATABASE_URL=elsewhere), tmp_path / "t")
    told = demo.finished()
    assert told.code == 0, told
    for shown in (
        "31 conversations   228 messages   sent again: 0 added",
        "Search  opening date of the harbour café",
        "conversation://6719be91-9a62-480d-9e5a-90f6a4dfe13c/messages/0",
        "✓ verified",
        "€1,612.45",
        "Not in the store.",
        '{"mcpServers": {"mcp-rag": {"command": ',
    ):
        assert shown in told.out
    assert "\x1b" not in told.out + told.err
    assert demo.left() == []


@pytest.mark.slow
def test_the_demo_speaks_json(anywhere: Command, tmp_path: Path) -> None:
    demo = Demo(anywhere, tmp_path / "t", "--json")
    told = demo.finished()
    assert told.code == 0, told
    assert [each["added"] for each in told.document["stored"]] == [228, 13, 58]
    assert all(found["results"] for found in told.document["searches"].values())
    assert [answer["answered"] for answer in told.document["answers"].values()] == [True, False]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_demo_leaves_nothing(
    anywhere: Command, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    demo = Demo(anywhere, tmp_path / "t")
    until(demo.server_is_there, demo.process)
    assert stopped(demo.process, number).code == code
    assert demo.left() == []
