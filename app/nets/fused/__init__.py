"""The recurrent layers' fast paths on the CPU: a whole sequence as one function, its gradient written by hand."""
