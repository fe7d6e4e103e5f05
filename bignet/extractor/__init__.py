"""Images in, pooled activations out: sources, decoding, backbones, layer taps, pools, the pipeline."""
