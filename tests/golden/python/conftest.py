"""Runs the tests with this directory on the path, so that `golden_stubs` is found. Configures nothing else."""
