"""The Kubeflow SDK as a peer, in an environment of its own: it pins an older ``kubernetes``."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.gettempdir()) / f"submarine-bench-kubeflow-{sys.version_info.major}{sys.version_info.minor}"
PROGRAM = """
import json, time
from kubeflow.trainer import CustomTrainer, LocalProcessBackendConfig, TrainerClient

def train():
    print("ready", flush=True)

client = TrainerClient(backend_config=LocalProcessBackendConfig())
begin = time.perf_counter()
name = client.train(trainer=CustomTrainer(func=train), runtime=client.get_runtime("torch-distributed"))
first = None
while first is None and time.perf_counter() - begin < 20:
    for line in client.get_job_logs(name=name):
        if "ready" in line:
            first = time.perf_counter() - begin
            break
    time.sleep(0.01)
print(json.dumps({"ms": None if first is None else first * 1000}))
"""


def first_line_ms() -> float | str:
    """Return how long the SDK takes from train() to the first line (ms), or why that could not be measured."""
    python = FOLDER / "bin" / "python"
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", FOLDER], capture_output=True, check=False)
        pip = [str(python), "-m", "pip", "install", "--quiet", "kubeflow"]
        if made.returncode or subprocess.run(pip, capture_output=True, check=False, timeout=300).returncode:
            return "not installable here"
    # A file, because the SDK reads the source of the function it is given.
    program = FOLDER / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([python, program], capture_output=True, text=True, check=False, timeout=120)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return f"fails: {(done.stderr.strip().splitlines() or ['no output'])[-1][:80]}"
    found = json.loads(lines[-1])
    if found["ms"] is None:
        return "no line within 20 s"
    return float(found["ms"])
