"""What one step does: pure functions, and the stages that hand them to Prefect and Dask."""
