"""Networks of a lottery that are trained at once on one device."""
