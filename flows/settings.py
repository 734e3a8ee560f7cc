"""Read the environment: where a user's data lies. Nothing else in the repository reads `MMVP_*`.

Put here: `MMVP_HOME`, `MMVP_STORE`, and what follows from them.
Keep out: Prefect's own settings (`flows.environment`).
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The home of a user's data, and the store, which may be elsewhere."""

    home: Path
    store: str

    @classmethod
    def read(cls) -> "Settings":
        """Read `MMVP_HOME` (default `.mmvp`) and `MMVP_STORE` (default `$MMVP_HOME/store`)."""
        home = Path(os.environ.get("MMVP_HOME") or ".mmvp").expanduser().resolve()
        store = os.environ.get("MMVP_STORE") or str(home / "store")
        if "://" not in store:
            store = str(Path(store).expanduser().resolve())
        return cls(home=home, store=store)
