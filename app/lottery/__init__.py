"""The lottery of Frankle & Carbin: networks, methods, plan, and the processes that train them."""
