"""Environments to deploy to, and the pipeline that knows them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kubernetes.cluster.cluster import Cluster
from tests.kubernetes.conftest import Colours, Done, a_storage, cluster, storage, two_colours, watched
from tests.kubernetes.manifests import ENVIRONMENTS
from tests.kubernetes.s3 import ACCOUNT, Storage
from tests.workflows.act import Act, Pipeline, Repository, finished

__all__ = ["a_storage", "cluster", "storage", "watched"]

KEYS = {name: value for name, value in ACCOUNT.items() if "KEY" in name}
# Patient for a moment only.
SETTINGS = {"PAUSE_SECONDS": "0.05", "ROLLOUT_SECONDS": "3", "VERIFY_SECONDS": "3"}

Start = Callable[..., Pipeline]


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository.made_in(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="session")
def versions(
    postgres: str, repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Colours]:
    """Blue is another commit, green is the one that is deployed."""
    revisions = {"blue": "0" * 40, "green": repository.revision}
    with two_colours(postgres, tmp_path_factory.mktemp("versions"), revisions) as made:
        yield made


@pytest.fixture
def environments(cluster: Cluster, versions: Colours) -> Cluster:
    """Blue serves in production; what is deployed comes up as green, and is in staging already."""
    cluster.processes |= versions.ports
    cluster.processes[""] = versions.ports["green"]
    return cluster


def addresses(environments: Cluster) -> dict[str, str]:
    """Where each environment is called, by its variable."""
    ports = {name: environments.services[name, "mcp-backend"] for name in ENVIRONMENTS}
    ports["preview"] = environments.services["production", "mcp-backend-preview"]
    return {f"{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}


@pytest.fixture
def act(
    repository: Repository, environments: Cluster, versions: Colours, storage: Storage, tmp_path: Path
) -> Iterator[Act]:
    kubeconfig = environments.kubeconfig(tmp_path / "kubeconfig", "staging").read_text(encoding="utf-8")
    secrets = {"KUBECONFIG": kubeconfig, "API_TOKEN": versions.token, **KEYS}
    variables = {"WATCH_MINUTES": "0", **addresses(environments)}
    others = {name: value for name, value in ACCOUNT.items() if name not in KEYS}
    settings = {**SETTINGS, **others, "AWS_ENDPOINT_URL": storage.url}
    act = Act(repository, tmp_path, secrets, variables, settings)
    yield act
    act.stop()


@pytest.fixture
def start(act: Act) -> Start:
    """Starts the pipeline for an environment, as somebody does who fills in its form."""
    return lambda environment, *inputs, **variables: act.start(
        "workflow_dispatch", [f"environment={environment}", *inputs], variables
    )


@pytest.fixture
def deploy(start: Start) -> Callable[..., Done]:
    """Runs it to its end."""
    return lambda *inputs, **variables: finished(start(*inputs, **variables))
