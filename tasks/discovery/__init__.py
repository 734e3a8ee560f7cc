"""Patterns in questions: found by models, and which of them each question is about.

Pure: requests are built here, asked by `tasks.evaluation.replies` and read here again.
"""
