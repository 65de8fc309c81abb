"""What surrounds the network: files, pairs, colour and ranges."""
