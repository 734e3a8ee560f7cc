"""Reasons that two stages give in the same words.

Put here: their names. A stage that took them from the other would depend on its code.
Keep out: reasons of one stage, which stand with it, and what they mean (`tasks.mining.selection`).
"""

from typing import Final

IMAGE_USED: Final = "image-used"
NOTHING_TO_ASK: Final = "nothing-to-ask"
