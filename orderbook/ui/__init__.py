"""What a person looks at in a terminal: values in, something printable out. Only ``keys`` waits, for a person."""
