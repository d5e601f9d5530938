from __future__ import annotations

import json
from typing import Any

import pytest

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.masking.masks import MASK, mask, restore

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


def with_commands(command: str) -> dict[str, Any]:
    found = spec()
    found["meta"]["cmd"] = command
    found["environment"]["kernelSpec"] = {"name": "k", "channels": None, "condaDependencies": None}
    found["environment"]["kernelSpec"]["pipDependencies"] = [f"git+https://u:{CANARY}@h/r", "numpy"]
    return ExperimentSpec.parse(found).wire()


def test_a_command_and_a_requirement_are_shown_without_the_credentials_in_them() -> None:
    whole = with_commands(f"curl https://me:{CANARY}@host/x | python train.py")
    masked = mask(whole)
    assert CANARY not in json.dumps(masked)
    assert masked["meta"]["cmd"] == f"curl https://me:{MASK}@host/x | python train.py"
    assert masked["environment"]["kernelSpec"]["pipDependencies"] == [f"git+https://u:{MASK}@h/r", "numpy"]
    assert restore(masked, whole) == whole


def test_a_command_that_was_changed_around_its_mask_is_refused() -> None:
    whole = with_commands(f"curl https://me:{CANARY}@host/x")
    changed = mask(whole)
    changed["meta"]["cmd"] = changed["meta"]["cmd"].replace("host", "evil")
    with pytest.raises(InvalidSpec, match=r"meta.cmd: is the mask"):
        restore(changed, whole)


def test_a_secret_that_only_its_value_tells_is_masked_and_restored() -> None:
    whole = spec()
    whole["meta"]["envVars"]["STORE"] = f"postgres://u:{CANARY}@db/x"
    masked = mask(whole)
    assert masked["meta"]["envVars"]["STORE"] == MASK
    assert restore(masked, whole) == whole
