"""Every kind of answer has one meaning, whichever request it answers; the messages are those of real API servers."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from submarine_jupyter.errors import InvalidSpec, NotFound, TargetRefused, TargetUnavailable
from submarine_jupyter_server.targets.kubernetes.api.errors import ApiError, BadCredentials, Unreachable
from submarine_jupyter_server.targets.kubernetes.api.verdicts import (
    GONE,
    LATER,
    REFUSED,
    TABLE,
    TAKEN,
    UNKNOWN,
    Verdict,
    judged,
    meaning,
)
from tests.targets.kubernetes.fault_server import FaultServer, Script, error, plain
from tests.targets.kubernetes.small_cluster import ID, TFJOBS, SmallCluster, attached, launch

METHODS = ("POST", "PATCH", "DELETE", "GET")
JOB = 'jobs.batch "experiment-1-0001"'
USER = 'User "system:serviceaccount:ns:submarine-jupyter"'
RIGHT = f'{JOB} is forbidden: {USER} cannot create resource "jobs" in API group "batch" in the namespace "ns"'
POLICY = f"{JOB} is forbidden: ValidatingAdmissionPolicy 'night' with binding 'night' denied request: only at night"
WEBHOOK = 'admission webhook "night.example.com" denied the request: only at night'
QUOTA = f"{JOB} is forbidden: exceeded quota: team, requested: cpu=3, used: cpu={{}}, limited: cpu={{}}"
UID = (
    'Operation cannot be fulfilled on Job.batch "experiment-1-0001": the UID in the precondition (a) does not match the'
    " UID in record (b). The object might have been deleted and then recreated"
)
STORED_UID = (
    'Operation cannot be fulfilled on jobs.batch "experiment-1-0001": StorageError: invalid object, Code: 4, Key: /a,'
    " ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: a, UID in object meta: b"
)
OTHER_UID = 'Job.batch "j" is invalid: metadata.uid: Invalid value: "0b617cea": field is immutable'
MODIFIED = (
    'Operation cannot be fulfilled on jobs.batch "experiment-1-0001": the object has been modified; please apply your'
    " changes to the latest version and try again"
)
PAGE = "<html><head><style>a {}</style><title>503</title></head><body>no healthy upstream</body></html>"
TERMINATING = f"{JOB} is forbidden: unable to create new content in namespace ns because it is being terminated"
NO_CRD = f"{JOB} is forbidden: create not allowed while custom resource definition is terminating"

# Status, reason, message; then the verdict and the word, of each method where they differ.
ANSWERS: list[tuple[int, str, str, Verdict | dict[str, Verdict], str]] = [
    (400, "BadRequest", 'Job in version "v1" cannot be handled: unknown field "spec.nope"', REFUSED, "Invalid"),
    (400, "", f"{WEBHOOK}", REFUSED, "Denied"),
    (400, "", PAGE, LATER, "NotTheCluster"),
    (401, "Unauthorized", "Unauthorized", LATER, "Unauthorized"),
    (401, "Unauthorized", POLICY, REFUSED, "Denied"),
    (403, "Forbidden", RIGHT, REFUSED, "NoPermission"),
    (403, "Forbidden", f"{RIGHT}: Azure does not have opinion for this user.", REFUSED, "NoPermission"),
    (403, "Forbidden", f'{JOB} is forbidden: User "system:anonymous" cannot create', LATER, "Unauthorized"),
    (403, "Forbidden", POLICY, REFUSED, "Denied"),
    (403, "Forbidden", WEBHOOK, REFUSED, "Denied"),
    (403, "Forbidden", f"{JOB} is forbidden: something new", REFUSED, "Denied"),
    (403, "Forbidden", QUOTA.format(1, 3), LATER, "QuotaExceeded"),
    (403, "Forbidden", QUOTA.format(0, 2), REFUSED, "QuotaExceeded"),
    (403, "Forbidden", f"{JOB} is forbidden: failed quota: team: must specify memory", REFUSED, "QuotaExceeded"),
    (
        403,
        "Forbidden",
        f"{JOB} is forbidden: status unknown for quota: team, resources: cpu",
        LATER,
        "ClusterNotReady",
    ),
    (403, "Forbidden", f"{JOB} is forbidden: not yet ready to handle request", LATER, "ClusterNotReady"),
    (403, "Forbidden", f"{JOB} is forbidden: maximum cpu usage per Pod is 1", REFUSED, "LimitExceeded"),
    (403, "Forbidden", TERMINATING, REFUSED, "NamespaceTerminating"),
    (403, "Forbidden", NO_CRD, LATER, "KindGone"),
    (403, "", PAGE, LATER, "NotTheCluster"),
    (404, "NotFound", f"{JOB} not found", {"POST": LATER}, "NotFound"),
    (404, "NotFound", 'namespaces "ns" not found', {"POST": REFUSED}, "NoNamespace"),
    (404, "NotFound", "the server could not find the requested resource", LATER, "KindGone"),
    (404, "", "404 page not found", LATER, "KindGone"),
    (404, "", "default backend - 404", LATER, "NotTheCluster"),
    (404, "", "", LATER, "NotTheCluster"),
    (404, "NotFound", WEBHOOK, REFUSED, "Denied"),
    (405, "MethodNotAllowed", "the server does not allow this method", REFUSED, "NotAllowed"),
    (405, "", "", REFUSED, "NotAllowed"),
    (406, "NotAcceptable", "only the following media types are accepted", REFUSED, "NotAllowed"),
    (409, "AlreadyExists", f"{JOB} already exists", {"POST": TAKEN}, "NameConflict"),
    (409, "Conflict", MODIFIED, LATER, "Conflict"),
    (409, "Conflict", UID, {"DELETE": GONE}, "NotFound"),
    (409, "Conflict", STORED_UID, {"DELETE": GONE}, "NotFound"),
    (409, "Conflict", WEBHOOK, REFUSED, "Denied"),
    (409, "", PAGE, LATER, "NotTheCluster"),
    (410, "Gone", "gone", LATER, "ClusterUnavailable"),
    (413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728", REFUSED, "TooLarge"),
    (413, "", PAGE, REFUSED, "TooLarge"),
    (415, "UnsupportedMediaType", "the body of the request was in an unknown format", REFUSED, "NotAllowed"),
    (415, "", PAGE, REFUSED, "NotAllowed"),
    (422, "Invalid", f"Job.batch {JOB[11:]} is invalid: spec.completions: Required value", REFUSED, "Invalid"),
    (422, "Invalid", POLICY, REFUSED, "Denied"),
    (429, "TooManyRequests", "too many requests", LATER, "ClusterBusy"),
    (429, "", "Too many requests, please try again later.", LATER, "ClusterBusy"),
    (429, "", WEBHOOK, LATER, "ClusterBusy"),
    (500, "InternalError", 'failed calling webhook "x.example.com": deadline exceeded', LATER, "WebhookUnavailable"),
    (500, "", "etcdserver: request is too large", REFUSED, "TooLarge"),
    (500, "", "etcdserver: leader changed", UNKNOWN, "ClusterUnavailable"),
    (500, "ServerTimeout", "the server cannot complete it at this time", UNKNOWN, "ClusterUnavailable"),
    (500, "", WEBHOOK, LATER, "Denied"),
    (502, "", PAGE, UNKNOWN, "ClusterUnavailable"),
    (503, "ServiceUnavailable", "the apiserver is shutting down", UNKNOWN, "ClusterUnavailable"),
    (504, "Timeout", "request did not complete within requested timeout", UNKNOWN, "ClusterUnavailable"),
    (302, "", "", LATER, "NotTheCluster"),
    (418, "", "", LATER, "NotTheCluster"),
]


def of(verdict: Verdict | dict[str, Verdict], method: str, word: str) -> Verdict:
    """Return the verdict on one method."""
    if isinstance(verdict, dict):
        other = GONE if word in ("NotFound", "NoNamespace") and "DELETE" not in verdict else LATER
        verdict = verdict.get(method, other)
    return LATER if verdict is REFUSED and method == "GET" else verdict


@pytest.mark.parametrize(("status", "reason", "message", "verdict", "word"), ANSWERS)
@pytest.mark.parametrize("method", METHODS)
def test_every_answer_has_one_meaning(
    status: int, reason: str, message: str, verdict: Verdict | dict[str, Verdict], word: str, method: str
) -> None:
    found = ApiError(status, reason, message, retry_after=7.0)
    wanted = of(verdict, method, word)
    assert judged(found, method)[0] is wanted
    if not isinstance(verdict, dict) or (method in verdict and wanted is not LATER):
        assert judged(found, method)[1] == word
    said = meaning(found, method)
    if wanted is GONE:
        assert isinstance(said, NotFound)
    elif wanted is REFUSED:
        assert isinstance(said, InvalidSpec if word == "Invalid" else TargetRefused)
        assert word == "Invalid" or getattr(said, "reason", "") == word
    else:
        assert isinstance(said, TargetUnavailable)
        assert said.retry_after == 7.0
    assert "\n" not in str(said)
    assert len(str(said)) < 700


def test_what_is_in_the_place_of_ours_is_not_changed_for_it() -> None:
    found = ApiError(422, "Invalid", OTHER_UID)
    assert judged(found, "PATCH") == (GONE, "NotFound")
    assert judged(found, "POST") == (REFUSED, "Invalid")


def test_every_row_of_the_table_is_proven() -> None:
    answers = [ApiError(status, reason, message) for status, reason, message, _, _ in ANSWERS]
    answers.append(ApiError(422, "Invalid", OTHER_UID))
    hit = {
        next(row for row in TABLE if row.fits(found, method)) for found, method in itertools.product(answers, METHODS)
    }
    assert [row for row in TABLE if row not in hit] == []


@pytest.mark.parametrize("method", METHODS)
def test_an_answer_that_was_cut_says_nothing(method: str) -> None:
    assert judged(Unreachable("the connection broke"), method) == (UNKNOWN, "ClusterUnavailable")
    said = meaning(BadCredentials("the token cannot be renewed"), method)
    assert isinstance(said, TargetUnavailable)
    assert said.reason == "Unauthorized"


ROLE = "(the Role in docs/deploy/role.yaml has all that is needed)"
PROXY = "(ask the administrator what is in between: a proxy, a firewall, a login page)"
SHORTEN = "(shorten its command, its variables and its code; put larger things into an image or on a volume)"
SENTENCES = {
    (403, RIGHT): f"this server may not create jobs in namespace ns {ROLE}",
    (403, f"{RIGHT}: RBAC: role not found"): f"this server may not create jobs in namespace ns {ROLE}",
    (403, POLICY): "rejected by the cluster: the policy 'night' of the cluster denies it: only at night",
    (400, 'admission webhook "a.b" denied the request without explanation'): (
        "rejected by the cluster: the policy 'a.b' of the cluster denies it: without explanation"
    ),
    (
        403,
        TERMINATING,
    ): "its namespace is being deleted: nothing new can be created there (choose another meta.namespace)",
    (403, QUOTA.format(1, 3)): "the quota 'team' of the namespace is used up (cpu: 1 of 3 used, it asks for 3)",
    (403, f"{JOB} is forbidden: not yet ready to handle request"): (
        "the cluster is not ready for it yet (not yet ready to handle request)"
    ),
    (404, 'namespaces "ns" not found'): (
        'its namespace does not exist on the cluster (namespaces "ns" not found) (ask an administrator to create it)'
    ),
    (409, MODIFIED): "somebody else changed it at the same moment (409)",
    (413, "Request entity too large: limit is 3145728"): (
        f"rejected by the cluster: it is too large (Request entity too large: limit is 3145728) {SHORTEN}"
    ),
    (422, 'TFJob.kubeflow.org "j" is invalid: spec.x: Invalid value: 9: too many'): (
        "rejected by the cluster: spec.x: Invalid value: 9: too many"
    ),
}


@pytest.mark.parametrize(("status", "message"), SENTENCES)
def test_what_a_person_reads(status: int, message: str) -> None:
    assert str(meaning(ApiError(status, "Given", message), "POST")) == SENTENCES[status, message]


@pytest.mark.parametrize(
    ("body", "told"), [(PAGE, "503 no healthy upstream"), ("", "without a word"), ("no\n backend", "no backend")]
)
def test_what_answers_in_place_of_the_cluster_is_told(body: str, told: str) -> None:
    said = meaning(ApiError(404, "", body), "POST")
    assert str(said) == f"something else answers in place of the cluster (404: {told}) {PROXY}"


@pytest.mark.parametrize("script", [error(409, "Conflict", MODIFIED), plain(404), plain(404, "default backend - 404")])
async def test_what_is_there_is_not_deleted_by_an_answer(tmp_path: Path, script: Script) -> None:
    """It says nothing of the object: the deletion is not done, and done when it is given again."""
    async with FaultServer() as server, attached(SmallCluster(server), tmp_path) as made:
        await made.ready()
        await made.target.ensure(launch())
        made.cluster.rule = lambda request: script if request.method == "DELETE" else None
        for order in (made.target.stop(launch()), made.target.delete(ID, launch().uid)):
            with pytest.raises(TargetUnavailable):
                await order
        assert made.cluster.names(TFJOBS) == [ID]
        made.cluster.rule = lambda request: None
        await made.target.delete(ID, launch().uid)
        assert made.cluster.names(TFJOBS) == []
