"""Small multimodal language models trained on frozen encoders' tokens: CLIP, SSL, and mixtures."""
