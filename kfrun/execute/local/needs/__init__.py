"""needs: what a job must have before its pods start, one module each."""
