"""What a user installs holds everything that is needed."""

import subprocess
import sys
import zipfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def test_the_wheel_holds_presets_templates_and_type_marker(tmp_path):
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        names = set(wheel.namelist())
    tracked = [p for p in (PROJECT / "src" / "spikewise").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    missing = {str(p.relative_to(PROJECT / "src")) for p in tracked} - names
    assert not missing
    assert {"spikewise/py.typed", "spikewise/price/presets/rram-64-32nm.toml"} <= names
