"""Trees that tell whether a fruit is ripe. Each worker has rows of its own; XGBoost adds up what they count."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import xgboost
from xgboost import collective
from xgboost.tracker import RabitTracker

ROUNDS, ROWS = 20, 4000
MODEL = Path("output", "model.json")
WORKERS = int(os.environ.get("DMLC_NUM_WORKER", "1"))
TASK = int(os.environ.get("DMLC_TASK_ID", "0"))


def fruits() -> tuple[np.ndarray, np.ndarray]:
    """Colour, size, weight and a number that means nothing, and whether it is ripe; the same in every worker."""
    random = np.random.default_rng(0)
    # few different values: then all workers agree about where to cut them
    rows = random.integers(0, 32, (ROWS, 4)).astype(np.float32)
    ripe = rows[:, 0] + 0.5 * rows[:, 1] * (rows[:, 2] > 16) + random.normal(0, 3, ROWS) > 20
    return rows, ripe.astype(np.float32)


def start_tracker() -> threading.Thread:
    """The tracker, which tells the workers of each other; it ends when all of them have left."""
    port = int(os.environ["DMLC_TRACKER_PORT"])
    host = socket.gethostbyname(os.environ["DMLC_TRACKER_URI"])
    tracker = RabitTracker(n_workers=WORKERS, host_ip=host, port=port, sortby="task")
    tracker.start()
    thread = threading.Thread(target=tracker.wait_for, daemon=True)
    thread.start()
    return thread


def wait_for_tracker() -> None:
    """Until it answers: XGBoost itself waits seconds between its tries. The tracker wonders who this was."""
    where = os.environ["DMLC_TRACKER_URI"], int(os.environ["DMLC_TRACKER_PORT"])
    for _ in range(600):
        try:
            socket.create_connection(where, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def train() -> None:
    rows, ripe = fruits()
    rank, workers = collective.get_rank(), collective.get_world_size()
    mine = xgboost.DMatrix(rows[rank::workers], ripe[rank::workers])
    print(f"worker {rank} of {workers}: {mine.num_row()} of {ROWS} rows", flush=True)
    settings = {"objective": "binary:logistic", "max_depth": 4, "tree_method": "hist", "nthread": 1}
    seen: dict[str, dict[str, list[float]]] = {}
    booster = xgboost.train(settings, mine, ROUNDS, evals=[(mine, "all")], evals_result=seen, verbose_eval=False)
    if rank == 0:
        losses = seen["all"]["logloss"]
        for number in range(4, ROUNDS, 5):
            print(f"round {number + 1}  loss {losses[number]:.5f}")
        MODEL.parent.mkdir(exist_ok=True)
        booster.save_model(MODEL)
        print(f"{booster.num_boosted_rounds()} trees saved to {MODEL}")


def main() -> None:
    if WORKERS == 1:
        train()
        return
    tracker = start_tracker() if TASK == 0 else None
    if tracker is None:
        wait_for_tracker()
    where = {
        "dmlc_tracker_uri": os.environ["DMLC_TRACKER_URI"],
        "dmlc_tracker_port": int(os.environ["DMLC_TRACKER_PORT"]),
    }
    with collective.CommunicatorContext(dmlc_communicator="rabit", dmlc_task_id=str(TASK), dmlc_retry=60, **where):
        train()
    if tracker is not None:
        tracker.join()


if __name__ == "__main__":
    main()
