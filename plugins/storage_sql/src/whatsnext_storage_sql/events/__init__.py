"""Events, and how far those who follow them have come."""
