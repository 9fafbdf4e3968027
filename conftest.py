"""Doctests of the modules that need an extra run only where that extra is installed."""

from importlib.util import find_spec

collect_ignore = []
if find_spec("torch") is None or find_spec("diffusers") is None:
    collect_ignore += ["src/byheart/diffusion/neural.py", "src/byheart/diffusion/training.py"]
if find_spec("lightning") is None and find_spec("pytorch_lightning") is None:
    collect_ignore += ["src/byheart/integrations/lightning.py"]
