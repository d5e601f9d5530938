"""The program of every replica: it calls the function and prints, signed, what that raises; the leader its value too.

It travels as a file and runs where nothing of ours is installed: the standard library and cloudpickle only.
"""

import base64
import hashlib
import hmac
import os
import sys
import traceback
import zlib
from typing import Any

MARK = "submarine-value"
MOST_BYTES = 256 * 1024
_LINE = 3000


def main() -> None:
    """Call the function. What it raises ends this process, as anywhere."""
    key = bytes.fromhex(os.environ.pop("SUBMARINE_CALL_KEY"))
    folder = os.environ["CODE_PATH"]
    wanted = os.environ["SUBMARINE_CALL_PYTHON"]
    if wanted != f"{sys.version_info[0]}.{sys.version_info[1]}":
        here = sys.version.split()[0]
        sys.exit(f"The function comes from Python {wanted}, this replica has {here}: use an image with that Python")
    sys.path.append(os.path.join(folder, "submarine_call"))  # where the image has not what a call needs
    import cloudpickle

    with open(os.path.join(folder, "submarine_call.pickle"), "rb") as file:
        function, args, kwargs = cloudpickle.load(file)
    try:
        value = function(*args, **kwargs)
    except Exception as error:
        said = _sendable(cloudpickle, error), type(error).__name__, str(error)[:10_000], _frames(error)
        _print(cloudpickle, key, ("error", said))
        raise
    if _leads():
        _print(cloudpickle, key, ("value", value))


def _print(cloudpickle: Any, key: bytes, outcome: tuple[str, Any]) -> None:
    try:
        pickled = cloudpickle.dumps(outcome)
    except Exception as error:  # noqa: BLE001 - of the user's own classes
        pickled = cloudpickle.dumps(("unsendable", f"{type(error).__name__}: {error}"))
    if len(pickled) > MOST_BYTES:
        pickled = cloudpickle.dumps(("large", len(pickled)))
    packed = zlib.compress(pickled, 1)
    bound = os.environ["SUBMARINE_EXPERIMENT_ID"].encode() + b"\n" + packed
    signature = hmac.new(key, bound, hashlib.sha256).hexdigest()
    text = base64.b64encode(packed).decode()
    parts = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    sys.stdout.flush()
    lines = [f"{MARK} {number} {part}" for number, part in enumerate(parts)]
    data = "\n".join([*lines, f"{MARK} end {signature}", ""]).encode()
    while data:
        data = data[os.write(1, data) :]


def _leads() -> bool:
    me = f"{os.environ['SUBMARINE_REPLICA_TYPE'].lower()}-{os.environ['SUBMARINE_REPLICA_INDEX']}"
    return me == os.environ["SUBMARINE_CALL_LEADER"]


def _sendable(cloudpickle: Any, error: Exception) -> bytes | None:
    try:
        pickled: bytes = cloudpickle.dumps(error)
        cloudpickle.loads(pickled)
    except Exception:  # noqa: BLE001 - of the user's own classes
        return None
    return pickled if len(pickled) <= MOST_BYTES // 2 else None


def _frames(error: Exception) -> list[tuple[str, int | None, str, str]]:
    trace = error.__traceback__
    found = traceback.extract_tb(trace.tb_next if trace else None)[-100:]
    return [(frame.filename, frame.lineno, frame.name, (frame.line or "")[:500]) for frame in found]


if __name__ == "__main__":
    main()
