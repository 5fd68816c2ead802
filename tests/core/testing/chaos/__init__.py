"""The parts of the chaos kit, and that it finds what it looks for."""
