"""What a long run leaves on a disk: checkpoints, measurements, locks, provenance."""
