"""Turns at changing images: so many threads at once, and no turn for large images."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.turns import SMALL_BYTES, turn


def test_half_of_the_threads_have_a_turn_at_once() -> None:
    allowed = max(1, cores() // 2)
    count = 2 * allowed + 2
    inside, most, lock, everyone = 0, 0, threading.Lock(), threading.Barrier(count)

    def work(_: int) -> None:
        nonlocal inside, most
        everyone.wait(60)
        with turn(np.zeros((1, 8, 8, 3), np.uint8)):
            with lock:
                inside += 1
                most = max(most, inside)
            # Long enough for all others to come in, if they may.
            threading.Event().wait(0.02)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(work, range(count)))
    assert most == allowed


def test_large_images_need_no_turn_and_errors_end_one() -> None:
    allowed, large = max(1, cores() // 2), np.zeros((1, SMALL_BYTES), np.uint8)
    small = large[:, :8]
    for _ in range(allowed + 1):
        with pytest.raises(ZeroDivisionError), turn(small):
            raise ZeroDivisionError
    both = threading.Barrier(allowed + 1)

    def work(_: int) -> None:
        with turn(large):
            both.wait(60)

    with ThreadPoolExecutor(allowed + 1) as threads:
        list(threads.map(work, range(allowed + 1)))


def test_a_turn_may_be_taken_within_another() -> None:
    small = np.zeros((1, 8, 8, 3), np.uint8)

    def work() -> None:
        for _ in range(cores() + 1):
            with turn(small), turn(small), turn(small):
                pass

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_a_forked_process_has_turns_of_its_own() -> None:
    small, count = np.zeros((1, 8, 8, 3), np.uint8), max(1, cores() // 2)
    taken, ended = threading.Barrier(count + 1), threading.Event()

    def hold() -> None:
        with turn(small):
            taken.wait(60)
            ended.wait(60)

    def take() -> None:
        with turn(small):
            pass

    with ThreadPoolExecutor(count) as threads:
        for _ in range(count):
            threads.submit(hold)
        taken.wait(60)
        child = multiprocessing.get_context("fork").Process(target=take, daemon=True)
        child.start()
        child.join(30)
        code = child.exitcode
        child.kill()
        ended.set()
    assert code == 0
