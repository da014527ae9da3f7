"""The process backend: containers of the resolved JobSet run as processes of this machine."""
