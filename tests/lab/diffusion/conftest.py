import sys

import pytest


@pytest.fixture(autouse=True)
def one_torch_thread():
    """Small networks lose more to a second thread on a busy core than they gain."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
