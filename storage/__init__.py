"""Where rows live: one module a LanceDB table. Nothing here imports Prefect or torch."""
