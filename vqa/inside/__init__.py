"""Looking into recurrent networks: what their cells hold, and how far gradients reach."""
