"""What the stage `ingest` does: `reading` on workers, `files` and `archives` in the flow's process.

Put here: bringing `images`, `paths` and `refused` up to date with one corpus.
Keep out: the stage itself (`tasks.ingest`); forms of corpora (`tasks.corpora`). This file imports
nothing.
"""
