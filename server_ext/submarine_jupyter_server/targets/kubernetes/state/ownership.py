"""Whose each object is: by the uids that the cluster gave to what was made for us, and by who controls whom.

Labels only find. An object that bears ours and is none of those that were made is a stranger: it is kept here, so that
it can be named, and so that it can turn out to be ours after all. The streams of pods and of what makes them come in
any order, and an object may be in its stream before the answer to its creation is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from submarine_jupyter_server.targets.kubernetes.manifests import KINDS
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import ATTEMPT, GENERATION
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.own_record import record
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.seal import SEAL, has_token, is_sealed
from submarine_jupyter_server.targets.protocol import Made, ObjectRef

from .experiment_state import ExperimentState
from .views import JobView, PodView

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Signature:
    """With what this server signs: its key, its name, and the name of its target."""

    key: bytes
    instance: str
    target: str

    def is_on(self, job: JobView) -> bool:
        """Return whether the record on an object is ours, whole, and of this very object."""
        notes = dict(job.notes)
        return is_sealed(self.key, notes, job.ref, job.experiment_id, self.instance, self.target)


class Ownership:
    """The objects of all experiments, and those of nobody we know.

    ``experiments`` are those with objects on the cluster, and those that are about to have some.
    """

    def __init__(self, signature: Signature) -> None:
        self.experiments: dict[str, ExperimentState] = {}
        self.signature = signature
        self._of: dict[str, ExperimentState] = {}
        self._jobs: dict[str, JobView] = {}
        self._jobs_of: dict[str, set[str]] = {}
        self._pods: dict[str, dict[str, PodView]] = {}

    def state_of(self, experiment_id: str) -> ExperimentState:
        """Return what is known of an experiment, which may not be on the cluster yet."""
        return self.experiments.setdefault(experiment_id, ExperimentState(experiment_id))

    def forget(self, state: ExperimentState) -> None:
        """Drop an experiment of which nothing is left."""
        if self.experiments.get(state.experiment_id) is state:
            del self.experiments[state.experiment_id]
        self._disown(state)

    def claim(self, state: ExperimentState, made: Made) -> list[JobView | PodView]:
        """Record what was made for an experiment; return what of it was there already."""
        if state.present != made.attempt:
            self._disown(state)
        state.take(made)
        found: list[JobView | PodView] = []
        for ref in made.objects:
            self._own(state, ref.uid)
            if (job := self._jobs.get(ref.uid)) is not None:
                self._take(state, job)
                found.append(job)
            found += self._follow(ref.uid, state)
        return found

    def whose(self, uid: str) -> ExperimentState | None:
        """Return the experiment that an object which makes pods belongs to."""
        return self._of.get(uid)

    def put_job(self, job: JobView) -> tuple[ExperimentState | None, list[JobView | PodView]]:
        """Take in an object that makes pods; return whose it is, and what else turns out to be of that one."""
        state = self._of.get(job.uid) or self._by_owner(job) or self._by_record(job)
        if state is None:
            self._jobs[job.uid] = job
            self._jobs_of.setdefault(job.owner_uid, set()).add(job.uid)
            return None, []
        self._take(state, job)
        return state, self._follow(job.uid, state)

    def drop_job(self, job: JobView, *, watched: bool = False) -> ExperimentState | None:
        """Take out an object that makes pods; return whose it was. ``watched``: a stream reported that it went."""
        self._unstranger(job)
        if (state := self._of.get(job.uid)) is not None:
            state.drop_job(job, watched=watched)
        return state

    def whose_pod(self, pod: PodView) -> ExperimentState | None:
        """Return the experiment that a pod belongs to."""
        owner = self._of.get(pod.owner_uid)
        if owner is not None:
            return owner if owner.experiment_id == pod.experiment_id else None
        known = self.experiments.get(pod.experiment_id)
        return known if known is not None and pod.uid in known.pods else None

    def put_pod(self, pod: PodView) -> ExperimentState | None:
        """Take in a pod; return whose it is."""
        if (state := self.whose_pod(pod)) is None:
            self._pods.setdefault(pod.owner_uid, {})[pod.uid] = pod
        else:
            state.put_pod(pod)
        return state

    def drop_pod(self, pod: PodView) -> ExperimentState | None:
        """Take out a pod; return whose it was."""
        if (state := self.whose_pod(pod)) is not None:
            state.drop_pod(pod)
        elif (found := self._pods.get(pod.owner_uid)) is not None:
            found.pop(pod.uid, None)
            if not found:
                del self._pods[pod.owner_uid]
        return state

    def bearing_token(self, state: ExperimentState) -> Iterator[ObjectRef]:
        """Yield what was made for an order whose answer did not come: nobody else can know its token."""
        for job in list(self._jobs.values()):
            if job.experiment_id == state.experiment_id and self._has_token(state, job):
                yield job.ref

    def strangers(self) -> list[tuple[JobView, str]]:
        """Return what bears our labels and is not ours, each with why; not those whose order is under way."""
        return [
            (job, why)
            for job in self._jobs.values()
            if not job.controlled and (why := self._why_strange(job)) is not None
        ]

    def described(self) -> dict[str, object]:
        """Return how many strangers there are, and some of them, for people."""
        found = self.strangers()
        some = [
            {"kind": job.kind, "namespace": job.namespace, "name": job.name, "why": why}
            for job, why in found[:_MOST_NAMED]
        ]
        return {"count": len(found), "some": some}

    def _by_owner(self, job: JobView) -> ExperimentState | None:
        """Return whose a Job is that another object of ours made, or that was made with one we have from its record."""
        owner = self._of.get(job.owner_uid)
        if owner is None or job.kind != "Job" or job.experiment_id != owner.experiment_id:
            return None
        if job.controlled:
            return owner if owner.kind is not None and KINDS[owner.kind].makes_jobs else None
        if not (owner.authentic and owner.made is not None and self._has_token(owner, job)):
            return None
        owner.made = replace(owner.made, objects=(*owner.made.objects, job.ref))
        return owner

    def _by_record(self, job: JobView) -> ExperimentState | None:
        """Return the experiment that a signed record names, unless something later is known of it."""
        notes = dict(job.notes)
        if SEAL not in notes or not self.signature.is_on(job):
            return None
        known = self.experiments.get(job.experiment_id)
        numbers = int(notes[ATTEMPT]), int(notes[GENERATION])  # ours: they are in order
        if known is not None and known.made is not None and numbers <= (known.made.attempt, known.made.generation):
            return None
        try:
            launch = record(notes, job.ref, job.experiment_id)
        except ValueError:
            return None
        state = self.state_of(job.experiment_id)
        self.claim(state, Made(launch.experiment_id, launch.uid, launch.attempt, launch.generation, (job.ref,)))
        state.launch, state.authentic = launch, True
        return state

    def _has_token(self, state: ExperimentState, job: JobView) -> bool:
        launch = state.launch
        return launch is not None and has_token(self.signature.key, dict(job.notes), launch, job.ref)

    def _take(self, state: ExperimentState, job: JobView) -> None:
        self._unstranger(job)
        self._own(state, job.uid)
        state.put_job(job)

    def _own(self, state: ExperimentState, uid: str) -> None:
        self._of[uid] = state
        state.known.add(uid)

    def _disown(self, state: ExperimentState) -> None:
        for uid in state.known:
            self._of.pop(uid, None)
        state.known.clear()

    def _follow(self, uid: str, state: ExperimentState) -> list[JobView | PodView]:
        """Take what was there before the object that it belongs to."""
        pods = list(self._pods.pop(uid, {}).values())
        found: list[JobView | PodView] = [pod for pod in pods if self.put_pod(pod) is not None]
        for child in [self._jobs[child] for child in self._jobs_of.get(uid, ())]:
            if self._by_owner(child) is state:
                self._take(state, child)
                found += [child, *self._follow(child.uid, state)]
        return found

    def _unstranger(self, job: JobView) -> None:
        if (known := self._jobs.pop(job.uid, None)) is not None:
            siblings = self._jobs_of[known.owner_uid]
            siblings.discard(job.uid)
            if not siblings:
                del self._jobs_of[known.owner_uid]

    def _why_strange(self, job: JobView) -> str | None:
        state = self.experiments.get(job.experiment_id)
        if state is not None and state.unmade and self._has_token(state, job):
            return None
        if not job.experiment_id:
            return "this server never assigns its name"
        if state is not None and (ref := state.ref) is not None:
            return f"{job.experiment_id} is the {ref.kind} {ref.namespace}/{ref.name} with another uid"
        if SEAL not in dict(job.notes):
            return "its record is not signed"
        if not self.signature.is_on(job):
            return "its record is not signed by this server, or was changed after that"
        try:
            record(dict(job.notes), job.ref, job.experiment_id)
        except ValueError as error:
            return str(error)
        return "what is known of its experiment is newer"
