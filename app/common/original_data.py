"""How checksums tell a copy of a data set that is not the original; without torch, for reports."""

# Ends the name of a file of a published data set that has other content than the published one; reports say so.
NOT_ORIGINAL = "(not the original)"
