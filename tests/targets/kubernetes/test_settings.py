from __future__ import annotations

import pytest

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions
from submarine_jupyter_server.targets.kubernetes.settings import KubernetesSettings, settings_of


def test_nothing_configured_is_the_current_context() -> None:
    assert settings_of("x", {}) == KubernetesSettings("x")


def test_all_that_can_be_configured() -> None:
    found = settings_of(
        "prod",
        {
            "kubeconfig": "/etc/kube/config",
            "context": "admin@prod",
            "in_cluster": False,
            "namespaces": ["team-a", "team-b", "team-a"],
            "kinds": ["jobset"],
            "image": "team/training:2",
            "image_pull_secrets": ("registry",),
            "run_as_user": None,
            "cpu_limit": False,
            "ttl_after_finished": 0,
            "queue": "gpus",
            "log_collection": "on-demand",
            "log_streams": 20,
        },
    )
    assert found == KubernetesSettings(
        "prod",
        kubeconfig="/etc/kube/config",
        context="admin@prod",
        namespaces=("team-a", "team-b"),
        kinds=("jobset",),
        log_collection="on-demand",
        log_streams=20,
        options=ClusterOptions(
            image="team/training:2",
            image_pull_secrets=("registry",),
            run_as_user=None,
            cpu_limit=False,
            ttl_after_finished=0,
            queue="gpus",
        ),
    )


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        (
            "imgae",
            "x",
            "imgae: unknown option; the options are kubeconfig, context, in_cluster, namespaces, kinds, image",
        ),
        ("namespaces", "team-a", "namespaces: must be a list of names of namespaces, not 'team-a'"),
        ("namespaces", ["Team"], "namespaces: must be a list of names of namespaces, not ['Team']"),
        ("namespaces", ["a" * 64], "namespaces: must be a list"),
        ("namespaces", ["a\n"], "namespaces: must be a list"),
        ("kubeconfig", 5, "kubeconfig: must be the path of a kubeconfig, not 5"),
        ("context", "", "context: must be the name of a context in the kubeconfig, not ''"),
        ("in_cluster", "yes", "in_cluster: must be True or False, not 'yes'"),
        ("kinds", ["TFJob"], "kinds: must be a list of tfjob, pytorchjob, xgboostjob, jobset, indexed_jobs, not"),
        ("image", "a b", "image: must be the name of a container image"),
        ("image_pull_secrets", [None], "image_pull_secrets: must be a list of names of Secrets"),
        ("run_as_user", True, "run_as_user: must be a user id from 0 to 2147483647, or None, not True"),
        ("run_as_user", -1, "run_as_user: must be a user id"),
        ("cpu_limit", None, "cpu_limit: must be True or False, not None"),
        ("ttl_after_finished", "1d", "ttl_after_finished: must be a number of seconds, or None, not '1d'"),
        ("queue", "a/b", "queue: must be the name of a LocalQueue"),
        ("log_collection", ["eager"], "log_collection: must be 'eager' or 'on-demand'"),
        ("log_streams", 0, "log_streams: must be a number from 1 to 10000, not 0"),
        ("queue", "x" * 500, "queue: must be the name of a LocalQueue, not '" + "x" * 79 + "..."),
    ],
)
def test_what_cannot_be_is_named_with_what_is_possible(option: str, value: object, problem: str) -> None:
    with pytest.raises(Unavailable) as caught:
        settings_of("prod", {option: value})
    assert f"SubmarineExtension.targets['prod'].{problem}" in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(Unavailable) as caught:
        settings_of("x", {"contxt": "a", "log_streams": 0, "in_cluster": True, "context": "a"})
    problems = caught.value.message.split("; SubmarineExtension")
    assert [problem.split("'].")[1].split(":")[0] for problem in problems] == ["contxt", "log_streams", "in_cluster"]
