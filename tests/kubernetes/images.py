"""Which images run in an environment."""

from tests.kubernetes.cluster.cluster import Cluster


def image(cluster: Cluster, deployment: str, namespace: str = "production") -> str:
    template = cluster.get("deployments", namespace, deployment)["spec"]["template"]
    return str(template["spec"]["containers"][0]["image"])


def tag(cluster: Cluster, deployment: str, namespace: str = "production") -> str:
    return image(cluster, deployment, namespace).rpartition(":")[2]


def images(cluster: Cluster, namespace: str) -> set[str]:
    """Those of all deployments."""
    return {
        image(cluster, each["metadata"]["name"], namespace)
        for each in cluster.every("deployments", namespace)
    }


def of_backups(cluster: Cluster, namespace: str = "production") -> set[str]:
    """Those that make backups and try them."""
    return {
        container["image"]
        for each in cluster.every("cronjobs", namespace)
        for container in each["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    }
