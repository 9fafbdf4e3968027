"""What couples models to audits: the demo, and the experiments on the transition."""
