"""The programs of the control plane and the operators: which flags each one gets, and why where it is not obvious."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.build import Programs
from tests.cluster.processes import spawn
from tests.cluster.run import Run

PORTS = ["etcd", "etcd-peer", "kube-apiserver", "kwok", "training-operator", "jobset", "kueue", "kueue-places"]
NODE_NAME = "real-0"
NODE_ADDRESS = "10.244.0.1"  # the same in every cluster: it is in a network namespace of its own
SERVICES = "10.96.0.0/16"
USERS = {  # user: groups; the roles of system users are built into Kubernetes
    "admin": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    f"system:node:{NODE_NAME}": "system:nodes",
}

_HASTE = {"kube-api-qps": "500", "kube-api-burst": "1000"}  # else their own limits are all that a load test measures


@dataclass(frozen=True, slots=True)
class Component:
    """A program with its flags; `user` is whom the API server sees."""

    name: str
    command: list[str]
    user: str = "admin"


def launch(run: Run, component: Component) -> None:
    """Start a component as a process of the run."""
    environment = {
        "PATH": os.defpath,
        "HOME": str(run.directory),
        "TMPDIR": str(run.folder("tmp")),
        "KUBECONFIG": str(kubeconfig(run, component.user)),
    }
    log = run.folder("logs") / f"{component.name}.log"
    run.record(component.name, spawn(component.command, log, environment))


def control_plane(run: Run, programs: Programs) -> list[Component]:
    """Return the components that a test may end and start again."""
    both = (*controllers(run, programs), *operators(run, programs), kueue(run, programs))
    return [etcd(run, programs), apiserver(run, programs), *both]


def kubeconfig(run: Run, user: str) -> Path:
    """Return where the credentials of a user are."""
    return run.path("kubeconfig", user.replace(":", "-"))


def etcd(run: Run, programs: Programs) -> Component:
    """Return etcd: over TLS, because every user of the machine can reach its port."""
    client, peer = (f"https://127.0.0.1:{run.ports[name]}" for name in ("etcd", "etcd-peer"))
    flags: dict[str, object] = {
        "name": "etcd",
        "data-dir": run.path("etcd"),
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"etcd={peer}",
        "cert-file": run.path("pki", "tls.crt"),
        "key-file": run.path("pki", "tls.key"),
        "client-cert-auth": "true",
        "trusted-ca-file": run.path("pki", "ca.crt"),
        "peer-cert-file": run.path("pki", "tls.crt"),
        "peer-key-file": run.path("pki", "tls.key"),
        "peer-client-cert-auth": "true",
        "peer-trusted-ca-file": run.path("pki", "ca.crt"),
        "unsafe-no-fsync": "true",
        "log-level": "warn",
    }
    return _component("etcd", programs.kubernetes, flags)


def apiserver(run: Run, programs: Programs) -> Component:
    """Return the API server, on the loopback address only."""
    pki = run.path("pki")
    flags: dict[str, object] = {
        "etcd-servers": f"https://127.0.0.1:{run.ports['etcd']}",
        "etcd-cafile": pki / "ca.crt",
        "etcd-certfile": pki / "client.crt",
        "etcd-keyfile": pki / "client.key",
        "bind-address": "127.0.0.1",
        "advertise-address": "127.0.0.1",
        "secure-port": run.ports["kube-apiserver"],
        "tls-cert-file": pki / "tls.crt",
        "tls-private-key-file": pki / "tls.key",
        "endpoint-reconciler-type": "none",  # a loopback address is no valid endpoint
        "service-cluster-ip-range": SERVICES,
        "authorization-mode": "Node,RBAC",
        "token-auth-file": run.path("tokens.csv"),
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": pki / "sa.key",
        "service-account-signing-key-file": pki / "sa.key",
        "kubelet-certificate-authority": pki / "ca.crt",
        "kubelet-client-certificate": pki / "client.crt",
        "kubelet-client-key": pki / "client.key",
        "kubelet-preferred-address-types": "InternalIP",  # else logs need DNS for the names of nodes
        # A namespace says by an annotation which kind of node its pods are for: specs need not know of it.
        "enable-admission-plugins": "NodeRestriction,PodNodeSelector",
        "allow-privileged": "true",
        "profiling": "false",
        # For Kueue's API of places: it takes the API server's word for who asks.
        "requestheader-client-ca-file": pki / "ca.crt",
        "requestheader-allowed-names": "kube-apiserver",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": pki / "client.crt",
        "proxy-client-key-file": pki / "client.key",
    }
    if run.node:
        flags["egress-selector-config-file"] = run.path("egress.json")
    return _component("kube-apiserver", programs.kubernetes, flags)


def controllers(run: Run, programs: Programs) -> Iterator[Component]:
    """Yield what acts on the objects that Kubernetes itself knows."""
    flags: dict[str, object] = {
        "kubeconfig": kubeconfig(run, "system:kube-controller-manager"),
        "leader-elect": "false",
        "secure-port": "0",
        "service-account-private-key-file": run.path("pki", "sa.key"),
        "root-ca-file": run.path("pki", "ca.crt"),
        "use-service-account-credentials": "true",
        "flex-volume-plugin-dir": run.path("plugins"),  # else it makes a folder in /usr/libexec
        **_HASTE,
    }
    user = "system:kube-controller-manager"
    yield _component("kube-controller-manager", programs.kubernetes, flags, user)
    user = "system:kube-scheduler"
    flags = {"kubeconfig": kubeconfig(run, user), "leader-elect": "false", "secure-port": "0", **_HASTE}
    yield _component("kube-scheduler", programs.kubernetes, flags, user)
    yield _kwok(run, programs)


def operators(run: Run, programs: Programs) -> Iterator[Component]:
    """Yield what acts on jobs of other kinds, which the API server has to know before."""
    template = run.path("init-container.yaml")
    operator = {**_webhooks(run, "training-operator"), "pytorch-init-container-template-file": template}
    yield _component("training-operator", programs.controlplane, operator)
    yield _component("jobset", programs.controlplane, _webhooks(run, "jobset"))


def kueue(run: Run, programs: Programs) -> Component:
    """Return what keeps queues; it is a program of its own, and not there before a test asks for it."""
    flags = {
        **_webhooks(run, "kueue"),
        "config": queue_configuration(run),
        "kubeconfig": kubeconfig(run, "admin"),  # its API of places has it from nowhere else
    }
    return Component("kueue", [str(programs.kueue), *(f"--{flag}={value}" for flag, value in flags.items())])


def queue_configuration(run: Run) -> Path:
    """Return where the configuration of Kueue is."""
    return run.path("kueue.json")


def _kwok(run: Run, programs: Programs) -> Component:
    flags: dict[str, object] = {
        "kubeconfig": kubeconfig(run, "admin"),
        "config": run.path("kwok.yaml"),
        "manage-nodes-with-label-selector": "type=kwok",
        "cidr": "10.128.0.1/9",
        "node-ip": "127.0.0.1",
        "node-port": run.ports["kwok"],
        "server-address": f"127.0.0.1:{run.ports['kwok']}",
        "tls-cert-file": run.path("pki", "tls.crt"),
        "tls-private-key-file": run.path("pki", "tls.key"),
    }
    return _component("kwok", programs.controlplane, flags)


def _webhooks(run: Run, name: str) -> dict[str, object]:
    return {"webhook-port": run.ports[name], "cert-dir": run.path("pki")}


def _component(name: str, binary: Path, flags: dict[str, object], user: str = "admin") -> Component:
    return Component(name, [str(binary), name, *(f"--{flag}={value}" for flag, value in flags.items())], user)
