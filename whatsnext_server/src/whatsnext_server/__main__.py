"""``python -m whatsnext_server``: the same as ``whatsnext-server``."""

from whatsnext_server.cli import main

if __name__ == "__main__":
    main(prog_name="whatsnext-server")
