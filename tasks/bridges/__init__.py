"""Bridges from other harnesses: the replies that they stored, whoever asked the model.

Source: the files themselves: MMVP's evaluation script (github.com/tsb0601/MMVP), lmms-eval 0.7,
VLMEvalKit of August 2026.
"""

from tasks.bridges.replies import Replies, read_replies

__all__ = ["Replies", "read_replies"]
