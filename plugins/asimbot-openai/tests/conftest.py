"""Lets the tests run from a checkout, whether the distribution is installed or not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
