"""The lab: networks, trainings, data sets, evaluation and the paper's experiments."""
