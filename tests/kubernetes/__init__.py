"""How the service runs on Kubernetes. The manifests are rendered by the real kubectl."""
