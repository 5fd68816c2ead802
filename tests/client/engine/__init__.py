"""The parts of the worker's engine, each on its own."""
