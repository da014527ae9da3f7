"""runtimes: the runtime that a TrainJob refers to, and those that kfrun ships."""
