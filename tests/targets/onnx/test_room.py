"""Room on a device: never more images than it holds, in the order of asking."""

import threading

from blackbox_dft.targets.onnx.room import Room


def test_no_more_images_than_there_is_room_for() -> None:
    room, most, lock, here = Room(100), 0, threading.Lock(), 0

    def call(images: int) -> None:
        nonlocal most, here
        for _ in range(50):
            with room.taken(images):
                with lock:
                    here += min(images, 100)
                    most = max(most, here)
                with lock:
                    here -= min(images, 100)

    threads = [threading.Thread(target=call, args=(images,)) for images in (16, 16, 16, 64, 100, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not [thread for thread in threads if thread.is_alive()]
    assert 0 < most <= 100
    assert room.free == 100


def test_a_small_call_does_not_pass_a_large_one() -> None:
    room, order = Room(100), []
    begun = [threading.Event(), threading.Event()]

    def call(number: int, images: int) -> None:
        begun[number].set()
        with room.taken(images):
            order.append(images)

    threads = [threading.Thread(target=call, args=given) for given in ((0, 100), (1, 16))]
    with room.taken(50):
        threads[0].start()
        begun[0].wait(10)
        while not room._turn.locked():
            pass
        threads[1].start()
        begun[1].wait(10)
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == [100, 16]
