"""Experiments that couple models to audits through plain arrays of samples."""
