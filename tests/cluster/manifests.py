"""The files and objects that the programs of a cluster read, made from upstream's manifests where there are any."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.run import Run

Json = dict[str, Any]

PAUSE_IMAGE = "submarine.test/pause:1"
TRAINING_IMAGE = "submarine.test/training:1"  # .test: no such registry can exist

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_OURS = ("kwok-pod-finish.yaml", "kwok-pod-ready-again.yaml")


def definitions(manifests: Path) -> list[Json]:
    """Return the CustomResourceDefinitions of the operators."""
    kinds = [f"training-operator/crds/kubeflow.org_{kind}" for kind in ("pytorchjobs", "tfjobs", "xgboostjobs")]
    paths = [manifests / f"{kind}.json" for kind in (*kinds, "jobset/crd/bases/jobset.x-k8s.io_jobsets")]
    return [item for path in paths for item in _documents(path)]


def admission(run: Run, manifests: Path) -> Iterator[tuple[str, Json]]:
    """Yield (collection, object) for the admission webhooks of the operators, served on their ports of this run."""
    authority = base64.b64encode(run.path("pki", "ca.crt").read_bytes()).decode()
    for operator in ("training-operator", "jobset"):
        for item in _documents(manifests / operator / "webhook" / "manifests.json"):
            item["metadata"]["name"] = f"{operator}-{item['metadata']['name']}"
            for webhook in item["webhooks"]:
                path = webhook["clientConfig"]["service"]["path"]
                url = f"https://127.0.0.1:{run.ports[operator]}{path}"
                webhook["clientConfig"] = {"url": url, "caBundle": authority}
                if "pods" in webhook["rules"][0]["resources"]:  # as upstream's own patches narrow it
                    selector = [{"key": "jobset.sigs.k8s.io/jobset-name", "operator": "Exists"}]
                    webhook["objectSelector"] = {"matchExpressions": selector}
            yield f"{_ADMISSION}/{item['kind'].lower()}s", item


def egress(socket: Path) -> Json:
    """Return the API server's way to the kubelets: through the tunnel."""
    transport = {"uds": {"udsName": str(socket)}}
    connection = {"proxyProtocol": "HTTPConnect", "transport": transport}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }


def kubeconfig(run: Run, token: str, namespace: str = "default") -> Json:
    """Return the credentials of one user."""
    authority = base64.b64encode(run.path("pki", "ca.crt").read_bytes()).decode()
    server = f"https://127.0.0.1:{run.ports['kube-apiserver']}"
    context = {"cluster": run.name, "user": "user", "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": run.name, "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": run.name, "context": context}],
        "current-context": run.name,
    }


def kwok(run: Run, manifests: Path) -> str:
    """Return KWOK's configuration: its own stages for nodes and pods, and ours, one log for all."""
    stages = [
        item
        for name in ("node/fast/node-initialize", "pod/fast/pod-ready", "pod/fast/pod-delete")
        for item in _documents(manifests / "kwok" / "stage" / f"{name}.json")
    ]
    logs = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": {"name": "logs"},
        "spec": {"logs": [{"logsFile": str(run.path("fake.log")), "follow": True}]},
    }
    ours = [yaml.safe_load(Path(__file__).with_name(name).read_text()) for name in _OURS]
    return yaml.safe_dump_all([*stages, *ours, logs])


def fake_node(index: int) -> Json:
    """Return a node that KWOK keeps: roomy, with eight GPUs."""
    room = {"cpu": "1000", "memory": "4Ti", "pods": "20000", "nvidia.com/gpu": "8"}
    name = f"fake-{index}"
    # Both: a node with one of them loses it when KWOK finds it not ready, as after an outage.
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"type": "kwok", "kubernetes.io/hostname": name}},
        "status": {"capacity": room, "allocatable": room, "addresses": addresses},
    }


def init_container() -> str:
    """Return what the workers of a PyTorchJob wait for their master with: upstream's, made to pass *restricted*."""
    # busybox's nslookup fails if any of the search domains has no such name, even if another one has.
    wait = "until nslookup {{.MasterAddr}} | grep -q ^Name; do echo waiting for the master; sleep 1; done"
    container = {
        "name": "init-pytorch",
        "image": TRAINING_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", wait],
        "resources": {name: {"cpu": "50m", "memory": "20Mi"} for name in ("requests", "limits")},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return json.dumps([container])


def namespace(name: str, node_type: str) -> Json:
    """Return a namespace under the *restricted* Pod Security Standard whose pods go to nodes of one type."""
    security = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    annotations = {"scheduler.alpha.kubernetes.io/node-selector": f"type={node_type}"}
    metadata = {"name": name, "labels": security, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _documents(path: Path) -> list[Json]:
    documents: list[Json] = json.loads(path.read_text())
    return documents
