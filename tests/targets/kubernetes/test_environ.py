from __future__ import annotations

from pathlib import Path

import pytest

from submarine_jupyter_server.targets.kubernetes.environ import default_target, from_environment, with_environment
from submarine_jupyter_server.targets.kubernetes.settings import settings_of

IN_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """The token of a service account."""
    path = tmp_path / "token"
    path.write_text("secret")
    return path


@pytest.mark.parametrize(
    ("environ", "options"),
    [
        ({}, None),
        ({"KUBECONFIG": "/k"}, None),
        ({"SUBMARINE_KUBE_CONTEXT": "", "SUBMARINE_NAMESPACE": "", "SUBMARINE_IMAGE": "i"}, None),
        ({"SUBMARINE_KUBE_CONTEXT": "prod"}, {"context": "prod"}),
        ({"SUBMARINE_NAMESPACE": "team-a", "SUBMARINE_IMAGE": "i"}, {"namespaces": ["team-a"], "image": "i"}),
    ],
)
def test_two_variables_name_a_cluster(environ: dict[str, str], options: dict[str, object] | None, token: Path) -> None:
    assert from_environment(environ, token) == options
    if options is not None:
        settings_of("kubernetes", options)


@pytest.mark.parametrize(
    ("environ", "options"),
    [
        ({}, {"in_cluster": True}),
        ({"SUBMARINE_NAMESPACE": "a"}, {"in_cluster": True, "namespaces": ["a"]}),
        ({"SUBMARINE_KUBE_CONTEXT": "prod"}, {"context": "prod"}),
        ({"KUBECONFIG": "/k"}, {}),
    ],
)
def test_in_a_pod_its_service_account_is_taken(
    environ: dict[str, str], options: dict[str, object], token: Path
) -> None:
    assert from_environment(IN_POD | environ, token) == options
    settings_of("kubernetes", options)


def test_a_pod_without_a_token_has_no_cluster(tmp_path: Path) -> None:
    assert from_environment(IN_POD, tmp_path / "token") is None


def test_what_an_administrator_configured_is_left_as_it_is(token: Path) -> None:
    configured = {"kubernetes": {"namespaces": ["team-a"]}, "other": {}}
    assert with_environment(configured, {"SUBMARINE_NAMESPACE": "kube-system"}, token) == configured
    assert with_environment({}, {}, token) == {}
    assert with_environment({"other": {}}, IN_POD, token) == {"other": {}, "kubernetes": {"in_cluster": True}}


@pytest.mark.parametrize(
    ("targets", "environ", "local", "default"),
    [
        ((), {}, True, "local"),
        (("prod",), {}, True, "local"),
        (("prod",), {}, False, "prod"),
        (("kubernetes",), IN_POD, True, "local"),
        (("kubernetes",), IN_POD, False, "kubernetes"),
        (("kubernetes", "prod"), IN_POD, False, "prod"),
        (("kubernetes",), {"SUBMARINE_NAMESPACE": "a"}, True, "kubernetes"),
        (("kubernetes", "prod"), {"SUBMARINE_KUBE_CONTEXT": "a"}, True, "kubernetes"),
        ((), {}, False, "local"),
    ],
)
def test_where_experiments_run_that_do_not_say(
    targets: tuple[str, ...], environ: dict[str, str], local: bool, default: str
) -> None:
    assert default_target(dict.fromkeys(targets), environ, local=local) == default
