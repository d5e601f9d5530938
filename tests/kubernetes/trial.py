"""Somebody else does something to each of many experiments, and what must hold afterwards."""

from __future__ import annotations

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.cluster.api import Api, wait
from tests.kubernetes.cases import EXPERIMENTS, Case, drawn, free_id
from tests.kubernetes.deeds import Scene
from tests.kubernetes.server import ClusterServer
from tests.kubernetes.things import STUCK, Json, Thing, belonging, everything

# Nothing of an experiment is read from these: they are not followed, or count only by their owner.
SILENT = ("secrets", "configmaps", "services", "pods")
FIELDS = ("status", "uid", "spec", "acceptedTime", "createdTime", "runningTime", "finishedTime")


class Trial:
    """A server that watches two namespaces, experiments in both, and somebody else."""

    def __init__(self, api: Api, server: ClusterServer, second: str, seed: str) -> None:
        self.api, self.server, self.second = api, server, second
        self.cases = drawn(seed)
        self.bystanders: dict[str, str] = {}
        self.before: dict[str, Json] = {}
        self.originals: dict[str, set[str]] = {}
        self.ended: set[str] = set()
        self.proofs: set[str] = set()
        self.look_alikes: list[Thing] = []
        self.wrong: list[str] = []
        """What does not hold; all of it is told at the end."""
        self.answers: list[httpx.Response] = []
        server.http.event_hooks["response"].append(self.answers.append)

    def begin(self) -> None:
        """Start the server, submit all experiments and wait until they run and their records are whole."""
        self.server.ready()
        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(self.submit, [case.kind for case in self.cases]))
            for case, experiment_id in zip(self.cases, ids, strict=True):
                case.id = experiment_id
            for kind, experiment_id in zip(EXPERIMENTS, pool.map(self.submit, EXPERIMENTS), strict=True):
                self.bystanders[kind] = experiment_id
            self.bystanders["elsewhere"] = self.submit("standalone", namespace=self.second)
        wait("all to run", lambda: {row["status"] for row in self.rows().values()} == {"Running"}, seconds=200)
        wait("all to be written down", self._sealed, seconds=100)
        self.before = self.rows()
        things = everything(self.api, self.server.namespace)
        for case in self.cases:
            roots = [uid for uid, thing in things.items() if thing.id == case.id and not thing.owners]
            self.originals[case.id] = belonging(things, roots)
            case.ours = {uid for uid in self.originals[case.id] if things[uid].written_by_us}
            case.roots = case.ours.intersection(roots)

    def submit(self, kind: str, *, namespace: str | None = None) -> str:
        """Submit an experiment of a kind."""
        target, body = EXPERIMENTS[kind]
        meta = {**body["meta"], "name": kind, "namespace": namespace or self.server.namespace}
        return self.server.submit({**body, "meta": meta, "runtime": {"target": target}})

    def rows(self) -> dict[str, Json]:
        """Return what the list of experiments says of each."""
        return {row["experimentId"]: {key: row[key] for key in FIELDS} for row in self.server.result("GET")}

    def _sealed(self) -> bool:
        things = everything(self.api, self.server.namespace).values()
        return all("submarine.apache.org/seal" in thing.notes for thing in things if not thing.owners)

    def do(self, cases: list[Case]) -> None:
        """Do what somebody else does."""
        things = everything(self.api, self.server.namespace).values()

        def one(numbered: tuple[int, Case]) -> None:
            number, case = numbered
            thing = case.find(things)
            other = Case(case.what, case.deed, self.bystanders[case.kind]).find(things)
            scene = Scene(other, self.second, free_id(case.id, 90_000 + number))
            try:
                case.planted = case.deed.do(self.api, thing, scene)
            except Exception as error:
                raise AssertionError(f"{case}: {error}") from error

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, enumerate(cases)))

    def lives(self) -> None:
        """Prove that the server still runs experiments, on every target."""
        for experiment_id in [self.submit(kind) for kind in ("tfjob", "jobset", "jobs")]:
            self.proofs.add(experiment_id)
            self.server.status(experiment_id, "Running", 120)

    def unchanged(self, of: Collection[str] | None = None, fields: Collection[str] = FIELDS) -> None:
        """Check that experiments, all or some, are as they were, but for what has ended or was changed in truth."""
        changing = {case.id for case in self.cases if case.deed.changes} | self.ended
        names = {case.id: str(case) for case in self.cases}
        now = self.rows()
        every = {
            key: difference(row, now.get(key), fields)
            for key, row in self.before.items()
            if key not in changing and (of is None or key in of)
        }
        self.wrong += [f"{names.get(key, key)}: {what}" for key, what in every.items() if what]

    def lose(self, *what: str) -> None:
        """Kill the server, and lose its database, and the key too if it is named."""
        self.server.kill()
        for case in self.cases:
            case.ours = case.roots
        for file in [*self.server.data.glob("submarine.db*"), *self.server.data.glob("backups/*")]:
            file.unlink()
        if "key" in what:
            (self.server.data / "signing.key").unlink()

    def restored(self) -> set[str]:
        """Return which of the experiments are known again; nobody else's may be."""
        known = self.rows().keys() - self.proofs
        self.wrong += [f"{key} was taken for an experiment" for key in known - self.before.keys()]
        return set(known & self.before.keys())

    def plant_look_alikes(self, count: int) -> None:
        """Plant copies of an own object as experiments that nobody has; they wait to be started."""
        things = everything(self.api, self.server.namespace).values()
        of = self.bystanders["standalone"]
        own = next(thing for thing in things if thing.id == of and not thing.owners)

        def one(number: int) -> Thing:
            name = free_id(of, 80_000 + number)
            raw = own.renamed(own.name.replace(of, name), name)
            raw["spec"]["suspend"] = True
            return Thing(own.plural, self.api.create(own.collection, raw))

        with ThreadPoolExecutor(8) as pool:
            self.look_alikes = list(pool.map(one, range(count)))

    def end(self, cases: list[Case]) -> None:
        """Stop or delete the experiments, the one or the other in turn, and check that nothing is left of them."""

        def one(numbered: tuple[int, Case]) -> None:
            number, case = numbered
            path, method = (f"/{case.id}/stop", "POST") if number % 2 else (f"/{case.id}", "DELETE")
            answer = self.server.http.request(method, self.server.url + path)
            assert answer.status_code == 200, f"{case}: {answer.text}"

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, enumerate(cases)))
        self.ended |= {case.id for case in cases}
        self._nothing_left(cases)

    def _nothing_left(self, cases: list[Case]) -> None:
        """Check that nothing is left of experiments but what Kubernetes itself cannot remove any more."""
        self._wait_empty(cases)
        for thing in everything(self.api, self.server.namespace).values():
            if thing.stuck and thing.deleting:
                rest = [item for item in thing.meta["finalizers"] if item != STUCK]
                self.api.patch(thing.path, {"metadata": {"finalizers": rest}})
        left = self._wait_empty(cases)
        self.wrong += [
            f"{case}: {thing.plural}/{thing.name}{' is being removed' if thing.deleting else ''} is left"
            for case, thing in left
        ]

    def _left(self, cases: list[Case]) -> list[tuple[Case, Thing]]:
        things = everything(self.api, self.server.namespace)
        held = waiting(things)
        return [
            (case, things[uid])
            for case in cases
            for uid in belonging(things, self.originals[case.id]) & things.keys() - held
            if uid in case.ours or not case.loses
        ]

    def _wait_empty(self, cases: list[Case]) -> list[tuple[Case, Thing]]:
        """Wait until nothing is left; return what is, once it has not become less for a while."""
        left, deadline = self._left(cases), time.monotonic() + 40
        deleted: set[str] = set()
        while left and time.monotonic() < deadline:
            for case in {case.id: case for case, _ in left if case.id not in deleted}.values():
                if self._ended_by_itself(case):
                    self.server.result("DELETE", f"/{case.id}")
                    deleted.add(case.id)
            time.sleep(0.5)
            before, left = left, self._left(cases)
            if len(left) < len(before):
                deadline = time.monotonic() + 40
        return left

    def _ended_by_itself(self, case: Case) -> bool:
        """Tell whether an experiment ended for what was done to it: then a stop leaves it as it is."""
        answer = self.server.http.get(f"{self.server.url}/{case.id}", params={"view": "full"})
        found = answer.json()["result"] if case.deed.changes and answer.status_code == 200 else None
        return found is not None and found["status"] == "Failed" and found["detail"]["reason"] != "Stopped"

    def left_alone(self) -> None:
        """Check that the server has neither removed nor written what is of somebody else."""
        now = {**everything(self.api, self.server.namespace), **everything(self.api, self.second)}
        planted = [(str(case), thing) for case in self.cases for thing in case.planted]
        for what, thing in [*planted, *(("a look-alike", thing) for thing in self.look_alikes)]:
            left = now.get(thing.uid)
            if left is None or left.deleting or left.written_by_us:
                how = "written by us" if left is not None and left.written_by_us else "removed"
                self.wrong.append(f"{what}: the {thing.plural}/{thing.name} of somebody else was {how}")
        elsewhere = [thing for thing in everything(self.api, self.second).values() if thing.written_by_us]
        theirs = self.bystanders["elsewhere"]
        self.wrong += [f"{thing.plural}/{thing.name} was made elsewhere" for thing in elsewhere if thing.id != theirs]

    def named(self) -> None:
        """Check that what somebody planted is counted in the health of the target, and some of it named."""
        told = [item["health"].get("strangers") or {"count": 0, "some": []} for item in self.server.targets()]
        named = {(item["namespace"], item["name"]) for one in told for item in one["some"]}
        every = [*self.look_alikes, *(thing for case in self.cases for thing in case.planted)]
        planted = [thing for thing in every if thing.plural not in SILENT]
        if (count := sum(one["count"] for one in told)) < len(planted) or not named:
            missing = [
                f"{thing.plural}/{thing.name}"
                for thing in planted
                if (thing.meta["namespace"], thing.name) not in named
            ]
            self.wrong.append(f"{len(planted)} objects were planted, {count} are strangers; not named: {missing}")

    def quiet(self) -> None:
        """Check that no answer was 5xx and nothing failed in the log."""
        log = (self.server.folder / "server.log").read_text(errors="replace")
        wrong = [line for line in log.splitlines() if line.startswith(("[E ", "[C ", "Traceback"))]
        self.wrong += wrong + [
            f"{item.request.url}: {item.status_code}" for item in self.answers if item.status_code >= 500
        ]


def waiting(things: dict[str, Thing]) -> set[str]:
    """Return the uids of what is being removed and only waits for somebody else's finalizer, with all that owns it."""
    found = {uid for uid, thing in things.items() if thing.stuck and thing.deleting}
    while more := {owner for uid in found for owner in things[uid].owners if owner in things} - found:
        found |= more
    return found


def difference(before: Json, now: Json | None, fields: Collection[str]) -> str:
    """Return what has changed of a row, if anything."""
    if now is None:
        return "it is gone"
    return "; ".join(f"{key} was {before[key]}, is {now[key]}" for key in fields if before[key] != now[key])
