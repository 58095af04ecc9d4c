import threading

import pytest
import torch

from vividpast_lib.devices import in_threads, one_thread_an_operation


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_the_last_one_out_gives_torch_its_threads_back(three_threads) -> None:
    first, second = one_thread_an_operation(), one_thread_an_operation()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert torch.get_num_threads() == 1
    second.__exit__(None, None, None)
    assert torch.get_num_threads() == 3


def test_an_error_gives_torch_its_threads_back_too(three_threads) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        in_threads(fail, at_most=9)
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(("at_most", "threads"), [(9, 3), (2, 2), (1, 1)])
def test_work_is_called_in_each_thread_at_the_same_time(
    three_threads, at_most: int, threads: int
) -> None:
    together = threading.Barrier(threads, timeout=60)
    in_threads(lambda: together.wait() and None, at_most)
    assert not together.broken


def test_alone_in_one_thread_an_operation_may_use_all(three_threads) -> None:
    seen = []
    in_threads(lambda: seen.append(torch.get_num_threads()), at_most=1)
    assert seen == [3]
