"""The cluster is a real one: real controllers act, real containers run, and nothing is left of it afterwards."""

import json
import re
from contextlib import closing
from typing import Any

import pytest
from kubernetes.client import ApiException, CoreV1Api
from kubernetes.config import new_client_from_config

from tests.cluster import build
from tests.cluster.api import Api, ApiError, Json, wait
from tests.cluster.cluster import Cluster

JOBS = "/apis/batch/v1/namespaces/{}/jobs"
PODS = "/api/v1/namespaces/{}/pods"
KUBEFLOW = "/apis/kubeflow.org/v1/namespaces/{}"
JOB_SETS = "/apis/jobset.x-k8s.io/v1alpha2/namespaces/{}/jobsets"


def pod(command: list[str], image: str = "none.test/none:1", name: str = "main", **more: Any) -> Json:
    """Return the spec of a pod that the *restricted* standard takes."""
    container = {
        "name": name,
        "image": image,
        "command": command,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    return {"containers": [container], "securityContext": security, "restartPolicy": "Never"} | more


def indexed_job(name: str, completions: int, spec: Json) -> Json:
    body = {"completionMode": "Indexed", "completions": completions, "parallelism": completions, "backoffLimit": 0}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    return {"metadata": {"name": name}, "spec": body | {"template": template}}


def pods(api: Api, namespace: str) -> dict[str, str]:
    """Return the phase of each pod by name."""
    found = api.get(PODS.format(namespace))["items"]
    return {item["metadata"]["name"]: item["status"].get("phase", "") for item in found}


def has(api: Api, path: str, condition: str) -> bool:
    conditions = api.get(path).get("status", {}).get("conditions", [])
    return any(item["type"] == condition and item["status"] == "True" for item in conditions)


def log(api: Api, namespace: str, name: str) -> str:
    return api.text(f"{PODS.format(namespace)}/{name}/log")


def test_the_api_server_answers_in_the_chosen_version(own_cluster: Cluster) -> None:
    assert own_cluster.api.text("/readyz") == "ok"
    version = own_cluster.api.get("/version")["gitVersion"]
    assert version == build.RELEASES[own_cluster.own().kubernetes]


def test_the_restricted_standard_is_enforced(cluster: Cluster, fake_namespace: str) -> None:
    privileged = pod(["true"]) | {"hostNetwork": True}
    with pytest.raises(ApiError, match="violates PodSecurity") as refused:
        cluster.api.create(PODS.format(fake_namespace), {"metadata": {"name": "bad"}, "spec": privileged})
    assert refused.value.status == 403


def test_an_indexed_job_succeeds_on_fake_nodes(cluster: Cluster, fake_namespace: str) -> None:
    api = cluster.api
    api.create(JOBS.format(fake_namespace), indexed_job("train", 3, pod(["true"])))
    wait("the job", lambda: has(api, f"{JOBS.format(fake_namespace)}/train", "Complete"))
    found = pods(api, fake_namespace)
    assert sorted(name.rpartition("-")[0] for name in found) == ["train-0", "train-1", "train-2"]
    assert set(found.values()) == {"Succeeded"}
    cluster.say("step 1", "step 2")
    assert log(api, fake_namespace, next(iter(found))).endswith("step 1\nstep 2\n")


def test_a_fake_pod_fails_when_told_to(cluster: Cluster, fake_namespace: str) -> None:
    spec = pod(["true"])
    spec["containers"][0]["env"] = [{"name": "FAKE_EXIT_CODE", "value": "3"}, {"name": "FAKE_SECONDS", "value": "0"}]
    path = PODS.format(fake_namespace)
    cluster.api.create(path, {"metadata": {"name": "broken"}, "spec": spec})
    wait("its end", lambda: pods(cluster.api, fake_namespace)["broken"] == "Failed")
    status = cluster.api.get(f"{path}/broken")["status"]["containerStatuses"][0]
    assert status["state"]["terminated"]["exitCode"] == 3


def tf_job(name: str, workers: int, spec: Json) -> Json:
    replicas = {"PS": 1, "Worker": workers}
    specs = {role: {"replicas": count, "template": {"spec": spec}} for role, count in replicas.items()}
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "TFJob",
        "metadata": {"name": name},
        "spec": {"runPolicy": {"cleanPodPolicy": "Running"}, "tfReplicaSpecs": specs},
    }


def test_a_fake_pod_is_ready_again_after_its_node_was_lost_for_a_while(cluster: Cluster, fake_namespace: str) -> None:
    path = PODS.format(fake_namespace)
    cluster.api.create(path, {"metadata": {"name": "lost"}, "spec": pod(["true"])})
    wait("the pod to be ready", lambda: has(cluster.api, f"{path}/lost", "Ready"))
    # What the controller of nodes does to the pods of a node that it does not hear of.
    cluster.api.patch(f"{path}/lost/status", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    wait("the pod to be ready again", lambda: has(cluster.api, f"{path}/lost", "Ready"))


def test_the_training_operator_makes_pods_of_a_tfjob(cluster: Cluster, fake_namespace: str) -> None:
    path = f"{KUBEFLOW.format(fake_namespace)}/tfjobs"
    cluster.api.create(path, tf_job("mnist", 2, pod(["true"], name="tensorflow")))
    expected = {"mnist-ps-0": "Running", "mnist-worker-0": "Running", "mnist-worker-1": "Running"}
    wait("its pods", lambda: pods(cluster.api, fake_namespace) == expected)
    wait("its condition", lambda: has(cluster.api, f"{path}/mnist", "Running"))


def test_the_training_operators_webhook_refuses_nonsense(cluster: Cluster, fake_namespace: str) -> None:
    path = f"{KUBEFLOW.format(fake_namespace)}/tfjobs"
    with pytest.raises(ApiError, match="tensorflow"):
        cluster.api.create(path, tf_job("mnist", 1, pod(["true"], name="other")))


def test_the_jobset_controller_makes_jobs(cluster: Cluster, fake_namespace: str) -> None:
    spec = indexed_job("", 1, pod(["true"]))["spec"]
    jobs = [{"name": role, "template": {"spec": spec}} for role in ("ps", "worker")]
    kind = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet"}
    path = JOB_SETS.format(fake_namespace)
    cluster.api.create(path, kind | {"metadata": {"name": "set"}, "spec": {"replicatedJobs": jobs}})
    wait("the set", lambda: has(cluster.api, f"{path}/set", "Completed"))
    names = {re.sub("-[a-z0-9]{5}$", "", name) for name in pods(cluster.api, fake_namespace)}
    assert names == {"set-ps-0-0", "set-worker-0-0"}


def test_a_service_account_may_do_what_its_role_says(cluster: Cluster, fake_namespace: str) -> None:
    group = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{fake_namespace}"
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
    cluster.api.create(f"{group}/roles", {"metadata": {"name": "reader"}, "rules": [rule]})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subjects = [{"kind": "ServiceAccount", "name": "default", "namespace": fake_namespace}]
    binding = {"metadata": {"name": "reader"}, "roleRef": role, "subjects": subjects}
    cluster.api.create(f"{group}/rolebindings", binding)
    kubeconfig = cluster.service_account(fake_namespace, "default")
    with closing(Api(kubeconfig)) as reader:
        wait("the permission", lambda: reader.get(PODS.format(fake_namespace)))
    with new_client_from_config(str(kubeconfig)) as client:  # type: ignore[no-untyped-call]
        assert CoreV1Api(client).list_namespaced_pod(fake_namespace).items == []
        with pytest.raises(ApiException, match="cannot list resource"):
            CoreV1Api(client).list_namespaced_config_map(fake_namespace)


def test_the_control_plane_survives_a_crash_but_forgets_old_versions(own_cluster: Cluster, fake_namespace: str) -> None:
    api, path = own_cluster.api, PODS.format(fake_namespace)
    old = api.get(path)["metadata"]["resourceVersion"]
    api.create(path, {"metadata": {"name": "kept"}, "spec": pod(["true"])})
    for part in ("kube-apiserver", "etcd"):
        own_cluster.kill(part)
        own_cluster.start(part)
    wait("the API server", lambda: api.text("/readyz") == "ok")
    assert list(pods(api, fake_namespace)) == ["kept"]
    event = json.loads(api.text(path, watch="1", resourceVersion=old, timeoutSeconds="5"))
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


def test_a_real_container_runs_and_its_log_is_read(cluster: Cluster, real_namespace: str) -> None:
    program = "import xgboost, sys; print('trained with', xgboost.__version__); sys.exit(7)"
    spec = pod(["python", "-c", program], str(cluster.image))
    cluster.api.create(PODS.format(real_namespace), {"metadata": {"name": "train"}, "spec": spec})
    wait("its end", lambda: pods(cluster.api, real_namespace)["train"] == "Failed")
    assert re.fullmatch(r"trained with [\d.]+\n", log(cluster.api, real_namespace, "train"))
    status = cluster.api.get(f"{PODS.format(real_namespace)}/train")["status"]["containerStatuses"][0]
    assert status["state"]["terminated"]["exitCode"] == 7


TALK = """
import os, socket, time
rank, master = int(os.environ["RANK"]), os.environ["MASTER"]
if rank == 0:
    with socket.create_server(("", 9000)) as server:
        connection, _ = server.accept()
        print("heard", connection.recv(100).decode(), flush=True)
else:
    for _ in range(600):
        try:
            socket.create_connection((master, 9000)).sendall(b"hello")
            break
        except OSError as problem:
            time.sleep(0.1)
    print("said hello", flush=True)
"""


def test_two_real_pods_find_each_other_by_name(cluster: Cluster, real_namespace: str) -> None:
    service = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"app": "talk"}}
    cluster.api.create(f"/api/v1/namespaces/{real_namespace}/services", {"metadata": {"name": "talk"}, "spec": service})
    index = {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/job-completion-index']"}}
    spec = pod(["python", "-c", TALK], str(cluster.image), subdomain="talk")
    spec["containers"][0]["env"] = [
        {"name": "RANK", "valueFrom": index},
        {"name": "MASTER", "value": f"talk-0.talk.{real_namespace}.svc"},
    ]
    cluster.api.create(JOBS.format(real_namespace), indexed_job("talk", 2, spec))
    wait("the job", lambda: has(cluster.api, f"{JOBS.format(real_namespace)}/talk", "Complete"))
    logs = [log(cluster.api, real_namespace, name) for name in sorted(pods(cluster.api, real_namespace))]
    assert logs == ["heard hello\n", "said hello\n"]


RANKS = """
import os, socket
rank, address = int(os.environ["RANK"]), (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    with socket.create_server(("", address[1])) as server:
        print(os.environ["WORLD_SIZE"], server.accept()[0].recv(100).decode())
else:
    socket.create_connection(address).sendall(f"rank {rank}".encode())
"""


def test_a_real_pytorchjob_trains_together(cluster: Cluster, real_namespace: str) -> None:
    template = {"spec": pod(["python", "-c", RANKS], str(cluster.image), name="pytorch")}
    roles = {role: {"replicas": 1, "restartPolicy": "Never", "template": template} for role in ("Master", "Worker")}
    kind = {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob"}
    path = f"{KUBEFLOW.format(real_namespace)}/pytorchjobs"
    cluster.api.create(path, kind | {"metadata": {"name": "ring"}, "spec": {"pytorchReplicaSpecs": roles}})
    wait("the job", lambda: has(cluster.api, f"{path}/ring", "Succeeded"))
    assert log(cluster.api, real_namespace, "ring-master-0") == "2 rank 1\n"


def test_a_real_container_out_of_memory_is_killed(cluster: Cluster, real_namespace: str) -> None:
    spec = pod(["python", "-c", "print(len(bytearray(512 << 20)))"], str(cluster.image))
    spec["containers"][0]["resources"] = {"limits": {"cpu": "1", "memory": "64Mi"}}
    path = PODS.format(real_namespace)
    cluster.api.create(path, {"metadata": {"name": "greedy"}, "spec": spec})
    wait("its end", lambda: pods(cluster.api, real_namespace)["greedy"] == "Failed")
    state = cluster.api.get(f"{path}/greedy")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["reason"], state["exitCode"]) == ("OOMKilled", 137)


def test_an_image_that_does_not_exist_cannot_be_pulled(cluster: Cluster, real_namespace: str) -> None:
    path = PODS.format(real_namespace)
    cluster.api.create(path, {"metadata": {"name": "lost"}, "spec": pod(["true"], "submarine.test/none:1")})

    def reason() -> object:
        states = cluster.api.get(f"{path}/lost")["status"].get("containerStatuses", [{}])
        return states[0].get("state", {}).get("waiting", {}).get("reason")

    wait("the refusal", lambda: reason() in ("ErrImagePull", "ImagePullBackOff"))
