"""What is compared instead of raw values: functions, ONNX files, image encoders."""
