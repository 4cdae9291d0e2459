"""Trees & Tickets: ON-LSTM and the Lottery Ticket Hypothesis on Lightning."""

__version__ = "0.1.0"
