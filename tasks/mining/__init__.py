"""Find CLIP-blind pairs: two images that one encoder takes for the same and another tells apart.

Source: Tong et al. 2024 (arXiv:2401.06209), "Finding CLIP-blind pairs".
"""

from tasks.mining.pairs import BlindPairs
from tasks.mining.search import mine

__all__ = ["BlindPairs", "mine"]
