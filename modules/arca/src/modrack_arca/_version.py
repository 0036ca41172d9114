"""The version of this module; the report, the bundle and the build read it."""

VERSION = "0.1.0"
