"""What the service is told: the name it keeps, and targets that cannot be."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.config import ServiceConfig, is_instance, kept_instance
from submarine_jupyter_server.service import Service


def test_the_name_of_the_server_is_made_once_even_by_many_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(20) as pool:
        found = set(pool.map(kept_instance, [tmp_path] * 20))
    assert found == {kept_instance(tmp_path)}
    assert is_instance(found.pop())
    assert [path.name for path in tmp_path.iterdir()] == ["instance"]
    assert stat.S_IMODE((tmp_path / "instance").stat().st_mode) == 0o600
    other = tmp_path / "other"
    other.mkdir()
    assert kept_instance(other) != kept_instance(tmp_path)


@pytest.mark.parametrize("content", [b"", b"Not A Label", b"\xff\xfe", b"a" * 41])
def test_a_damaged_name_is_not_replaced_by_another(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "instance").write_bytes(content)
    with pytest.raises(Unavailable, match="instance"):
        kept_instance(tmp_path)
    assert (tmp_path / "instance").read_bytes() == content


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"default_target": "moon"}, "SubmarineExtension.default_target: there is no target 'moon', but local."),
        ({"local_enabled": False}, "there is no target 'local', but none at all."),
        ({"targets": {"x": {"imgae": "a"}}}, r"SubmarineExtension.targets\['x'\].imgae: no such option; there are"),
    ],
)
async def test_targets_that_cannot_be_keep_the_service_closed(
    config: ServiceConfig, changes: dict[str, object], problem: str
) -> None:
    with pytest.raises(Unavailable, match=problem):
        await Service.open(replace(config, **changes))  # type: ignore[arg-type]
    assert not (config.data_dir / "submarine.db").exists()
