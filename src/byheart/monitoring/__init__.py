"""An audit during training, valid at every look."""
