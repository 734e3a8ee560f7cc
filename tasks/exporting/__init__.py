"""Trained models as folders that transformers alone can load."""
