"""The parts of the reference that are made from the programs when the documentation is built.

A page holds a line ``<!-- made from the programs: NAME -->``, and Sphinx reads in its place what the part of that name
says: the REST endpoints from the application's OpenAPI document, and the settings from their classes.
"""

from reference_pages.pages import setup

__all__ = ["setup"]
