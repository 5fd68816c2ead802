"""The stages of the demo: each is an ordinary command-line program that knows nothing of WhatsNext.

python stages.py prepare --data digits.npz
python stages.py train --data digits.npz --model svm --strength 1.0 --seed 0 --scores scores/
python stages.py names --data names.json
python stages.py choose --scores scores/ --best best.json
python stages.py report --data digits.npz --names names.json --scores scores/ --best best.json --report report/
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np


@click.group()
def stages() -> None:
    """Run one stage of the digits example."""


@stages.command()
@click.option("--data", type=Path, required=True)
def prepare(data: Path) -> None:
    """Load scikit-learn's digits (1,797 images of 8 x 8 pixels), split them and write them down."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    splits = train_test_split(digits.data / 16.0, digits.target, test_size=0.3, random_state=0, stratify=digits.target)
    np.savez(data, **dict(zip(("x_train", "x_test", "y_train", "y_test"), splits, strict=True)))
    click.echo(f"{len(splits[0])} images to train on, {len(splits[1])} to test on")


@stages.command()
@click.option("--data", type=Path, required=True)
def names(data: Path) -> None:
    """Write the names of the ten classes; the first attempt meets an outage, so that a retry can be seen."""
    if os.environ.get("WHATSNEXT_ATTEMPT") == "1":
        sys.exit("the name service is not reachable (this first attempt fails on purpose)")
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    data.write_text(json.dumps(words), encoding="utf-8")


def build(model: str, strength: float, seed: int, threads: int) -> Any:
    """Return an untrained classifier of one kind."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    match model:
        case "svm":
            return SVC(C=strength, gamma="scale", random_state=seed)
        case "forest":
            return RandomForestClassifier(n_estimators=int(strength), n_jobs=threads, random_state=seed)
        case _:
            return LogisticRegression(C=strength, max_iter=2000, random_state=seed)


@stages.command()
@click.option("--data", type=Path, required=True)
@click.option("--model", type=click.Choice(["svm", "forest", "logistic"]), required=True)
@click.option("--strength", type=float, required=True)
@click.option("--seed", type=int, default=0)
@click.option("--scores", type=Path, required=True)
def train(data: Path, model: str, strength: float, seed: int, scores: Path) -> None:
    """Cross-validate one classifier, test it, and write its scores."""
    from sklearn.model_selection import cross_val_score

    loaded = np.load(data)
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    started = time.perf_counter()
    classifier = build(model, strength, seed, threads)
    folds = cross_val_score(classifier, loaded["x_train"], loaded["y_train"], cv=5)
    classifier.fit(loaded["x_train"], loaded["y_train"])
    score = {
        "model": model,
        "strength": strength,
        "seed": seed,
        "validation": float(folds.mean()),
        "test": float(classifier.score(loaded["x_test"], loaded["y_test"])),
        "seconds": time.perf_counter() - started,
        "threads": threads,
    }
    scores.mkdir(parents=True, exist_ok=True)
    (scores / f"{model}-{strength:g}-{seed}.json").write_text(json.dumps(score), encoding="utf-8")
    if result := os.environ.get("WHATSNEXT_RESULT"):
        Path(result).write_text(json.dumps(score), encoding="utf-8")
    click.echo(f"{model} {strength:g}: {score['validation']:.4f} in validation, {score['test']:.4f} in the test")


def read_scores(scores: Path) -> list[dict[str, Any]]:
    """Return all scores, best in validation first."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(scores.glob("*.json"))]
    return sorted(found, key=lambda score: -score["validation"])


@stages.command()
@click.option("--scores", type=Path, required=True)
@click.option("--best", type=Path, required=True)
def choose(scores: Path, best: Path) -> None:
    """Pick the classifier that did best in validation."""
    ranked = read_scores(scores)
    best.write_text(json.dumps(ranked[0]), encoding="utf-8")
    click.echo(f"the best of {len(ranked)} is {ranked[0]['model']} with {ranked[0]['strength']:g}")


@stages.command()
@click.option("--data", type=Path, required=True)
@click.option("--names", "names_path", type=Path, required=True)
@click.option("--scores", type=Path, required=True)
@click.option("--best", type=Path, required=True)
@click.option("--report", type=Path, required=True)
def report(data: Path, names_path: Path, scores: Path, best: Path, report: Path) -> None:
    """Train the best classifier once more, and write a page with its table, its curve and its mistakes."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from sklearn.metrics import ConfusionMatrixDisplay

    loaded, ranked = np.load(data), read_scores(scores)
    chosen, words = json.loads(best.read_text(encoding="utf-8")), json.loads(names_path.read_text(encoding="utf-8"))
    classifier = build(chosen["model"], chosen["strength"], chosen["seed"], 1)
    classifier.fit(loaded["x_train"], loaded["y_train"])
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.2), layout="constrained")
    labels = [f"{score['model']} {score['strength']:g}" for score in ranked]
    left.barh(labels[::-1], [100 * (1 - score["validation"]) for score in ranked[::-1]], color="#4c78a8")
    left.set(xlabel="error in 5-fold cross-validation (%)", title="The sweep, best at the top")
    ConfusionMatrixDisplay.from_estimator(
        classifier, loaded["x_test"], loaded["y_test"], display_labels=words, xticks_rotation=45, ax=right, cmap="Blues"
    )
    right.set_title(f"{chosen['model']} {chosen['strength']:g} on images it has not seen")
    report.mkdir(parents=True, exist_ok=True)
    figure.savefig(report / "report.png", dpi=110)
    rows = "\n".join(
        f"| {score['model']} | {score['strength']:g} | {score['validation']:.4f} | {score['test']:.4f} "
        f"| {score['seconds']:.1f} | {score['threads']} |"
        for score in ranked
    )
    (report / "report.md").write_text(
        "# Digits\n\n| model | strength | validation | test | seconds | CPUs |\n|---|---|---|---|---|---|\n"
        f"{rows}\n\nThe best is **{chosen['model']}** with {chosen['strength']:g}: "
        f"{100 * chosen['test']:.2f} % right on the test images.\n\n![sweep and confusion matrix](report.png)\n",
        encoding="utf-8",
    )
    if artifacts := os.environ.get("WHATSNEXT_ARTIFACTS"):
        shutil.copytree(report, artifacts, dirs_exist_ok=True)


if __name__ == "__main__":
    stages()
