"""What is measured on one trained model or one set of rows."""
