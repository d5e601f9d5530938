"""A refusal ends only what it refuses: what was told stays true, and an order works once nothing stands in its way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster.api import Api, wait
from tests.cluster.cluster import Cluster
from tests.cluster.namespaces import namespaced
from tests.kubernetes.proxy import Answer, Late, Proxy, Request
from tests.kubernetes.refused import Case, Doors, all_cases
from tests.kubernetes.server import ClusterServer, left
from tests.targets.kubernetes.deployed import ACCOUNT, apply_role

Json = dict[str, Any]
MERGE = {"Content-Type": "application/merge-patch+json"}
TFJOBS = "/apis/kubeflow.org/v1/namespaces/{}/tfjobs/{}"
FEW, MANY = 1, 3


class House:
    """One server with three targets: what the proxy refuses, a namespace without rights, and one with a policy."""

    def __init__(self, cluster: Cluster, server: ClusterServer, cases: list[Case], places: dict[str, str]) -> None:
        self.cluster, self.server, self.cases, self.places = cluster, server, cases, places

    def rule(self, request: Request) -> Answer | Late | None:
        """Refuse what is to be refused."""
        found = next((case for case in self.cases if case.answers(request)), None)
        return found.answer() if found else None

    def namespace(self, case: Case) -> str:
        """Return where the objects of a case are."""
        return self.server.namespace if case.refusal.answer else self.places[case.why]

    def begin(self, case: Case) -> None:
        """Have the experiment run that an order is about."""
        if case.op != "create":
            case.id = self.server.submit(case.body())
            self.server.status(case.id, "Running")

    def order(self, case: Case) -> None:
        """Give the order while it is refused; what is answered counts."""
        http, url = self.server.http, f"{self.server.url}/{case.id}"
        if case.op == "create":
            answer = http.post(self.server.url, json=case.body())
        elif case.op == "scale":
            answer = http.patch(url, json={"spec": {"Worker": {"replicas": MANY}}}, headers=MERGE)
        elif case.op == "stop":
            answer = http.post(f"{url}/stop")
        else:
            answer = http.delete(url)
        # On a busy machine it may be too late for a refusal; who is told yes too early is found out in the end.
        case.told = answer.status_code == 200
        possible = case.refusal.never and not case.late and case.op != "stop"
        assert answer.status_code in ((200, 400) if possible else (200,)), (case, answer.text)
        assert case.op != "delete" or case.told or "the experiment will be deleted as soon as possible" in answer.text
        if case.op == "create":
            case.id = re.findall(r"experiment-[0-9]+-[0-9]+", answer.text)[0]

    def found(self, case: Case) -> Json | None:
        """Return the experiment of a case; None if it is deleted."""
        answer = self.server.http.get(f"{self.server.url}/{case.id}", params={"view": "full"})
        return None if answer.status_code == 404 else answer.json()["result"]

    def workers(self, case: Case) -> int:
        """Return how many workers the TFJob of a case asks for; 0 without one."""
        answer = self.cluster.api.http.get(TFJOBS.format(self.namespace(case), case.id))
        if answer.status_code == 404:
            return 0
        replicas: int = answer.json()["spec"]["tfReplicaSpecs"]["Worker"]["replicas"]
        return replicas

    def left(self) -> set[str]:
        """Return the experiments with anything on the cluster."""
        spaces = (self.server.namespace, *self.places.values())
        names = " ".join(name for space in spaces for name in left(self.cluster.api, space))
        return {case.id for case in self.cases if case.id in names}


def meanwhile(house: House, case: Case) -> bool:
    """Tell whether all is shown as it is while an order is refused: nothing has changed, and why is told."""
    found, there = house.found(case), house.workers(case)
    if case.op == "delete" and case.told:
        return (found, there) == (None, FEW)
    assert found is not None, case
    reason = found["detail"]["reason"]
    if case.op == "create":
        status = "Accepted" if case.goes_on else "Failed"
        return (found["status"], reason, there) == (status, case.refusal.word, 0)
    assert (found["status"], there) == ("Running", FEW), (case, found)
    if case.op == "scale" and case.goes_on:
        return (reason, workers(found)) == (case.refusal.word, MANY)
    if case.op == "scale":
        return taken_back(found) and workers(found) == FEW
    refused = {"stop": "StopRefused", "delete": "DeleteRefused"}[case.op]
    return bool(reason == (refused if case.refusal.never else case.refusal.word))


def finally_(house: House, case: Case) -> bool:
    """Tell whether it came as the answer said."""
    found, there = house.found(case), house.workers(case)
    if case.op == "delete":
        return (found, there) == (None, 0)
    assert found is not None, case
    status = found["status"]
    if case.op == "stop":
        return (status, found["detail"]["reason"], there) == ("Failed", "Stopped", 0)
    if case.op == "create":
        assert case.goes_on or (status, there) == ("Failed", 0), (case, found)
        return bool(status == ("Running" if case.goes_on else "Failed"))
    wanted = MANY if case.goes_on else FEW
    return (status, workers(found), there) == ("Running", wanted, wanted)


def workers(found: Json) -> int:
    replicas: int = found["spec"]["spec"]["Worker"]["replicas"]
    return replicas


def taken_back(found: Json) -> bool:
    """Tell whether a refused change is told: by an event and a note."""
    return "refused" in json.dumps(found["detail"]["events"]) and "undid it" in json.dumps(found["detail"]["notes"])


def each(cases: Iterable[Case], act: Callable[[Case], object], at_once: int = 64) -> None:
    """Do something with all cases."""
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(act, cases))


def await_each(house: House, cases: Iterable[Case], holds: Callable[[House, Case], bool], seconds: float) -> None:
    """Wait until something has held of each case."""
    missing = list(cases)

    def all_hold() -> bool:
        missing[:] = [case for case in missing if not holds(house, case)]
        return not missing

    try:
        wait(holds.__name__, all_hold, seconds=seconds)
    except TimeoutError as error:
        told = "\n".join(f"{case} {house.workers(case)} {json.dumps(house.found(case))}" for case in missing)
        raise AssertionError(f"{told}\n{house.server.log()}") from error


@pytest.fixture
def house(cluster: Cluster, fake: ClusterServer, proxy: Proxy) -> Iterator[House]:
    with namespaced(cluster, "kwok") as rights, namespaced(cluster, "kwok") as policy:
        places = {"rights": rights, "policy": policy}
        for namespace in places.values():
            apply_role(cluster, namespace, account_in=fake.namespace)
        fake.with_options(log_collection="on-demand")  # who follows a log takes an inotify instance of the machine
        fake.more_targets = {
            why: {**fake.target_options, "namespaces": [namespace], "kinds": ["tfjob"]}
            for why, namespace in places.items()
        }
        made = House(cluster, fake, list(all_cases()), places)
        proxy.rule = made.rule
        fake.ready()
        yield made
        fake.kill()


@pytest.mark.timeout(300)
def test_every_order_ends_as_its_answer_said(house: House, cluster: Cluster) -> None:
    """Each order x each refusal, before and after its answer; then nothing stands in its way, half of them anew."""
    server = house.server
    kubeconfig = cluster.service_account(server.namespace, ACCOUNT)
    account = Api(kubeconfig)
    user = f"system:serviceaccount:{server.namespace}:{ACCOUNT}"
    doors = Doors(cluster, account, user, house.places["rights"], house.places["policy"])
    each(house.cases, house.begin)
    doors.close()
    try:
        late, soon = ([case for case in house.cases if case.late is wanted] for wanted in (True, False))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(each, late, house.order)
            each(soon, house.order, 4)
            waiting.result()
        assert not all(case.told for case in soon)
        await_each(house, house.cases, meanwhile, 40)
        # Some find the door open while the server runs, the others after a restart.
        for case in house.cases[::2]:
            case.refused = False
        await_each(house, (case for case in house.cases[::2] if case.refusal.answer), finally_, 60)
        server.kill()
    finally:
        doors.open()
        account.close()
    for case in house.cases:
        case.refused = False
    server.ready()
    await_each(house, house.cases, finally_, 60)
    undone = [case for case in house.cases if case.op == "scale" and not case.goes_on]
    each(undone, house.order)
    wait("what was taken back to work now", lambda: {house.workers(case) for case in undone} == {MANY})
    stay = {case.id for case in house.cases if case.op == "scale" or (case.op == "create" and case.goes_on)}
    wait("nothing else to be left", lambda: house.left() == stay)
