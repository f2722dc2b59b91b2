"""Ingest: what machines and foreign tools report becomes rows and blobs, here and nowhere else."""
