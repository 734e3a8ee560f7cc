"""How many images go through a model at once: found by trying, and never seen in a vector.

Put here: which sizes a pass may have, when a larger one is tried, what is done without memory.
Keep out: running passes (`tasks.encoders.passes`).

Kernels differ with the shape of a batch, and a vector's last bits with them. So a vector's bits are
by definition those of a pass of the reference size, which is part of an encoder's name; another
size is used only after its rows were seen to have the same bits.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tasks.encoders.specs import Device, EncoderConfig

REFERENCE: Final[Mapping[Device, int]] = MappingProxyType({"cpu": 16, "cuda": 128})
"""Images in a pass where the config names no number: a core is as fast as it gets from 4 on."""

MOST: Final = 4096

TRIAL_SECONDS: Final = 1.0
"""No larger size is tried where two passes take longer: it could not gain what the trial costs."""

GAIN: Final = 1.05
"""A larger size must be faster by this to be taken."""


def reference_images(config: EncoderConfig, device: Device) -> int:
    """Return the number of images in the passes that define an encoder's bits."""
    return config.batch_images or REFERENCE[device]


class BatchSizes:
    """The sizes that one encoder's passes may have in this process."""

    def __init__(self, reference: int, *, may_grow: bool) -> None:
        self.reference = reference
        self._known = [reference]
        """Sizes whose rows have the bits of the reference, in order."""
        self._may_grow = may_grow
        self._is_warm = False

    @property
    def current(self) -> int:
        """The size of the next pass."""
        return self._known[-1]

    @property
    def wanted(self) -> int:
        """The images to gather before the next pass, or before the trial of a larger size."""
        return 2 * self.current if self._may_grow and self._is_warm else self.current

    def filled(self, count: int) -> int:
        """Return the smallest size that holds `count` images."""
        return next(size for size in self._known if size >= count)

    def warm(self) -> None:
        """Note that a pass has been made, so that the next can be timed."""
        self._is_warm = True

    def judge(self, seconds: float, seconds_at_once: float, *, is_same: bool) -> None:
        """Take the doubled size if it gives the same bits faster, else stay for good.

        `seconds` is what `wanted` images took at the current size.
        """
        larger = 2 * self.current
        if is_same and seconds > GAIN * seconds_at_once and larger <= MOST:
            self._known.append(larger)
        else:
            self.settle()
        if 2 * seconds_at_once > TRIAL_SECONDS or 2 * self.current > MOST:
            self.settle()

    def settle(self) -> None:
        """Try no larger size any more."""
        self._may_grow = False

    def shrink(self) -> None:
        """Give up the current size, which memory does not suffice for.

        Raises:
            MemoryError: if it is the reference, below which a vector could have other bits.
        """
        self.settle()
        if len(self._known) == 1:
            message = (
                f"memory does not suffice for a pass of {self.reference} images; set batch_images "
                f"to a smaller number (the vectors then have another name), or use fewer workers"
            )
            raise MemoryError(message)
        self._known.pop()
