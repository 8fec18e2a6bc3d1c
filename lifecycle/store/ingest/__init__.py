"""Taking messages in: identify, partition, fold, diff, write."""
