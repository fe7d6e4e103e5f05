"""The dataset on disk: Parquet shards, numbered manifests, lock, verify."""
