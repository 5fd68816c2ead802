"""Every snippet of README and documentation runs, and the reference covers the programs.

A page is run from top to bottom in one temporary folder, by one shell and one Python session:

- ``console``: a line that begins with ``$ `` is a command, which goes on after a backslash and through a here-document.
  The lines after it are what it must print, where ``...`` stands for anything. A command must succeed, unless the next
  one is ``echo $?``. A server, ``up`` and a worker ``--forever`` run in the background: the page goes on when they
  answer and have printed what the page shows, and at its end they get SIGTERM and must end well.
- ``python`` runs. A ``text`` block after ``<!-- prints -->`` is what the Python code before it must print.
- ``toml``, ``json`` and ``ini`` are read, and settings must be known to the class that they are for.
- A ``{code-block}`` with a caption is the file of that name: it is written, and not run.
- ``<!-- not run: reason -->`` before a block keeps it from running; its options are still compared with the programs.

Pages say what a reader would see, so their addresses are replaced as text: port 8000 and those after it by free ones,
``postgresql://whatsnext:secret@db/whatsnext`` by a database of the tests' own server. ``WHATSNEXT_PORT`` carries the
free port where a page relies on the default.
"""
