"""Media workers as the control process has them: which are alive, which leg is where, what each was told."""
