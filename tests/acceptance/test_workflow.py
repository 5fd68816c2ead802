"""A workflow of many jobs, submitted as one file, runs in an order that respects every edge."""

import json
import random
import subprocess
from pathlib import Path

from tests.acceptance.recording import completed, recorded, recorder
from tests.support import wait_until
from tests.support.server import command, running_server, running_worker
from whatsnext.api.client import Server

JOBS = 1_500
EDGES = 2_000


def random_edges(count: int, edges: int) -> set[tuple[int, int]]:
    """Edges (parent, child) without a circle: each goes from a lower to a higher place of a shuffled order."""
    dice = random.Random(20)  # noqa: S311  a seed for a repeatable graph, no secret
    order = list(range(count))
    dice.shuffle(order)
    found: set[tuple[int, int]] = set()
    while len(found) < edges:
        low, high = sorted(dice.sample(range(count), 2))
        found.add((order[low], order[high]))
    return found


def test_a_workflow_of_1500_jobs_from_one_file_respects_every_edge(tmp_path: Path) -> None:
    edges = random_edges(JOBS, EDGES)
    parents: dict[int, list[str]] = {number: [] for number in range(JOBS)}
    for parent, child in sorted(edges):
        parents[child].append(f"job-{parent}")
    lines = [
        json.dumps({"name": f"job-{n}", "task": "record", "ref": f"job-{n}", "depends_on": parents[n]})
        for n in range(JOBS)
    ]
    workflow = tmp_path / "workflow.jsonl"
    workflow.write_text("\n".join(lines) + "\n")
    with running_server(tmp_path, f"sqlite:///{tmp_path / 'queue.db'}") as server:
        project = Server("127.0.0.1", server.port).append_project("workflow")
        project.create_task("record", command_template=recorder(tmp_path))
        submitted = subprocess.run(
            command("jobs", "submit", str(workflow), "--project", "workflow", "--json", "--port", str(server.port)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert submitted.returncode == 0, submitted.stderr
        ids = json.loads(submitted.stdout)["job_ids"]
        with running_worker(server, tmp_path / "worker", "--cpus", "4", project="workflow"):
            wait_until(lambda: completed(project) == JOBS, timeout=180, why="the workflow is done")
    places = {(moment, job): place for place, (moment, job, _) in enumerate(recorded(tmp_path))}
    assert len(places) == 2 * JOBS
    broken = [(p, c) for p, c in edges if places["ran", ids[p]] > places["began", ids[c]]]
    assert broken == []
