"""Controller runtime on the official client: requests, caches, queues, election, events, metrics, serving."""
