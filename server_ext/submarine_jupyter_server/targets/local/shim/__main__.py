"""Run the shim: ``python -I -S <this file> <attempt directory>``.

With -I nothing of the user's reaches the supervisor, and with -S no site-packages: this package is found by its place.
"""

import sys

sys.path.append(__file__.rpartition("/shim/")[0])

from shim.start import main  # type: ignore[import-not-found]

sys.exit(main(sys.argv[1]))
