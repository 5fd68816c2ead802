"""The commands of ``whatsnext``, one module or package for each group."""
