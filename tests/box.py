"""The box in which bash fixes run, where the machine can make one."""

import pytest

from pattern_engine.fixes.bash.executor import BoxError, prove_box


def _why_there_is_no_box() -> str | None:
    try:
        prove_box()
    except BoxError as failure:
        return str(failure)
    return None


NO_BOX = _why_there_is_no_box()
#: Marks a test that runs scripts in the box.
needs_box = pytest.mark.skipif(NO_BOX is not None, reason=f"no box here: {NO_BOX}")
