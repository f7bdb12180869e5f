"""The parts of the queue's model test; see `test_work_queue_machine`."""

import pytest

# Else an assertion in one of these that fails does not say what it compared.
_WITH_ASSERTIONS = ("expected", "model", "outside", "stage", "working")
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _WITH_ASSERTIONS))
