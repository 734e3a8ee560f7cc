"""Corpora: where images come from, whatever form they are kept in.

`tasks.corpora.opening` opens a corpus by its name; `tasks.corpora.corpus` says what every corpus
can do; `tasks.corpora.locations` reads one image again. The other modules read one form each:
`folder`, `tars` and `webdataset`, `tables` and `columns`, `img2dataset`, `huggingface`, `vectors`.

Put here: reading what others wrote, trusting nothing of it.
Keep out: decoding (`tasks.images`); what is remembered of a corpus (`tasks.ingest`). This file
imports nothing, so that a stage that reads images again does not depend on every form.
"""
