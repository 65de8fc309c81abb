"""Compare fusion methods on data sets: fuse, score, test, time, report."""
