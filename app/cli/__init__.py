"""The command line: LightningCLI with subcommands of our own."""
