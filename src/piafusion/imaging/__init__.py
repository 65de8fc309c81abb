"""Pictures in memory and on disk: files, pairs, colour, tone, alignment and tiles."""
