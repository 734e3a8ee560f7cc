"""`mmvp plan`: time, memory and disk of a run on so many images, from this machine's rates.

Put here: options to numbers, the table that is printed.
Keep out: measuring and arithmetic (`tasks.planning`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.clusters import count_gpus, count_workers
from tasks.embed import EmbedConfig
from tasks.mining.thresholds import MineConfig
from tasks.planning import Needs, in_words, measure, needs
from tasks.workers import WorkersConfig

GB = 10**9


def plan(
    images: Sequence[int], encoders: EmbedConfig, mine: MineConfig, workers: WorkersConfig
) -> dict[str, Any]:
    """Return rates of this machine and what runs on so many images would need.

    Raises:
        ValueError: if an encoder cannot be had.
    """
    device = workers.device_kind()
    count = workers.workers or (count_gpus() if device == "cuda" else count_workers())
    rates = measure(encoders.roles(), mine, device=device)
    planned = [
        needs(rates, number, workers=count, tile_images=workers.tile_images) for number in images
    ]
    specs = {role: config.spec for role, config in encoders.roles().items()}
    return {
        "encoders": specs,
        "workers": count,
        "rates": rates._asdict(),
        "needs": [one._asdict() for one in planned],
    }


def print_plan(found: Mapping[str, Any]) -> None:
    """Print rates and needs."""
    rates = found["rates"]
    encoders = ", ".join(
        f"{role} {spec} {1 / rates['models'][role]:,.1f} images/s"
        for role, spec in found["encoders"].items()
    )
    print(
        f"one worker ({rates['device']}): decode {1 / rates['decode']:,.0f} images/s; {encoders};"
    )
    print(
        f"mining {1 / rates['pair'] / 1e9:.2f} billion pairs/s on vectors like CLIP's, "
        f"{1 / rates['code']:,.0f} images/s coded; {found['workers']} workers:"
    )
    print("images\tembed\tmine\tdisk GB\tworker GB\tflow GB")
    for row in (Needs(**one) for one in found["needs"]):
        sizes = (row.disk_bytes, row.worker_bytes, row.flow_bytes)
        cells = [f"{row.images:,}", in_words(row.embed_seconds), in_words(row.mine_seconds)]
        print("\t".join([*cells, *(f"{size / GB:,.1f}" for size in sizes)]))
    print(
        "rates hold for these encoders and thresholds on this machine; pairs grow with the square"
    )
