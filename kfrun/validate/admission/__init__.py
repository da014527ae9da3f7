"""admission: what a cluster says of a job after its schema: webhooks, the JobSet, its Jobs and their pods."""
