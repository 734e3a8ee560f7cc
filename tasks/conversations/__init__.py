"""Conversations about images: from a file of them to rows, and from rows to a training set."""
