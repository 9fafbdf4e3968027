"""The parts of the documentation that are generated: the reference, at every build."""
