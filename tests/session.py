"""One Prefect home and port for a session of tests, set before Prefect is first imported."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from flows import environment
from flows.server import free_port

HOME = Path(tempfile.mkdtemp(prefix="mmvp-tests-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
PORT = free_port()
VARIABLES = environment.prefect_environment(HOME, str(HOME / "store"), PORT)

environment.apply({**VARIABLES, "PREFECT_LOGGING_LEVEL": "WARNING"})
os.environ.update({"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"})
