"""pods: the JobSet's pods, as local executors run them."""
