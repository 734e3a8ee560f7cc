"""Questions about pairs of images, written from a corpus' own metadata."""
