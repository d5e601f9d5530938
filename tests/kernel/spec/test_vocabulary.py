from __future__ import annotations

from submarine_jupyter.spec.vocabulary import FINAL, FRAMEWORKS, LEADERS, ROLES, replica_order


def test_every_role_of_a_framework_has_its_place_in_the_order() -> None:
    assert {role for roles in FRAMEWORKS.values() for role in roles} == set(ROLES)
    assert ROLES[: len(LEADERS)] == LEADERS


def test_replicas_stand_by_role_and_number_and_what_is_unknown_comes_last() -> None:
    names = ["other-0", "evaluator-0", "worker-10", "worker-9", "ps-0", "master-0", "chief-0"]
    assert sorted(names, key=replica_order) == [
        "chief-0", "master-0", "ps-0", "worker-9", "worker-10", "evaluator-0", "other-0",
    ]  # fmt: skip


def test_three_statuses_are_final() -> None:
    assert FINAL == ("Succeeded", "Failed", "Deleted")
