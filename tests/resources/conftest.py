"""Fixtures of resources, with a memory broker."""

import pytest

from fq import App
from tests.resources.rig import Rig


@pytest.fixture
def rig() -> Rig:
    return Rig(App("memory://"))
