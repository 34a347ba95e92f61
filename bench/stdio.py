"""`mcp-rag stdio` as a client sees it: from its start to its list of tools, and the memory that it takes."""

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import psutil  # type: ignore[import-untyped]
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY

from bench.corpus import Corpus
from bench.figures import Figure, Reference, Target
from bench.stores import Progress
from mcp_rag import rendezvous
from mcp_rag.postgres.embedded import EmbeddedServer

WARM, COLD = Target(0.2), Target(2.0)
PIPE_SIZE, RESIDENT_SIZE = Target(20), Target(500)
SEARCHES = 20
_PATIENCE = 60.0
_CLIENT = {"name": "bench", "version": "1"}
_META = {
    PROTOCOL_VERSION_META_KEY: "2026-07-28",
    CLIENT_INFO_META_KEY: _CLIENT,
    CLIENT_CAPABILITIES_META_KEY: {},
}
_IMPORT = [sys.executable, "-c", "import mcp.server"]


class Talk:
    """A client at its pipe."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._say({"id": method, "method": method, "params": params})
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            if answer.get("id") == method:
                return dict(answer["result"])
        raise RuntimeError(f"The pipe ended before it answered {method}.")

    def list_tools(self, revision: str) -> None:
        """Do what a client of this protocol revision does until it knows the tools."""
        if revision == "2026-07-28":
            self.ask("tools/list", _meta=_META)
            return
        self.ask("initialize", protocolVersion=revision, capabilities={}, clientInfo=_CLIENT)
        self._say({"method": "notifications/initialized"})
        self.ask("tools/list")

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        answer = self.ask("tools/call", name=tool, arguments=arguments, _meta=_META)
        return dict(answer["structuredContent"])

    def megabytes(self) -> float:
        return _megabytes(self.process.pid)

    def _say(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()


class Home:
    """A user with a store and a runtime folder of their own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        runtime = folder / "run"
        runtime.mkdir(mode=0o700)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("MCP_RAG_")}
        self._data = folder / "data"
        own = {"MCP_RAG_DATA_DIR": str(self._data), "XDG_RUNTIME_DIR": str(runtime)}
        self.environment = plain | own | settings
        self._place = rendezvous.meeting_place(self.environment)

    @contextmanager
    def talk(self) -> Iterator[Talk]:
        process = subprocess.Popen(
            _command(), env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with process:
            yield Talk(process)

    def seconds_to_tools(self, revision: str) -> float:
        started = time.perf_counter()
        with self.talk() as talk:
            talk.list_tools(revision)
            return time.perf_counter() - started

    def seconds_to_import(self) -> float:
        started = time.perf_counter()
        subprocess.run(_IMPORT, env=self.environment, stdin=subprocess.DEVNULL, check=True)
        return time.perf_counter() - started

    def resident_megabytes(self) -> float:
        pid = rendezvous.resident_pid(self._place)
        if pid is None:
            raise RuntimeError("The resident server has gone.")
        return _megabytes(pid)

    def searching_megabytes(self, questions: Sequence[str]) -> float:
        """Of the resident, after these questions."""
        with self.talk() as talk:
            talk.list_tools("2026-07-28")
            _wait_for_the_model(talk, questions[0])
            for question in questions:
                talk.call("search", query=question)
            return self.resident_megabytes()

    def remove(self) -> None:
        """Stop what runs here, and remove its store, which for root lies elsewhere."""
        self.stop_resident()
        EmbeddedServer(self._data).destroy()

    def stop_resident(self) -> None:
        if not rendezvous.stop(self._place, _PATIENCE):
            raise RuntimeError("The resident server does not stop.")


def measure(corpus: Corpus, *, rounds: int, progress: Progress) -> list[Figure]:
    with TemporaryDirectory(prefix="mcp-rag-bench-") as folder:
        home = Home(Path(folder))
        try:
            progress("stdio: the first start ever")
            first = home.seconds_to_tools("2025-11-25")
            memory = _memory(home, corpus, progress)
            return [*_starts(home, rounds, progress), _milliseconds("  the first start ever", first), *memory]
        finally:
            home.remove()


def _starts(home: Home, rounds: int, progress: Progress) -> Iterator[Figure]:
    took: defaultdict[str, list[float]] = defaultdict(list)
    for state in ("running", "not running"):
        for turn in range(rounds):
            progress(f"stdio: starts with the resident {state}, {turn + 1} of {rounds}")
            for revision in ("2025-11-25", "2026-07-28"):
                if state == "not running":
                    home.stop_resident()
                took[revision].append(home.seconds_to_tools(revision))
            if state == "not running":
                home.stop_resident()
            took["import"].append(home.seconds_to_import())
        reference = Reference('python -c "import mcp.server"', 1000 * median(took.pop("import")))
        for revision in sorted(took):
            name = f"stdio to tools/list, resident {state}, {revision}"
            yield _milliseconds(
                name, median(took.pop(revision)), reference, WARM if state == "running" else COLD
            )


def _milliseconds(
    name: str, seconds: float, reference: Reference | None = None, target: Target | None = None
) -> Figure:
    return Figure(name, 1000 * seconds, "ms", reference, target)


def _memory(home: Home, corpus: Corpus, progress: Progress) -> list[Figure]:
    progress("stdio: the resident's memory")
    with home.talk() as talk:
        talk.list_tools("2026-07-28")
        told = corpus.conversations[0]
        messages = [message.model_dump(mode="json", exclude_none=True) for message in told.messages[:50]]
        talk.call("ingest", conversation_id=told.conversation_id, title=told.title, messages=messages)
        _wait_for_the_model(talk, corpus.questions[0])
        idle = home.resident_megabytes()
        for question in corpus.questions[:SEARCHES]:
            talk.call("search", query=question)
        return [
            Figure("memory of the pipe", talk.megabytes(), "MB", target=PIPE_SIZE),
            Figure("memory of the resident at rest, model loaded", idle, "MB", target=RESIDENT_SIZE),
            Figure(
                f"memory of the resident after {SEARCHES} searches",
                home.resident_megabytes(),
                "MB",
                target=RESIDENT_SIZE,
            ),
        ]


def _wait_for_the_model(talk: Talk, question: str) -> None:
    until = time.monotonic() + _PATIENCE
    while talk.call("search", query=question)["mode"] != "hybrid":
        if time.monotonic() > until:
            raise RuntimeError("The resident server has no model yet.")
        time.sleep(0.1)


def _command() -> list[str]:
    """The console script beside this Python, as clients start it; the module where there is none."""
    script = Path(sys.executable).with_name("mcp-rag")
    return [str(script), "stdio"] if script.exists() else [sys.executable, "-m", "mcp_rag", "stdio"]


def _megabytes(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 1e6
