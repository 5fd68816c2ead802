"""What holds for all requests: who may ask, how bodies are read, how answers and errors are written."""
