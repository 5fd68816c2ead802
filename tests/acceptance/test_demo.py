"""The demo is what a newcomer runs first."""

import subprocess
import sys
from pathlib import Path

from tests.support import ROOT
from tests.support.server import clean_environment


def test_demo_ends_with_results_and_a_report(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/examples/demo/run.py")],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "16 COMPLETED" in done.stdout
    assert "job names needed 2 attempts" in done.stdout
    assert "left its files with the server, too: report.md, report.png" in done.stdout
    report = tmp_path / ".demo/report"
    assert "The best is **svm**" in (report / "report.md").read_text()
    assert (report / "report.png").read_bytes().startswith(b"\x89PNG")
