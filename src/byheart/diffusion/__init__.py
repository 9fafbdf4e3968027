"""Denoisers, schedules and samplers of diffusion models, in numpy."""
