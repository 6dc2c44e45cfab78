"""Many endpoints on a real API server with KServe's webhooks, and others who write the same."""
