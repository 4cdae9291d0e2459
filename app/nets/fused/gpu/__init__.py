"""The recurrent layers and the loss of the softmax on a CUDA GPU, by Triton kernels and CUDA graphs."""
