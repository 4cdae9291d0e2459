"""What several tests share: small networks, data and runs, and the command line in a process of its own."""
