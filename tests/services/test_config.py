"""What the service is told: the name it keeps, and targets that cannot be."""

from __future__ import annotations

import asyncio
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.config import ServiceConfig, is_instance, kept_instance, kept_key
from submarine_jupyter_server.opening.wiring import Service


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


def test_the_signing_key_is_made_once_even_by_many_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(20) as pool:
        found = set(pool.map(kept_key, [tmp_path] * 20))
    assert found == {kept_key(tmp_path)}
    assert len(found.pop()) == 32
    assert [path.name for path in tmp_path.iterdir()] == ["signing.key"]
    assert stat.S_IMODE((tmp_path / "signing.key").stat().st_mode) == 0o600
    other = tmp_path / "other"
    other.mkdir()
    assert kept_key(other) != kept_key(tmp_path)


def test_a_signing_key_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    key = kept_key(tmp_path)
    (tmp_path / "signing.key").chmod(0o644)
    assert kept_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "signing.key").stat().st_mode) == 0o600


def test_a_signing_key_that_is_given_may_be_mounted_for_a_group(tmp_path: Path) -> None:
    (tmp_path / "..data").write_text("AB" * 32 + "\n")
    (tmp_path / "..data").chmod(0o440)
    (tmp_path / "shared").symlink_to("..data")
    assert kept_key(tmp_path, tmp_path / "shared") == b"\xab" * 32
    assert stat.S_IMODE((tmp_path / "..data").stat().st_mode) == 0o440
    assert not (tmp_path / "signing.key").exists()


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("content", [b"", b"secret", b"\xff" * 64, b"0" * 63, b"0" * 5000, b"g" * 64, "fifo", "link"])
def test_a_damaged_signing_key_is_not_replaced_and_never_shown(
    tmp_path: Path, content: bytes | str, given: bool
) -> None:
    path = tmp_path / "signing.key"
    if content == "fifo":
        os.mkfifo(path)
    elif content == "link":
        path.symlink_to(tmp_path / "nowhere")
    else:
        assert isinstance(content, bytes)
        path.write_bytes(content)
    with pytest.raises(Unavailable, match="signing key") as refused:
        kept_key(tmp_path, path if given else None)
    text = f"{refused.value} {refused.value.hint} {refused.value.__cause__}"
    assert "Put" in text
    assert str(path) in text
    if isinstance(content, bytes):
        assert path.read_bytes() == content
        assert not content or content.decode("latin1") not in text


def test_a_signing_key_is_not_part_of_what_is_printed(config: ServiceConfig) -> None:
    assert "KEY" not in repr(replace(config, signing_key=b"KEY"))


async def test_no_key_is_made_where_there_is_no_cluster(config: ServiceConfig) -> None:
    service = await Service.open(config)
    await service.close()
    assert not (config.data_dir / "signing.key").exists()


async def test_a_target_on_a_cluster_has_the_key_and_nothing_shows_it(config: ServiceConfig) -> None:
    given = config.data_dir.parent / "shared.key"
    given.write_text("ab" * 32)
    targets = {"prod": {"kubeconfig": str(config.data_dir / "nowhere")}}
    service = await Service.open(replace(config, targets=targets, signing_key_file=given))
    try:
        assert service.config.signing_key == b"\xab" * 32
        for _ in range(1000):  # what is begun in a thread comes to its end
            if "asked" not in str(service.compute_targets["prod"].health()):
                break
            await asyncio.sleep(0.01)
        assert "abab" not in f"{service.config} {await service._describe()} {list(service.notices)}"
    finally:
        await service.close()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"default_target": "moon"},
            "SubmarineExtension.default_target: unknown target 'moon'; the targets are local.",
        ),
        ({"local_enabled": False}, "unknown target 'local'; the targets are none at all."),
        (
            {"targets": {"x": {"imgae": "a"}}},
            r"SubmarineExtension.targets\['x'\].imgae: unknown option; the options are",
        ),
    ],
)
async def test_targets_that_cannot_be_keep_the_service_closed(
    config: ServiceConfig, changes: dict[str, object], problem: str
) -> None:
    with pytest.raises(Unavailable, match=problem):
        await Service.open(replace(config, **changes))  # type: ignore[arg-type]
    assert not (config.data_dir / "submarine.db").exists()
