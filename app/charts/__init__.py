"""Interactive charts of a report's page, as Vega-Lite specifications; no other room knows Vega."""
