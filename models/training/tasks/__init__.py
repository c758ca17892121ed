"""What the model learns, one module per subject; each yields questions with their answers."""
