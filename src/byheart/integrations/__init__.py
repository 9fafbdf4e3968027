"""The training monitor in other tools: `lightning` has a callback, `tensorboard` writes scalars.

Each module is imported by its name, so that none asks for a tool that is not used.
"""
