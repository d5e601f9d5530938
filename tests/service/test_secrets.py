from __future__ import annotations

import json
from typing import Any

import pytest

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.secrets import MASK, mask, restore

CANARY = "canary-31337"


def spec() -> dict[str, Any]:
    return ExperimentSpec.parse(
        {
            "meta": {
                "name": "x",
                "framework": "PyTorch",
                "cmd": "a",
                "envVars": {
                    "HF_TOKEN": CANARY,
                    "AWS_SECRET_ACCESS_KEY": CANARY,
                    "KEYBOARD": "qwerty",
                    "ENV_1": "ENV1",
                },
            },
            "spec": {"Worker": {"envVars": {"DB_PASSWORD": CANARY}}},
            "code": {"git": {"url": f"https://me:{CANARY}@host/repo.git", "password": CANARY}},
            "runtime": {"secrets": {"PLAIN_NAME": CANARY}},
        }
    ).wire()


def test_no_secret_value_is_left_and_nothing_else_is_touched() -> None:
    masked = mask(spec())
    assert CANARY not in json.dumps(masked)
    assert masked["meta"]["envVars"] == {
        "HF_TOKEN": MASK,
        "AWS_SECRET_ACCESS_KEY": MASK,
        "KEYBOARD": "qwerty",
        "ENV_1": "ENV1",
    }
    assert masked["code"]["git"]["url"] == f"https://me:{MASK}@host/repo.git"


def test_a_masked_spec_sent_back_means_unchanged() -> None:
    assert restore(mask(spec()), spec()) == spec()


def test_a_new_value_replaces_the_old_one() -> None:
    changed = mask(spec())
    changed["meta"]["envVars"]["HF_TOKEN"] = "new"
    assert restore(changed, spec())["meta"]["envVars"]["HF_TOKEN"] == "new"


def test_a_mask_without_a_source_is_refused_by_name() -> None:
    with pytest.raises(InvalidSpec, match=r"meta.envVars.HF_TOKEN: is the mask") as caught:
        restore(mask(spec()), None)
    assert len(caught.value.problems) == 6


def test_a_mask_cannot_fetch_the_secret_of_another_place() -> None:
    changed = mask(spec())
    changed["meta"]["envVars"]["ENV_2"] = MASK
    changed["code"]["git"]["url"] = f"https://me:{MASK}@evil/repo.git"
    with pytest.raises(InvalidSpec) as caught:
        restore(changed, spec())
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "meta.envVars.ENV_2",
        "code.git.url",
    ]
