"""Asking models the questions of a benchmark, and scoring what they said."""
