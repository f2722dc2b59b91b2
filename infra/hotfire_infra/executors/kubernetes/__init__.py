"""The Kubernetes executor: an attempt is one Job; Kueue decides when it starts, the scheduler where.

The store owns retries, priorities and what an attempt came to. Here an order becomes a Job with a
Secret, a list-watch tells what became of it, and what its pod reports arrives through the ingest
routes of the API.
"""
