"""Write container images without a registry or a daemon: OCI archives, as `ctr images import` reads them."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_MEDIA = "application/vnd.oci.image"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A path in an image: a copy of `source` (a file or a link), a link to `link`, or else a folder."""

    path: str
    source: Path | None = None
    link: str | None = None
    mode: int = 0o755


def layer(folder: Path, entries: Iterable[Entry]) -> Path:
    """Write the files of one layer to `folder`, and return the path: its name is its digest."""
    draft = folder / "layer"
    seen: set[str] = set()
    with tarfile.open(draft, "w") as tar:
        for entry in entries:
            if entry.path not in seen:
                seen.add(entry.path)
                _add(tar, entry)
    with draft.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return draft.rename(folder / f"{digest}.layer")


def stream(to: IO[bytes], name: str, layers: Sequence[Path], config: Mapping[str, Any]) -> None:
    """Write the archive of an image called `name`; `config` is the `config` of the OCI image specification."""
    digests = [f"sha256:{path.stem}" for path in layers]
    image = {
        "architecture": _ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": digests},
    }
    configuration = json.dumps(image).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_MEDIA}.manifest.v1+json",
        "config": _descriptor("config.v1+json", _sha256(configuration), len(configuration)),
        "layers": [
            _descriptor("layer.v1.tar", digest, path.stat().st_size)
            for digest, path in zip(digests, layers, strict=True)
        ],
    }
    text = json.dumps(manifest).encode()
    entry = _descriptor("manifest.v1+json", _sha256(text), len(text))
    index = {"schemaVersion": 2, "manifests": [entry | {"annotations": {"io.containerd.image.name": name}}]}
    with tarfile.open(fileobj=to, mode="w|", bufsize=1 << 20) as tar:
        _add_text(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add_text(tar, "index.json", json.dumps(index).encode())
        for blob in (configuration, text):
            _add_text(tar, _blob(_sha256(blob)), blob)
        for digest, path in zip(digests, layers, strict=True):
            tar.add(path, _blob(digest))


def tree(source: Path, path: str, skip: frozenset[str] = frozenset()) -> Iterator[Entry]:
    """Yield a folder and all below it, but for files and folders with a name in `skip`."""
    yield Entry(path)
    for item in sorted(source.iterdir()):
        if item.name in skip:
            continue
        if item.is_dir() and not item.is_symlink():
            yield from tree(item, f"{path}/{item.name}", skip)
        else:
            yield Entry(f"{path}/{item.name}", item)


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    if entry.source is not None:
        tar.add(entry.source, entry.path, recursive=False, filter=_readable)
        return
    information = tarfile.TarInfo(entry.path)
    information.type = tarfile.SYMTYPE if entry.link else tarfile.DIRTYPE
    information.linkname = entry.link or ""
    information.mode = entry.mode
    tar.addfile(information)


def _readable(information: tarfile.TarInfo) -> tarfile.TarInfo:
    """Make a file root's and readable for the user that a container runs as."""
    information.uid = information.gid = 0
    information.uname = information.gname = "root"
    information.mode = 0o755 if information.mode & 0o100 else 0o644
    return information


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"{_MEDIA}.{kind}", "digest": digest, "size": size}


def _add_text(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    information = tarfile.TarInfo(path)
    information.size = len(content)
    tar.addfile(information, io.BytesIO(content))


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
