"""Who may enter the page: names, roles, and tokens of which only digests are kept.

Put here: making tokens, keeping their digests, telling whose a token is.
Keep out: cookies and requests (`app`, beside this file).
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flows.up import write_secret

FILE: Final = "people.json"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


class People:
    """Those who may enter now, and the links of those who are new."""

    def __init__(
        self,
        folder: Path,
        annotators: Sequence[str],
        adjudicators: Sequence[str] = (),
        *,
        renew: bool = False,
    ) -> None:
        """Make a token for everybody who has none; with `renew`, for all.

        Where no name is given, all who are known may enter, in the roles that they had.

        Raises:
            ValueError: if there is nobody, or a name cannot be one.
        """
        path = folder / FILE
        kept: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
        given = list(dict.fromkeys([*annotators, *adjudicators]))
        self.names = given or sorted(kept)
        _check(self.names)
        roles = {name: (name in annotators, name in adjudicators) for name in given}
        self.tokens: dict[str, str] = {
            name: secrets.token_urlsafe(32) for name in self.names if renew or name not in kept
        }
        """New tokens by name; they cannot be told again."""
        for name in self.names:
            known = kept.setdefault(name, {})
            if name in self.tokens:
                known["sha256"] = _digest(self.tokens[name])
            if name in roles:
                known["annotator"], known["adjudicator"] = roles[name]
        write_secret(path, json.dumps(kept, sort_keys=True, indent=1) + "\n")
        self.annotators = {name for name in self.names if kept[name]["annotator"]}
        self.adjudicators = {name for name in self.names if kept[name]["adjudicator"]}
        self._digests: Mapping[str, str] = {name: kept[name]["sha256"] for name in self.names}

    def whose(self, token: str) -> str | None:
        """Return the name of whoever has this token; None if nobody has.

        It takes as long for a wrong token as for a right one.
        """
        given = _digest(token)
        found = [n for n, digest in self._digests.items() if hmac.compare_digest(digest, given)]
        return found[0] if found else None


def _check(names: Sequence[str]) -> None:
    if not names:
        message = "nobody may enter the page; give names with --annotators NAME NAME"
        raise ValueError(message)
    for name in names:
        if not _NAME.fullmatch(name):
            message = (
                f"{name!r} cannot be a name here; expected up to 32 letters, digits, '_', '.' or "
                f"'-', the first a letter or digit"
            )
            raise ValueError(message)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
