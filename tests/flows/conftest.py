"""A real Prefect server for the flows' tests; started once, when the first test asks for it."""

import pytest

from flows.server import serve_run
from tests import session


@pytest.fixture(scope="session")
def server():
    """The address of the server that all flows of the session talk to."""
    (session.HOME / "prefect").mkdir(parents=True, exist_ok=True)
    with serve_run(session.PORT, session.VARIABLES, session.HOME):
        yield f"http://127.0.0.1:{session.PORT}/api"
