"""Write files that are whole or not there, whenever the process is killed.

Put here: replacing a file's content at once.
Keep out: what files hold.
"""

from pathlib import Path


def write_whole(path: Path, content: bytes, *, writer: str = "") -> None:
    """Make a file hold these bytes, all at once or not at all; its folder is made too.

    What a killed call left is replaced by the next. Processes that may write the same file at the
    same time each give themselves a name as `writer`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}{writer}.part")
    part.write_bytes(content)
    part.replace(path)
