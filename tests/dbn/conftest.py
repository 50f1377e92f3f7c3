"""Compiled kernels of the tests go to a folder of their own, which goes with the tests."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile

if "NUMBA_CACHE_DIR" not in os.environ:
    _FOLDER = tempfile.mkdtemp(prefix="cudadoctor-tests-")
    atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = _FOLDER
    if "numba" in sys.modules:  # it reads the variable once
        sys.modules["numba"].config.CACHE_DIR = _FOLDER
