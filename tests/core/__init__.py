"""The core: what it decides, and the contracts that it sets."""
