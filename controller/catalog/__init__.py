"""Model presets and GPU sizes as reviewed data, with the loader that checks them."""
