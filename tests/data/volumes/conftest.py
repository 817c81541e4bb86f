"""The tests of volumes need the readers of the `test` extra."""

import pytest

pytest.importorskip("nibabel")
pytest.importorskip("pydicom")
