"""Rules about the host: containers, WSL2, virtual machines and macOS."""
