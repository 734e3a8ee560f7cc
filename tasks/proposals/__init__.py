"""Questions that models propose about pairs of images: what they are asked, and what they said.

Pure: requests are built here, asked by `tasks.evaluation.replies` and read here again.
"""
