"""Weights of the ON-LSTM authors' own code, read without running what is in their files."""
