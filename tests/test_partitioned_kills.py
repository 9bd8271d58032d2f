"""Whatever is killed, and when: over all parts an operation is there whole or not at all, and never twice."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from soak_partitioned import Pool, carry_out, digest_of, life, rows_of
from stores import NURSERY, survivors

from analytic_cl import LDAClassifier
from analytic_cl.distributed import PartitionedStore

KILLS = int(os.environ.get("ANALYTIC_CL_KILLS", "3"))
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

# Forks a child for each line "first operation, event to be killed at, or 0", where events are beginnings and ends of
# commits in any of the databases; the child says what it has done in a file.
CHILD = f"""
import os, signal, sys, tempfile, threading
sys.path.insert(0, {str(Path(__file__).parent)!r})
from soak_partitioned import carry_out, life
from analytic_cl import LDAClassifier
from analytic_cl.distributed import PartitionedStore
from analytic_cl.store.database import Transaction

commit = Transaction.__exit__.__code__
with tempfile.TemporaryDirectory() as folder:
    with PartitionedStore.create(folder + "/warm", LDAClassifier(), n_parts=2) as store:
        for operation, _ in life(5):
            carry_out(store, operation)
path, log, operations = sys.argv[1], sys.argv[2], [step for step, _ in life(int(sys.argv[3]))]

def child(first, event):
    acknowledged = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    def die(frame, *_):
        nonlocal event
        if frame.f_code is commit:
            event -= 1
            if event == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    if event:
        threading.setprofile(die)  # operations run in a thread of the store
    store = PartitionedStore.open(path)
    for k in range(first, len(operations)):
        carry_out(store, operations[k])
        os.write(acknowledged, b"%d\\n" % k)
    os._exit(0)
"""


def test_killed_at_any_moment_the_store_opens_before_or_after_the_operation_and_a_second_time_changes_nothing(tmp_path):
    path, log, chance = tmp_path / "store", tmp_path / "log", random.Random(KILLS)
    steps = list(life(20 * KILLS + 50))
    PartitionedStore.create(path, LDAClassifier(), n_parts=3).close()
    command = [sys.executable, "-c", CHILD + NURSERY, path, log, str(len(steps))]
    done, broken_off = -1, 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        assert nursery.stdout.readline() == "ready\n"
        for kill in range(KILLS):
            log.write_text("")
            by_time = kill % 3 == 2
            print(done + 1, 0 if by_time else chance.randint(1, 80), file=nursery.stdin, flush=True)
            pid = int(nursery.stdout.readline())
            if by_time:
                time.sleep(chance.uniform(0, 0.6))
                os.kill(pid, signal.SIGKILL)
            status = int(nursery.stdout.readline())
            assert status == signal.SIGKILL, f"the child ended with {status}"
            acknowledged = [int(line) for line in log.read_text().split()]
            done = acknowledged[-1] if acknowledged else done
            with PartitionedStore.open(path) as store:
                expected = [digest_of(steps[k][1] if k >= 0 else {}) for k in (done, done + 1)]
                assert store.state_digest() in expected, f"after kill {kill}, within {steps[done + 1][0]}"
                broken_off += store.audit()[-1]["event"] == "withdraw"
                store.verify(retrain=True)
                stay = steps[done + (store.state_digest() == expected[1])][1]
                gone = {name for _, held in steps[: done + 2] for name in held}.difference(stay)
                assert not survivors(path, [name.encode() + end for name in gone for end in (b'"', b'\\"')])
                carry_out(store, steps[done + 1][0])  # the caller, who never heard, sends it again
                done += 1
                assert store.state_digest() == digest_of(steps[done][1])
            assert done < len(steps) - 5
        nursery.stdin.close()
    print(f"{KILLS} kills in {done + 1} operations, {broken_off} batches taken back")
    with PartitionedStore.open(path) as store:
        assert store.verify(retrain=True).rows == len(steps[done][1])
        requests = store.requests()
    assert {request["status"] for request in requests} <= {"applied"}


def pool():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["analytic_cl.distributed"])  # the server has no threads, so forking it is safe
    return ProcessPoolExecutor(2, mp_context=context)


@pytest.mark.parametrize("events", [[2000, 5000], *[[50 * i, 200 * i] for i in range(1, KILLS // 10)]])
def test_a_worker_killed_in_the_middle_of_a_batch_or_a_request_costs_nothing(tmp_path, events):
    in_learning, in_erasing = events
    steps = list(life(3))
    held = {**steps[-1][1], **rows_of(100)}
    with (
        pool() as first,
        PartitionedStore.create(
            tmp_path / "store", LDAClassifier(), n_parts=2, executor=(workers := Pool(first))
        ) as store,
    ):
        for operation, _ in steps:
            carry_out(store, operation)
        workers.fatal["learn"] = in_learning
        with pytest.warns(RuntimeWarning, match="the executor is broken"):
            carry_out(store, ("learn", 100))
        assert store.n_rows == len(held)
    with pool() as second, PartitionedStore.open(tmp_path / "store", executor=(workers := Pool(second))) as store:
        workers.fatal["erase"] = in_erasing
        with pytest.warns(RuntimeWarning, match="the executor is broken"):
            receipt = store.forget(label=1, request_id="r")
        assert store.forget(label=1, request_id="r") == receipt
        assert [entry["event"] for entry in store.audit()][-2:] == ["learn", "forget"]
        stay = {name: row for name, row in held.items() if row[1] != 1}
        assert receipt.removed == len(held) - len(stay)
        assert store.state_digest() == digest_of(stay)
        assert store.verify(retrain=True).rows == len(stay)
