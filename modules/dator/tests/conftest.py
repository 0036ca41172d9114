"""Loads hypothesis before any test: its pytest plugin would do so at the very end, where compiling it fails on CPython 3.11.7
("AST constructor recursion depth mismatch", mended in 3.11.8) when the garbage of a test is collected in between."""

import hypothesis

hypothesis.settings.register_profile("default", deadline=None)
