"""What every room may know: errors, seeds, files, metrics, and what is asked of any module."""
