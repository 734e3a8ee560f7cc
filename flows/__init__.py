"""What runs, in which order: ingest, embed, mine, report; `mmvp` chains them, `cli` starts them."""
