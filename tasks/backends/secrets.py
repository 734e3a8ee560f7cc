"""Keys of servers: read from the environment, kept out of all that is printed or stored.

Put here: reading a key, hiding it in texts that others write.
Keep out: where it is sent (`openai`, `anthropic`, `gemini`, beside this file).
"""

import os
from typing import Any, Final, Literal, overload

HIDDEN: Final = "***"


class Secret:
    """A key that shows the name of its variable and never its value; it cannot be pickled."""

    __slots__ = ("_value", "variable")

    def __init__(self, variable: str, value: str) -> None:
        self.variable = variable
        self._value = value

    def __repr__(self) -> str:
        return f"Secret({self.variable})"

    def __reduce__(self) -> Any:
        message = (
            f"the key in {self.variable} is not to be stored or sent to a worker; read it there"
        )
        raise TypeError(message)

    def reveal(self) -> str:
        """Return the value, to be sent and nothing else."""
        return self._value

    def hide(self, text: str) -> str:
        """Return a text without the value: servers repeat keys in their errors."""
        return text.replace(self._value, HIDDEN)


@overload
def read_secret(variable: str) -> Secret: ...


@overload
def read_secret(variable: str, *, required: Literal[False]) -> Secret | None: ...


def read_secret(variable: str, *, required: bool = True) -> Secret | None:
    """Read a key from an environment variable; None if it is not set and not required.

    Raises:
        ValueError: if it is not set, or holds what no header can hold.
    """
    value = os.environ.get(variable, "").strip()
    if not value and not required:
        return None
    if not value:
        message = f"environment variable {variable} is not set; expected the server's API key in it"
        raise ValueError(message)
    if not all("!" <= sign <= "~" for sign in value):
        # Said here, because the client's own error would print the value.
        message = (
            f"environment variable {variable} holds blanks or signs outside ASCII; expected an "
            f"API key, which has none: copy it again"
        )
        raise ValueError(message)
    return Secret(variable, value)
