"""A BigQuery and a Cloud Storage on loopback, for tests and for a try without Google. From extra `gcp-dev`."""
