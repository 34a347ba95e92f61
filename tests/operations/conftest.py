"""How the service is run: behind a proxy, watched, restarted. Every process is the real one."""
