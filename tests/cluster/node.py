"""A real node: kubelet, containerd and CoreDNS in namespaces of their own (mounts, network, processes).

Whatever they and the pods mount, create or start exists only in there, and the kernel removes all of it when the
first process of the namespaces ends. Of the file system they can write to the folder of the run only. So nothing of
this machine changes, and nothing can be left behind.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import cgroups, image, manifests, node_programs, registry, training_image
from tests.cluster.api import wait
from tests.cluster.build import Programs
from tests.cluster.components import NODE_ADDRESS, NODE_NAME, Component, kubeconfig
from tests.cluster.processes import Process, kill, spawn
from tests.cluster.run import Run

_CPUS = 8
_POD_NETWORK = "10.244.0.0/16"


def create(run: Run, programs: Programs) -> None:
    """Make the namespaces with a bridge for the pods, and the tunnel between them and the API server."""
    cgroups.create(run.name)
    unshare = [_path("unshare"), *node_programs.NAMESPACES, "--kill-child", "--mount-proc", str(programs.pause)]
    parent = run.record("unshare", spawn(unshare, run.path("logs", "node.log"), {}))
    run.record("node", _child(parent))
    hidden = [f"mount -t tmpfs tmpfs {path}" for path in node_programs.HIDDEN]
    read_only = [f"mount --bind {run.directory} {run.directory}", "mount -o remount,bind,ro /"]
    bridge = ["ip link set lo up", "ip link add cni0 type bridge", f"ip addr add {NODE_ADDRESS}/16 dev cni0"]
    script = " && ".join([*hidden, *_processors(), *read_only, *bridge, "ip link set cni0 up"])
    subprocess.run([*_enter(run), _path("sh"), "-c", script], check=True)


def tunnel(run: Run, programs: Programs) -> Component:
    """Return the way between the API server and the node; see controlplane/tunnel.go."""
    namespace = f"/proc/{run.processes['node'].pid}/ns/net"
    api = f"127.0.0.1:{run.ports['kube-apiserver']}"
    flags = [f"--namespace={namespace}", f"--proxy-socket={proxy_socket(run)}", f"--api={api}"]
    return Component("tunnel", [str(programs.controlplane), "tunnel", *flags])


def proxy_socket(run: Run) -> Path:
    """Return where the API server finds the tunnel."""
    return run.path("tunnel.sock")


def start_containerd(run: Run, programs: Programs) -> None:
    """Start containerd and give it the images that pods may use."""
    _containerd_files(run)
    _start(run, "containerd", [node_programs.program("containerd"), "--config", run.path("containerd.toml")])
    wait("containerd", run.path("containerd.sock").exists)
    pause = image.layer(run.folder("layers", "pause"), [image.Entry("pause", programs.pause)])
    add_image(run, manifests.PAUSE_IMAGE, [pause], {"Entrypoint": ["/pause"], "User": "65535"})
    training = [training_image.base(), training_image.package(run.folder("layers"))]
    add_image(run, manifests.TRAINING_IMAGE, training, training_image.CONFIG)


def start_kubelet(run: Run, programs: Programs) -> None:
    """Start the kubelet, also after it was killed: the containers went on without it."""
    run.path("kubelet.yaml").write_text(yaml.safe_dump(_kubelet_configuration(run)))
    run.path("resolv.conf").write_text("")
    flags = {
        "config": run.path("kubelet.yaml"),
        "kubeconfig": kubeconfig(run, f"system:node:{NODE_NAME}"),
        "hostname-override": NODE_NAME,
        "node-ip": NODE_ADDRESS,
        "node-labels": "type=kubelet",
        "root-dir": run.folder("kubelet"),
    }
    _start(run, "kubelet", [programs.kubernetes, "kubelet", *(f"--{flag}={value}" for flag, value in flags.items())])


def start_names(run: Run, programs: Programs) -> None:
    """Start the name server of the pods."""
    run.path("Corefile").write_text(_corefile(run))
    _start(run, "coredns", [programs.controlplane, "coredns", "-conf", run.path("Corefile")])


def add_image(run: Run, name: str, layers: list[Path], config: dict[str, Any]) -> None:
    """Give the node an image; `config` is the `config` of the OCI image specification."""
    ctr = f"{node_programs.program('ctr')} --address {run.path('containerd.sock')} --namespace k8s.io images import -"
    with run.path("logs", "images.log").open("a") as log:
        with subprocess.Popen([*_enter(run), *ctr.split()], stdin=subprocess.PIPE, stdout=log, stderr=log) as importer:
            assert importer.stdin
            image.stream(importer.stdin, name, layers, config)
        if importer.returncode:
            raise RuntimeError(f"containerd did not take the image {name}")


def start_registry(run: Run) -> None:
    """Start the registry that pods of the node may name, if it is not there yet."""
    if "registry" not in run.processes:
        _start(run, "registry", [sys.executable, registry.__file__])


def end(run: Run) -> None:
    """End everything in the node at once, and remove its control groups."""
    if node := run.processes.get("node"):
        kill(node)
    cgroups.remove(run.name)


def _processors() -> list[str]:
    """Return commands that make a small machine look as if it had room for the examples: each pod asks for a CPU."""
    cpus = "/sys/devices/system/cpu"
    found = os.cpu_count() or 1
    if found >= _CPUS:
        return []
    commands = [f"mount -t tmpfs tmpfs {path}" for path in ("/sys/devices/system/node", cpus)]
    for number in range(_CPUS):
        topology = f"{cpus}/cpu{number}/topology"
        commands.append(f"mkdir -p {topology}")
        if number < found:  # the others count, but no process is ever bound to them
            commands += [f"echo {number} > {topology}/core_id", f"echo 0 > {topology}/physical_package_id"]
    return commands


def _containerd_files(run: Run) -> None:
    ipam = {"type": "host-local", "ranges": [[{"subnet": _POD_NETWORK, "rangeStart": "10.244.0.10"}]]}
    bridge = {"type": "bridge", "bridge": "cni0", "ipMasq": False, "ipam": ipam}
    network = {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}
    run.folder("cni").joinpath("10-pods.conflist").write_text(json.dumps(network))
    run.path("containerd.toml").write_text(f"""\
version = 2
root = "{run.folder("containerd", "root")}"
state = "{run.folder("containerd", "state")}"
disabled_plugins = [
  "io.containerd.internal.v1.opt", # it would make /opt/containerd
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
address = "{run.path("containerd.sock")}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{manifests.PAUSE_IMAGE}"
restrict_oom_score_adj = true # lowering it takes CAP_SYS_RESOURCE, which a container may lack
netns_mounts_under_state_dir = true
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{node_programs.plugins()}"
conf_dir = "{run.path("cni")}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{node_programs.program("runc")}"
""")


def _kubelet_configuration(run: Run) -> dict[str, object]:
    pki = run.path("pki")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "tlsCertFile": str(pki / "tls.crt"),
        "tlsPrivateKeyFile": str(pki / "tls.key"),
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(pki / "ca.crt")}},
        "containerRuntimeEndpoint": f"unix://{run.path('containerd.sock')}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{run.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,  # never: a lost image could not be fetched again
        "clusterDNS": [NODE_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": str(run.path("resolv.conf")),
        "podLogsDir": str(run.folder("pods")),
        "volumePluginDir": str(run.folder("plugins")),
        "oomScoreAdj": 0,
        "volumeStatsAggPeriod": "10s",
        "containerLogMonitorInterval": "3s",  # how often it looks whether a log is too long
    }


def _corefile(run: Run) -> str:
    kubernetes = f"kubernetes cluster.local {{\nkubeconfig {kubeconfig(run, 'admin')}\nttl 0\n}}"
    return f".:53 {{\nerrors\nbind {NODE_ADDRESS}\n{kubernetes}\n}}\n"


def _start(run: Run, name: str, command: list[str | Path]) -> None:
    log = run.path("logs", f"{name}.log")
    path = [node_programs.program("containerd").parent, "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    environment = {"PATH": ":".join(map(str, path)), "HOME": str(run.directory), "TMPDIR": str(run.folder("tmp"))}
    parent = run.record(f"nsenter-{name}", spawn([*_enter(run), *command], log, environment))
    run.record(name, _child(parent))


def _enter(run: Run) -> list[str | Path]:
    return [_path("nsenter"), "--target", str(run.processes["node"].pid), "--mount", "--net", "--pid", "--"]


def _child(parent: Process) -> Process:
    """Return the process that unshare or nsenter started in the namespaces."""
    return wait("a process in the namespaces", parent.children)[0]


def _path(command: str) -> str:
    if path := shutil.which(command):
        return path
    raise FileNotFoundError(f"{command} is not installed")
