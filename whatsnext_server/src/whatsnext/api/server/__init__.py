"""The stable public face of the WhatsNext server.

``main`` has the application, ``schemas`` the Pydantic schemas, ``routers`` the endpoints, ``models`` the SQLAlchemy
models, ``database`` what opens a database, and ``config`` the settings.
"""
