"""The service over HTTP, for programs that do not speak MCP."""
