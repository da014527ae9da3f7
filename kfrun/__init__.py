"""kfrun runs Kubeflow-style training jobs from reviewed YAML, without a cluster and later on one."""
