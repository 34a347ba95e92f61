"""Every command of the runbook is run as it stands there, or is listed with the reason why not."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import create_database
from tests.http.process import Service
from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.conftest import make_token, secrets_of
from tests.kubernetes.ingress import Ingress
from tests.kubernetes.kubectl import folder
from tests.kubernetes.manifests import COLOURS, ENVIRONMENTS, environment
from tests.kubernetes.measuring import Measured
from tests.kubernetes.pushgateway import Pushgateway
from tests.kubernetes.s3 import ACCOUNT, Storage

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("runbook")]

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "deploy" / "RUNBOOK.md"
HOSTS = {
    "mcp-demo.example.com": ("production", "mcp-backend"),
    "preview.mcp-demo.example.com": ("production", "mcp-backend-preview"),
    "staging.mcp-demo.example.com": ("staging", "mcp-backend"),
    "dev.mcp-demo.example.com": ("development", "mcp-backend"),
}
PATIENCE = 180
PRELUDE = """
# Ctrl-C, once it has said something.
watched() {
    local line watching
    coproc WATCH { exec "$@" 2>&1; }
    watching=$WATCH_PID
    read -r -t 60 line <&"${WATCH[0]}"
    kill -INT "$watching"
    wait "$watching" || true
    [[ -n $line ]] && printf '%s\\n' "$line"
}
"""
BROKEN = "0.2.0"
"""An image that does not work."""
PRECEDED = {
    "Rollback procedures": """
        ./deployment/scripts/cutover.sh --to green
        kubectl set image deployment/mcp-backend mcp-backend=registry.example.com/mcp-rag:0.1.1 -n staging
        kubectl rollout status deployment/mcp-backend -n staging""",
    "Troubleshooting": f"""
        kubectl kustomize deploy/kubernetes/jobs | \
            kubectl set image --local -f - mcp-migrate=registry.example.com/mcp-rag:{BROKEN} -o yaml | \
            kubectl create -n production -f -
        kubectl wait --for=condition=failed job/mcp-migrate -n production --timeout=60s""",
}
"""What has happened before somebody opens a section."""
ENDLESS = re.compile(r"^kubectl (get .* -w|logs -f .*)$")


def sections(language: str) -> dict[str, list[str]]:
    """The blocks in a language of each section of the second order."""
    text = RUNBOOK.read_text(encoding="utf-8")
    titled = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)[1:]
    found = zip(titled[::2], titled[1::2], strict=True)
    return {title: re.findall(rf"```{language}\n(.*?)```", body, re.DOTALL) for title, body in found}


def commands(block: str) -> list[str]:
    """One after the other, each on a line."""
    lines = block.replace("\\\n", "").splitlines()
    return [" ".join(line.split()) for line in lines if line and not line.startswith("#")]


def not_run() -> dict[str, str]:
    """The list at the runbook's end: commands, and why they are not run."""
    text = RUNBOOK.read_text(encoding="utf-8").partition("\n## What was never run\n")[2]
    return dict(re.findall(r"^\| `(.+?)` \| (.+?) \|$", text, re.MULTILINE))


SECTIONS = {title: blocks for title, blocks in sections("bash").items() if blocks}


class Rehearsal(NamedTuple):
    """Where the commands are typed: a checkout, with an environment that has all they reach."""

    checkout: Path
    environment: dict[str, str]
    cluster: Cluster

    def type(self, block: str) -> "subprocess.CompletedProcess[str]":
        """Run a block, but for what stands in the list; what ends by Ctrl-C alone is ended."""
        lines = [line for line in commands(block) if line not in not_run()]
        script = "\n".join(f"watched {line}" if ENDLESS.match(line) else line for line in lines)
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{PRELUDE}\nset -x\n{script}"],
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )


@pytest.fixture(scope="module")
def database(postgres: str) -> str:
    return asyncio.run(create_database(postgres, f"runbook_{uuid.uuid4().hex[:12]}"))


@pytest.fixture(scope="module")
def servers(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    """Two processes of the service, by colour; blue stands for staging and development too."""
    home = tmp_path_factory.mktemp("servers")
    settings = {
        "MCP_RAG_LOG_FORMAT": "json",
        "MCP_RAG_PUBLIC_HOSTS": ",".join(HOSTS),
    }
    with ExitStack() as stack:
        made = {colour: Service(home, database, MCP_RAG_REVISION=colour, **settings) for colour in COLOURS}
        for service in made.values():
            stack.callback(lambda service=service: asyncio.run(service.__aexit__()))
        for service in made.values():
            asyncio.run(service.__aenter__())
        yield made


@pytest.fixture
def cluster(database: str, servers: dict[str, Service], tmp_path: Path) -> Iterator[Cluster]:
    """As it is before each section: blue serves in production."""
    home = tmp_path / "containers"
    home.mkdir()
    objects = {name: environment(name) for name in ENVIRONMENTS}
    with Cluster(objects, home, secrets_of(database), roles={}) as made:
        made.kubeconfig(tmp_path / "kubeconfig", "staging")
        made.processes |= {colour: service.port for colour, service in servers.items()}
        made.processes[""] = servers["blue"].port
        made.containers.broken.add(BROKEN)
        made.logs |= {colour: service.log for colour, service in servers.items()}
        yield made


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What is in the repository, with a history and an origin of its own."""
    made, origin = tmp_path / "checkout", tmp_path / "origin.git"
    made.mkdir()
    for each in ("deploy", "deployment", "node_modules", "package.json", "package-lock.json", "tests"):
        if (ROOT / each).exists():
            (made / each).symlink_to(ROOT / each)
    git = ["git", "-c", "user.name=operator", "-c", "user.email=operator@example.com"]
    for arguments in (
        ["init", "--quiet", "--bare", origin],
        ["init", "--quiet", made],
        ["-C", made, "commit", "--quiet", "--allow-empty", "--message", "What is deployed"],
        ["-C", made, "remote", "add", "origin", origin],
    ):
        subprocess.run([*git, *arguments], check=True)
    return made


@pytest.fixture
def rehearsal(
    cluster: Cluster, checkout: Path, database: str, a_storage: Storage, watched: Measured, tmp_path: Path
) -> Iterator[Rehearsal]:
    """A backup was made in the night before."""
    a_storage.reset()
    hosts = {host: cluster.services[service] for host, service in HOSTS.items()}
    home = tmp_path / "operator"
    home.mkdir()
    programs = [folder(), Path(sys.executable).parent, Path(shutil.which("npm") or "").parent]
    with Ingress(hosts, home) as ingress, Pushgateway() as gateway:
        environment = {
            "PATH": os.pathsep.join([*map(str, programs), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(home),
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
            "TMPDIR": str(tmp_path),
            "PAUSE_SECONDS": "0.1",
            "API_TOKEN": asyncio.run(make_token(database)),
            "AWS_ENDPOINT_URL": a_storage.url,
            "PUSHGATEWAY_URL": gateway.url,
            "PROMETHEUS_URL": watched.url,
            "NODE_EXTRA_CA_CERTS": str(ingress.authority),
            "NODE_OPTIONS": f"--require {ingress.for_node}",
            "GIT_COMMITTER_NAME": "operator",
            "GIT_COMMITTER_EMAIL": "operator@example.com",
            **ACCOUNT,
        }
        made = Rehearsal(checkout, environment, cluster)
        done = made.type("./deployment/scripts/backup.sh -e production")
        assert done.returncode == 0, done.stderr
        yield made


@pytest.mark.parametrize("section", SECTIONS)
def test_every_command_of_the_runbook_does_what_it_is_to(rehearsal: Rehearsal, section: str) -> None:
    for block in [PRECEDED.get(section, ""), *SECTIONS[section]]:
        done = rehearsal.type(block)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_every_command_that_is_not_run_is_one_of_the_runbook() -> None:
    every = {line for blocks in SECTIONS.values() for block in blocks for line in commands(block)}
    assert not_run().keys() <= every


def test_every_place_that_the_runbook_links_to_is_there() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(((?!https?:)[^)]+)\)", text):
        page, _, anchor = link.partition("#")
        target = (RUNBOOK.parent / page).resolve() if page else RUNBOOK
        assert target.exists(), link
        titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert not anchor or anchor in {anchored(title) for title in titles}, link


def anchored(title: str) -> str:
    """As GitHub makes an anchor of a title."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
