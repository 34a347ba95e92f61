"""The real pipe, with the sample server as its resident."""

import os
import sys

from mcp_rag import pipe

SAMPLE_SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sample_server.py")

if __name__ == "__main__":
    sys.exit(pipe.main(sys.argv[1:], resident=[sys.executable, SAMPLE_SERVER]))
