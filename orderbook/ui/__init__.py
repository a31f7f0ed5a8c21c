"""What a person looks at in a terminal. Nothing here decides or waits: values in, something printable out."""
