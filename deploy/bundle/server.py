"""Where a host comes in that starts the bundle by its entry point: the same as `mcp-rag stdio`."""

import sys

from mcp_rag.__main__ import main

sys.argv[1:] = ["stdio"]
main()
