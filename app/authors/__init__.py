"""Import of models that the ON-LSTM authors' code saved, without running code from their files."""
