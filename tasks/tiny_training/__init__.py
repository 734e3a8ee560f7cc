"""Training of the shipped encoders: a tiny CLIP and a tiny self-supervised one, on drawn scenes."""
