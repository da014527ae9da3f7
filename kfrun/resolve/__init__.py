"""resolve: a TrainJob and its runtime become the JobSet that the Trainer controller would apply. Pure."""
