"""Feed: what the cluster does, for those who look, and only while somebody does."""
