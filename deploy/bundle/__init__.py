"""The MCPB bundle: this server as one file that Claude Desktop and other hosts install by a click."""
